"""Paths and what lies at them; photos by picture content."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from keeprate.catalog.connection import Catalog, path_bytes

Signature = tuple[int, int, int, int]
"""(size, mtime_ns, ctime_ns, inode): what tells an unchanged file without reading it."""


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file as it lies on disk now; `content_key` is None if it could not be read."""

    path: str
    library: str
    signature: Signature
    content_key: str | None
    folder: str
    """The folder that it counts as seen in (for the photo's `first_folder`)."""


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file as the catalog knows it."""

    path: str
    library: str
    content_key: str
    gone_at: float | None


def signed(inode: int) -> int:
    """`inode` as the catalog stores it: SQLite integers are signed, some network file systems use all 64 bits."""
    return inode - (1 << 64) if inode >= 1 << 63 else inode


def signed_signature(signature: Signature) -> Signature:
    """`signature` as the catalog stores it."""
    return (signature[0], signature[1], signature[2], signed(signature[3]))


def known_signatures(catalog: Catalog, library: str, below: str | None = None) -> dict[str, Signature]:
    """path → signature of every present file of a library (or of those below the folder `below`)."""
    if below is None:
        rows = catalog.conn.execute(
            "SELECT path, size, mtime_ns, ctime_ns, inode FROM files WHERE library = ? AND gone_at IS NULL",
            (library,),
        ).fetchall()
    else:
        low = path_bytes(below.rstrip("/") + "/")
        rows = catalog.conn.execute(
            "SELECT path, size, mtime_ns, ctime_ns, inode FROM files WHERE library = ? AND gone_at IS NULL "
            "AND path >= CAST(? AS TEXT) AND path < CAST(? AS TEXT)",
            (library, low, low[:-1] + b"0"),  # "0" follows "/"
        ).fetchall()
    return {row[0]: row[1:] for row in rows}


def readable(catalog: Catalog, library: str, below: str | None = None) -> dict[str, Signature]:
    """The same for those that could be read: files with a content key."""
    low = path_bytes("" if below is None else below.rstrip("/") + "/")
    rows = catalog.conn.execute(
        "SELECT path, size, mtime_ns, ctime_ns, inode FROM files WHERE library = ? AND gone_at IS NULL "
        "AND content_key IS NOT NULL AND path >= CAST(? AS TEXT) AND (? OR path < CAST(? AS TEXT))",
        (library, low, below is None, low[:-1] + b"0"),
    )
    return {row[0]: row[1:] for row in rows}


def known_at(catalog: Catalog, path: str) -> Signature | None:
    """The signature of one present file."""
    row = catalog.conn.execute(
        "SELECT size, mtime_ns, ctime_ns, inode FROM files WHERE path = CAST(? AS TEXT) AND gone_at IS NULL",
        (path_bytes(path),),
    ).fetchone()
    return tuple(row) if row else None


def content_keys_at(catalog: Catalog, paths: Iterable[str], *, present: bool = False) -> dict[str, str]:
    """path → content key, for those of `paths` that have one; gone files count unless `present` is asked for."""
    found: dict[str, str] = {}
    for path in paths:
        row = catalog.conn.execute(
            "SELECT content_key FROM files WHERE path = CAST(? AS TEXT) AND (gone_at IS NULL OR NOT ?)",
            (path_bytes(path), present),
        ).fetchone()
        if row and row[0]:
            found[path] = row[0]
    return found


def add_photos(catalog: Catalog, seen: Sequence[tuple[str, str]]) -> int:
    """Note (content key, folder it was seen in) of photos, known ones or not; returns how many are new.

    A photo need not have a file in a library. Call within a transaction.
    """
    before = catalog.conn.total_changes
    catalog.conn.executemany(
        "INSERT INTO photos (content_key, first_seen, first_folder) VALUES (?, ?, CAST(? AS TEXT)) "
        "ON CONFLICT DO NOTHING",
        [(key, time.time(), path_bytes(folder)) for key, folder in seen],
    )
    return catalog.conn.total_changes - before


def store(catalog: Catalog, seen: Sequence[SeenFile]) -> int:
    """Write files that appeared or changed; returns how many photos are new. Call within a transaction."""
    now = time.time()
    new_photos = add_photos(catalog, [(file.content_key, file.folder) for file in seen if file.content_key is not None])
    catalog.conn.executemany(
        """
        INSERT INTO files (path, library, size, mtime_ns, ctime_ns, inode, content_key, seen_at)
        VALUES (CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (path) DO UPDATE SET
            library = excluded.library, size = excluded.size, mtime_ns = excluded.mtime_ns,
            ctime_ns = excluded.ctime_ns, inode = excluded.inode, content_key = excluded.content_key,
            seen_at = excluded.seen_at, gone_at = NULL
        """,
        [
            (path_bytes(file.path), file.library, *signed_signature(file.signature), file.content_key, now)
            for file in seen
        ],
    )
    return new_photos


def read_again(catalog: Catalog) -> int:
    """Let the next scan read every file that could not be read; returns how many."""
    with catalog.db.atomic():
        return catalog.conn.execute("UPDATE files SET size = -1 WHERE content_key IS NULL AND gone_at IS NULL").rowcount


def mark_gone(catalog: Catalog, paths: Iterable[str]) -> None:
    """These paths hold no photo any more. Call within a transaction."""
    now = time.time()
    catalog.conn.executemany(
        "UPDATE files SET gone_at = ? WHERE path = CAST(? AS TEXT)",
        [(now, path_bytes(path)) for path in paths],
    )


def present(catalog: Catalog, library: str | None = None) -> list[KnownFile]:
    """The readable files on disk, sorted by path."""
    rows = catalog.conn.execute(
        "SELECT path, library, content_key, gone_at FROM files WHERE gone_at IS NULL AND content_key IS NOT NULL "
        "AND (?1 IS NULL OR library = ?1) ORDER BY path",
        (library,),
    )
    return [KnownFile(*row) for row in rows]


def of_photo(catalog: Catalog, content_key: str) -> list[KnownFile]:
    """Where a photo lies now, sorted by path."""
    rows = catalog.conn.execute(
        "SELECT path, library, content_key, gone_at FROM files WHERE content_key = ? AND gone_at IS NULL ORDER BY path",
        (content_key,),
    )
    return [KnownFile(*row) for row in rows]


def has_seen(catalog: Catalog, library: str, content_key: str) -> bool:
    """Whether the library has this photo, or had it."""
    row = catalog.conn.execute(  # + keeps SQLite from walking the library: it takes both indexes for equally good
        "SELECT 1 FROM files WHERE content_key = ? AND +library = ? LIMIT 1", (content_key, library)
    ).fetchone()
    return row is not None


def was_elsewhere(catalog: Catalog, content_key: str, library: str, paths: Sequence[str]) -> bool:
    """Whether the library has seen this photo at another path than `paths`, now or before."""
    row = catalog.conn.execute(
        f"SELECT 1 FROM files WHERE content_key = ? AND +library = ? "  # + as in `has_seen`
        f"AND path NOT IN ({','.join('CAST(? AS TEXT)' for _ in paths)}) LIMIT 1",
        (content_key, library, *(path_bytes(path) for path in paths)),
    ).fetchone()
    return row is not None


@dataclass(frozen=True, slots=True)
class LibraryCounts:
    """How much a library holds."""

    files: int
    photos: int
    """Copies, and files of one shot, count once."""


def counts(catalog: Catalog, library: str) -> LibraryCounts:
    row = catalog.conn.execute(
        "SELECT count(*), count(DISTINCT coalesce(companions.leader, files.content_key)) "
        "FROM files LEFT JOIN companions USING (content_key) WHERE library = ? AND gone_at IS NULL",
        (library,),
    ).fetchone()
    return LibraryCounts(*row)


def sample(catalog: Catalog, library: str, limit: int) -> dict[str, Signature]:
    """Some files that should be there: path → signature."""
    rows = catalog.conn.execute(
        "SELECT path, size, mtime_ns, ctime_ns, inode FROM files WHERE library = ? AND gone_at IS NULL LIMIT ?",
        (library, limit),
    )
    return {row[0]: row[1:] for row in rows}


def perceptual_hashes(catalog: Catalog, content_keys: Collection[str]) -> dict[str, int]:
    """content key → how the photo looks (`pictures.similarity`); without those not decoded yet, and flat ones."""
    rows = catalog.conn.execute("SELECT content_key, perceptual_hash FROM photos WHERE perceptual_hash <> 0")
    return {key: look for key, look in rows if key in content_keys}
