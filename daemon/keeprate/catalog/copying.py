"""A copy of the catalog while it is in use: one file, complete or not there at all, read once more before it counts.

The copy is the catalog as it was at one moment, whatever is written meanwhile: a reader of a write-ahead log holds up
nobody, and nobody makes it begin anew. Damage is found here rather than on the day when the copy is needed.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from keeprate.errors import CatalogDamagedError, CatalogError, DiskFullError
from keeprate.paths import make_own_folder
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
        make_own_folder(target.parent)
        _check_room(source, target.parent)
        with (
            build_file(target) as temporary,
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as reading,
        ):
            copy_database(reading, temporary, progress)
            fault = fault_of(temporary)
            if fault is not None:
                raise CatalogDamagedError(f"The catalog is damaged, so it was not copied ({fault}).", path=source)
    except OSError as error:
        if error.errno in _FULL:
            raise _full(target) from error
        raise CatalogError(
            f"The copy of the catalog cannot be written: {error.strerror or error}.", path=target
        ) from error


def read_copy(file: Path) -> sqlite3.Connection:
    """A connection that reads a copy, and what its write-ahead log holds where one lies beside it.

    Where none does, nothing is put there either: the folder may be a CD, or somebody else's.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    alone = not any(file.with_name(file.name + ending).exists() for ending in ("-wal", "-journal"))
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}", uri=True)


def fault_of(copy: Path) -> str | None:
    """What is wrong with a copy that nobody has open, in SQLite's words; None: it can be used."""
    try:
        with closing(read_copy(copy)) as conn:
            said = in_a_line([str(row[0]) for row in conn.execute("PRAGMA quick_check(1)")])
            if said != "ok":
                return said
            tables = {name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            known = {"photos", "_sqlite_migrations"} <= tables and conn.execute(
                "SELECT 1 FROM _sqlite_migrations WHERE migration_set = 'keeprate' AND name = 'm002_tables'"
            ).fetchone()
            return None if known else "it is no catalog"
    except sqlite3.Error as error:
        return str(error)


def in_a_line(said: Iterable[str]) -> str:
    """What SQLite's checks say, on as many lines as there are faults, for a sentence: the first one and how many."""
    faults = [line.strip() for row in said for line in row.splitlines() if line.strip("* ") and "***" not in line]
    more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
    return f"{faults[0].rstrip('.')}{more}" if faults else "no more is known"


def copy_database(reading: sqlite3.Connection, target: Path, progress: Progress = _ignore) -> None:
    """Copy a whole database into the empty file `target`, which nobody else knows yet. It is not synced.

    Raises:
        DiskFullError: there is no room for it.
        sqlite3.Error: the database cannot be read.
    """
    with closing(sqlite3.connect(target, isolation_level=None)) as writing:
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
                raise _full(target) from error
            raise


def _full(path: Path) -> DiskFullError:
    return DiskFullError(
        "There is no room on the disk for a copy of the catalog.", path=path, advice="Make room and try again."
    )


def _check_room(source: Path, folder: Path) -> None:
    needed = source.stat().st_size + LEAST_FREE_BYTES
    if shutil.disk_usage(folder).free < needed:
        raise _full(folder)
