"""Photos of one shot: RAW and JPEG, edited copies. Remembered also after their files are parted or gone.

Every photo of a shot with several photos has a row that names the *leader*, the one that stands for all; the leader's
row names itself. A photo without companions has none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from keeprate.catalog.connection import Catalog, path_bytes


@dataclass(frozen=True, slots=True)
class Companions:
    """All shots with several photos; keys are content keys."""

    leader_of: dict[str, str] = field(default_factory=dict)
    """photo → leader, of every photo with companions, leaders among them."""
    members: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """leader → all photos of the shot, the leader first."""

    def shot(self, content_key: str) -> str:
        """What all photos of a shot have in common: their leader; a photo without companions is its own."""
        return self.leader_of.get(content_key, content_key)

    def photos(self, content_key: str) -> tuple[str, ...]:
        """All photos of the shot that a photo belongs to, the leader first; itself where it has no companions."""
        return self.members.get(self.shot(content_key), (content_key,))


def load(catalog: Catalog) -> Companions:
    """Every shot with several photos."""
    leader_of: dict[str, str] = {}
    members: dict[str, list[str]] = {}
    for key, leader in catalog.conn.execute("SELECT content_key, leader FROM companions ORDER BY content_key"):
        leader_of[key] = leader
        members.setdefault(leader, [leader])
        if key != leader:
            members[leader].append(key)
    return Companions(leader_of, {leader: tuple(keys) for leader, keys in members.items()})


def join(catalog: Catalog, leader: str, others: Collection[str]) -> None:
    """From now on `others` and `leader` are one shot, whatever they were before. Call within a transaction.

    Shots that they come from must be joined as a whole: pass all of their photos.
    """
    catalog.conn.executemany(
        "INSERT INTO companions (content_key, leader) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET leader = ?2",
        [(key, leader) for key in {leader, *others}],
    )


def part(catalog: Catalog, content_keys: Sequence[str]) -> None:
    """These photos belong to no shot any more; what remains of theirs stays together. Call within a transaction."""
    leader_of = load(catalog).leader_of
    catalog.conn.executemany("DELETE FROM companions WHERE content_key = ?", [(key,) for key in content_keys])
    for leader in {leader_of[key] for key in content_keys if key in leader_of}:
        left = catalog.conn.execute(
            "SELECT content_key FROM companions WHERE leader = ? ORDER BY content_key <> leader, content_key", (leader,)
        ).fetchall()
        if len(left) == 1:
            catalog.conn.execute("DELETE FROM companions WHERE leader = ?", (leader,))
        elif left:
            catalog.conn.execute("UPDATE companions SET leader = ? WHERE leader = ?", (left[0][0], leader))


def lying(catalog: Catalog) -> set[str]:
    """Photos with companions of which a file is there (as far as anybody knows: also in a library that is offline)."""
    rows = catalog.conn.execute(
        "SELECT DISTINCT content_key FROM companions JOIN files USING (content_key) WHERE files.gone_at IS NULL"
    )
    return {key for (key,) in rows}


def leaders_in(catalog: Catalog, library: str) -> set[str]:
    """Leaders of the shots of several photos of which a file is in a library."""
    rows = catalog.conn.execute(
        "SELECT DISTINCT leader FROM companions JOIN files USING (content_key) "
        "WHERE +files.library = ? AND files.gone_at IS NULL",
        (library,),
    )
    return {leader for (leader,) in rows}


# ---- looking for them ----


@dataclass(frozen=True, slots=True)
class Looked:
    """What was known when companions were last looked for; see `companions_looked`."""

    rules: int
    decoded: int
    seen_at: float


def last_look(catalog: Catalog) -> Looked | None:
    row = catalog.conn.execute("SELECT rules, decoded, seen_at FROM companions_looked").fetchone()
    return None if row is None else Looked(*row)


def remember_look(catalog: Catalog, looked: Looked) -> None:
    """Call within a transaction."""
    catalog.conn.execute(
        "INSERT OR REPLACE INTO companions_looked VALUES (1, ?, ?, ?)", (looked.rules, looked.decoded, looked.seen_at)
    )


def known_now(catalog: Catalog, rules: int) -> Looked:
    """What a look now would know."""
    decoded = catalog.conn.execute("SELECT count(*) FROM photos WHERE format IS NOT NULL").fetchone()[0]
    seen_at = catalog.conn.execute("SELECT coalesce(max(seen_at), 0) FROM files").fetchone()[0]
    return Looked(rules, decoded, seen_at)


def paths_seen_since(catalog: Catalog, seen_at: float) -> list[str]:
    """Readable files on disk that were noted after `seen_at` (unix seconds)."""
    rows = catalog.conn.execute(
        "SELECT path FROM files WHERE seen_at > ? AND gone_at IS NULL AND content_key IS NOT NULL", (seen_at,)
    )
    return [path for (path,) in rows]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A readable file on disk and what is known of its picture; `taken_at` in unix seconds."""

    path: str
    content_key: str
    taken_at: float | None
    perceptual_hash: int | None


_FACTS = "SELECT files.path, files.content_key, photos.taken_at, photos.perceptual_hash FROM files JOIN photos"


def facts(catalog: Catalog, folder: str | None = None) -> Iterator[FileFacts]:
    """Of every file, or of those that lie directly in `folder`, sorted by path."""
    if folder is None:
        rows = catalog.conn.execute(f"{_FACTS} USING (content_key) WHERE files.gone_at IS NULL ORDER BY files.path")
    else:
        low = path_bytes(folder.rstrip("/") + "/")
        rows = catalog.conn.execute(
            f"{_FACTS} USING (content_key) WHERE files.gone_at IS NULL "
            "AND files.path >= CAST(?1 AS TEXT) AND files.path < CAST(?2 AS TEXT) "
            "AND instr(substr(files.path, length(CAST(?1 AS TEXT)) + 1), '/') = 0 ORDER BY files.path",
            (low, low[:-1] + b"0"),  # "0" follows "/"
        )
    return (FileFacts(*row) for row in rows)


def facts_of_companions(catalog: Catalog) -> dict[str, FileFacts]:
    """content key → its first file by path, those on disk before those that are gone; of every photo of a shot."""
    rows = catalog.conn.execute(
        f"{_FACTS} USING (content_key) JOIN companions USING (content_key) "
        "ORDER BY files.gone_at IS NOT NULL DESC, files.path DESC"
    )
    return {row[1]: FileFacts(*row) for row in rows}
