"""Forgetting photos: what was said about them, what was seen in them, what was predicted. No file is touched."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keeprate.catalog import companions, files
from keeprate.errors import UsageError
from keeprate.paths import expanded
from keeprate.steps.session import Session
from keeprate.steps.upkeep.thumbnails import remove_thumbnails

_OF_A_HEAD: Final = ("labels", "given_scores", "out_of_fold", "scores")
_OF_A_PHOTO: Final = ("embeddings", "signals", "looks", "bursts")
_MARKED: Final = ("taken_marks", "said_values", "first_readings")
"""Kept while a file is left: what its stars said must not be learned anew because it was forgotten."""
_THEIRS: Final = "content_key IN (SELECT content_key FROM forgotten)"


@dataclass(frozen=True, slots=True)
class ForgetOutcome:
    """What was forgotten; with `dry_run`, what would be."""

    photos: int
    labels: int
    """Photos among them that carried a label."""
    still_there: tuple[str, ...]
    """Files of them that lie in a library: they are looked at again, and one in a bucket's folder is a label again."""
    dry_run: bool


def gone_photos(session: Session) -> list[str]:
    """Content keys of photos of which no file is left. Photos of a library that is offline are not gone."""
    rows = session.catalog.conn.execute(
        "SELECT content_key FROM photos WHERE content_key NOT IN "
        "(SELECT content_key FROM files WHERE gone_at IS NULL AND content_key IS NOT NULL) ORDER BY content_key"
    )
    return [key for (key,) in rows]


def photos_of(session: Session, paths: Sequence[Path]) -> list[str]:
    """Content keys of the photos that lie, or lay, at `paths`.

    Raises:
        UsageError: keeprate knows no photo there.
    """
    wanted = [str(expanded(path).absolute()) for path in paths]
    found = files.content_keys_at(session.catalog, wanted)
    for path in wanted:
        if path not in found:
            raise UsageError("keeprate knows no photo of this name.", path=Path(path))
    return list(dict.fromkeys(found.values()))


def forget(
    session: Session, content_keys: Collection[str], head: str | None = None, *, dry_run: bool = False
) -> ForgetOutcome:
    """Purge photos from the catalog: labels, scores, vectors; with `head`, only what belongs to that head.

    Head versions stay: what was learned from them is in there, and goes with the next training. A photo that carries a
    mark of ours keeps its row, or `undo` would not find it.

    Raises:
        UsageError: there is no such head.
    """
    session.heads(head)
    conn = session.catalog.conn
    with session.catalog.db.atomic():
        conn.execute("CREATE TEMP TABLE IF NOT EXISTS forgotten (content_key TEXT PRIMARY KEY)")
        conn.execute("DELETE FROM forgotten")
        conn.executemany("INSERT OR IGNORE INTO forgotten VALUES (?)", [(key,) for key in content_keys])
        labelled = conn.execute(
            f"SELECT count(DISTINCT content_key) FROM labels WHERE bucket IS NOT NULL AND {_THEIRS} "
            "AND (?1 IS NULL OR head = ?1) AND id IN (SELECT max(id) FROM labels GROUP BY head, content_key)",
            (head,),
        ).fetchone()[0]
        lying = conn.execute(f"SELECT path FROM files WHERE gone_at IS NULL AND {_THEIRS} ORDER BY path").fetchall()
        if not dry_run:
            _purge(session, head)
    if head is None and not dry_run:
        remove_thumbnails(session.home, content_keys)
    return ForgetOutcome(len(set(content_keys)), int(labelled), tuple(path for (path,) in lying), dry_run)


def _purge(session: Session, head: str | None) -> None:
    conn = session.catalog.conn
    for table in _OF_A_HEAD:
        conn.execute(f"DELETE FROM {table} WHERE {_THEIRS} AND (?1 IS NULL OR head = ?1)", (head,))
    if head is not None:
        return
    companions.part(session.catalog, [key for (key,) in conn.execute("SELECT content_key FROM forgotten")])
    for table in _OF_A_PHOTO:
        conn.execute(f"DELETE FROM {table} WHERE {_THEIRS}")
    lying = "SELECT content_key FROM files WHERE content_key IS NOT NULL AND gone_at IS NULL"
    for table in _MARKED:
        conn.execute(f"DELETE FROM {table} WHERE {_THEIRS} AND content_key NOT IN ({lying})")
    unmarked = f"{_THEIRS} AND content_key NOT IN (SELECT content_key FROM journal WHERE content_key IS NOT NULL)"
    conn.execute(f"DELETE FROM files WHERE gone_at IS NOT NULL AND {unmarked}")
    conn.execute(
        f"DELETE FROM photos WHERE {unmarked} "
        "AND content_key NOT IN (SELECT content_key FROM files WHERE content_key IS NOT NULL)"
    )
