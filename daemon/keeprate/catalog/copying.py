"""A copy of the catalog while it is in use: one file, complete or not there at all, read once more before it counts.

The copy is the catalog as it was at one moment, whatever is written meanwhile: a reader of a write-ahead log holds up
nobody, and nobody makes it begin anew. Damage is found here rather than on the day when the copy is needed.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from keeprate.errors import CatalogDamagedError, CatalogError, DiskFullError
from keeprate.safe_files import build_file

PAGES_AT_ONCE = 256
"""A megabyte: after each, progress is told, and there is room for others."""
LEAST_FREE_BYTES = 50_000_000
"""What a copy leaves free on the disk at least."""
_FULL = (errno.ENOSPC, errno.EDQUOT)

Progress = Callable[[int, int], None]
"""Called with (pages done, pages in all); what it raises ends the copying, and nothing is left of it."""


def _ignore(_done: int, _total: int) -> None:
    return


def copy_catalog(source: Path, target: Path, progress: Progress = _ignore) -> None:
    """Copy the catalog at `source` to `target`; what stood there is replaced.

    Raises:
        DiskFullError: there is no room for it.
        CatalogDamagedError: the catalog is damaged.
        CatalogError: its copy cannot be written.
        sqlite3.Error: the catalog cannot be read.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _check_room(source, target.parent)
        with build_file(target) as temporary:
            _copy(source, temporary, progress)
            fault = fault_of(temporary)
            if fault is not None:
                raise CatalogDamagedError(f"The catalog is damaged, so it was not copied ({fault}).", path=source)
    except OSError as error:
        if error.errno in _FULL:
            raise _full(target) from error
        raise CatalogError(
            f"The copy of the catalog cannot be written: {error.strerror or error}.", path=target
        ) from error


def fault_of(copy: Path) -> str | None:
    """What is wrong with a copy that nobody has open, in SQLite's words; None: it can be used."""
    try:
        with closing(sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as conn:
            said = str(conn.execute("PRAGMA quick_check(1)").fetchone()[0])
            if said != "ok":
                return said
            known = conn.execute("SELECT 1 FROM sqlite_master WHERE name = 'photos'").fetchone()
            return None if known else "it is no catalog"
    except sqlite3.Error as error:
        return str(error)


def _copy(source: Path, temporary: Path, progress: Progress) -> None:
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as reading,
        closing(sqlite3.connect(temporary, isolation_level=None)) as writing,
    ):
        # Nobody else knows the copy yet: it needs no journal, and it is synced once, at the end.
        writing.execute("PRAGMA journal_mode = OFF")
        writing.execute("PRAGMA synchronous = OFF")
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on, this moment is what we see
        try:
            reading.backup(
                writing, pages=PAGES_AT_ONCE, progress=lambda _status, left, total: progress(total - left, total)
            )
        except sqlite3.OperationalError as error:
            if "full" in str(error):
                raise _full(temporary) from error
            raise


def _full(path: Path) -> DiskFullError:
    return DiskFullError(
        "There is no room on the disk for a copy of the catalog.", path=path, advice="Make room and try again."
    )


def _check_room(source: Path, folder: Path) -> None:
    needed = source.stat().st_size + LEAST_FREE_BYTES
    if shutil.disk_usage(folder).free < needed:
        raise _full(folder)
