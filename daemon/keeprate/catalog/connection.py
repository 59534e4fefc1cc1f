"""Open the catalog: pragmas, migrations, damage reported as one sentence.

Paths may hold bytes that are not UTF-8. Python carries them as surrogates; SQLite gets the raw bytes through
`CAST(? AS TEXT)` with `path_bytes`, and `text_factory` brings the surrogates back. One connection per thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from keeprate.catalog.copying import copy_catalog
from keeprate.catalog.migrations import MIGRATIONS, is_newer, number_of
from keeprate.errors import CatalogDamagedError, CatalogError, DiskFullError, KeeprateError
from keeprate.paths import make_own_folder

COMPANIONS = ("-wal", "-shm")
"""How SQLite's files beside a catalog end."""
BUSY_TIMEOUT_S = 30.0
_SOME_PAGES = 65_536


class CatalogDatabase(Database):
    """The tables of a catalog."""

    @contextlib.contextmanager
    def atomic(self) -> Generator[Database, None, None]:
        """A transaction that may read before it writes: nobody else writes from its beginning on. It may have to wait.

        The one of sqlite-utils begins with its first write, and fails at once if another connection has written since
        it read.
        """
        if self.conn.in_transaction:
            with super().atomic():  # a savepoint
                yield self
            return
        self.conn.execute("BEGIN IMMEDIATE")
        try:
            yield self
            self.conn.commit()
        except BaseException:
            self.conn.rollback()
            raise


@dataclass(frozen=True, slots=True)
class Catalog:
    """An open catalog. `db` for schema and transactions, `conn` for the statements of the table modules."""

    db: Database
    conn: sqlite3.Connection
    path: Path

    def close(self) -> None:
        self.db.close()

    def release_memory(self) -> None:
        """Forget the pages that SQLite holds for later: nothing will be read for a while."""
        self.conn.execute("PRAGMA shrink_memory")

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def path_bytes(path: Path | str) -> bytes:
    """What to bind where a statement says `CAST(? AS TEXT)`."""
    return os.fsencode(path)


def _decode_text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def open_catalog(path: Path) -> Catalog:
    """Open the catalog at `path`, made or migrated as needed; before it is migrated, it is copied to the backups.

    Raises:
        CatalogError: it is damaged, not a catalog, written by a newer keeprate, or its folder cannot be written.
        DiskFullError: there is no room to create or migrate it.
    """
    try:
        make_own_folder(path.parent)
        _keep_private(path)
    except OSError as error:
        raise CatalogError(f"The folder of the catalog cannot be made: {error.strerror}.", path=path.parent) from error
    conn = None
    try:
        conn = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)
        conn.text_factory = _decode_text
        conn.execute("PRAGMA foreign_keys = ON")
        conn.execute("PRAGMA synchronous = NORMAL")
        db = CatalogDatabase(conn, execute_plugins=False)
        _migrate(db, path)
    except (sqlite3.Error, KeeprateError) as error:
        if conn is not None:
            conn.close()
        raise translated(error, path) if isinstance(error, sqlite3.Error) else error from error
    return Catalog(db, conn, path)


def _keep_private(path: Path) -> None:
    """It names every photo. SQLite gives its companions the permissions that the catalog has."""
    with contextlib.suppress(OSError):  # it is there, or SQLite says what is wrong
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    for file in (path, *(path.with_name(path.name + ending) for ending in COMPANIONS)):
        with contextlib.suppress(OSError):  # gone by now, somebody else's, or on a disk that cannot be written
            if file.stat().st_mode & 0o077:
                file.chmod(0o600)


def _migrate(db: Database, path: Path) -> None:
    if is_newer(db):
        raise CatalogError(
            "The catalog was written by a newer keeprate.",
            path=path,
            advice="Update keeprate; the catalog is left as it is.",
        )
    if not MIGRATIONS.pending(db) and db.journal_mode == "wal":
        return
    with _alone(path.with_name(path.name + ".migrating")):  # a daemon and a command may both find it new
        pending = MIGRATIONS.pending(db)
        if pending and db["photos"].exists():  # a new one has nothing to lose
            copy_catalog(path, _before(path, number_of(pending[0].name)))
        MIGRATIONS.apply(db)
        if db.journal_mode != "wal":  # a restored backup
            db.enable_wal()


def _before(path: Path, step: int) -> Path:
    """Where the copy goes. Nothing takes the first one's place: a later catalog may be a worse one. Two are enough."""
    first = backups_dir(path) / f"catalog-before-{step}.db"
    return first.with_stem(f"{first.stem}-again") if first.exists() else first


def backups_dir(catalog_file: Path) -> Path:
    """Where copies of this catalog lie: `paths.Home.backups_dir`."""
    return catalog_file.parent / "backups"


@contextlib.contextmanager
def _alone(lock_file: Path) -> Iterator[None]:
    """Wait until no other process is within such a block; the kernel lets go when a process dies."""
    handle = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def writing(catalog: Catalog) -> Iterator[None]:
    """A transaction: `CatalogDatabase.atomic`."""
    with catalog.db.atomic():
        yield


@contextlib.contextmanager
def reading(catalog: Catalog) -> Iterator[None]:
    """What is read in it is of one moment; others may write meanwhile. Nothing is written in it."""
    catalog.conn.execute("BEGIN")
    try:
        yield
    finally:
        catalog.conn.rollback()


def _is_full(folder: Path) -> bool:
    """Whether the disk has no room for even a page: SQLite calls that an I/O error where it maps memory."""
    try:
        return shutil.disk_usage(folder).free < _SOME_PAGES
    except OSError:
        return False


def translated(error: sqlite3.Error, path: Path) -> CatalogError | DiskFullError:
    """The error to show for one of SQLite's."""
    text = str(error)
    if "disk is full" in text or ("disk I/O error" in text and _is_full(path.parent)):
        return DiskFullError("The disk that holds the catalog is full.", path=path, advice="Make room and try again.")
    if "malformed" in text or "not a database" in text or "disk image" in text:
        return CatalogDamagedError(
            "The catalog is damaged.",
            path=path,
            advice="Stop keeprate (`keeprate service stop`), run `keeprate restore`, which puts the latest good backup "
            f"into its place, and `keeprate sync`. Without a backup, move it away with {path.name}-wal and "
            f"{path.name}-shm; sync rebuilds what still lies in your folders. Photos and marks are not touched.",
        )
    if "readonly" in text or "unable to open" in text:
        return CatalogError(
            "The catalog cannot be opened for writing.",
            path=path,
            advice="Give yourself the right to write it and its folder, or mount their disk so that it can be written.",
        )
    if "locked" in text or "busy" in text:
        return CatalogError(
            "The catalog is in use by another program.",
            path=path,
            advice="Wait for it to finish, then try again.",
        )
    return CatalogError(f"The catalog cannot be used: {text}.", path=path)
