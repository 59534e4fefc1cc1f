"""Put a backup into the catalog's place, by hand only. What stood there is set aside, never deleted."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlite_utils import Database

from keeprate.catalog.connection import COMPANIONS, translated
from keeprate.catalog.copying import copy_database, fault_of, read_copy
from keeprate.catalog.migrations import is_newer
from keeprate.errors import CatalogError, KeeprateError, UsageError
from keeprate.paths import Home, make_own_folder
from keeprate.safe_files import build_file
from keeprate.steps.lock import hold_lock
from keeprate.steps.upkeep.backup import backups, latest_good_backup
from keeprate.steps.upkeep.carrying_over import carry_over

DAEMON_FIRST = (
    "Stop the daemon first: `keeprate service stop`, or Ctrl-C where `keeprate run` was started. Then restore again."
)


@dataclass(frozen=True, slots=True)
class RestoreOutcome:
    """Which backup was put into place."""

    backup: Path
    set_aside: Path | None
    """The folder with what stood there before; None: nothing did."""
    marks_unknown: bool = False
    """Marks that were written since may be missing in the journal: what stood there before cannot tell of them."""


def restore(home: Home, backup: Path | None = None) -> RestoreOutcome:
    """Put `backup`, or the latest good one, into the catalog's place; what keeprate wrote since stays known.

    Raises:
        DiskFullError: there is no room for it.
        UsageError: there is no such file.
        KeeprateError: there is no backup that can be read.
        CatalogError: the file is damaged or no catalog, was written by a newer keeprate, or cannot be put into place.
        BusyError: a daemon or a command works with the catalog.
    """
    with hold_lock(home.daemon_lock_file, advice=DAEMON_FIRST), hold_lock(home.lock_file):
        chosen = _chosen(home, backup)
        catalog = home.catalog_file
        replaced = [file for file in _files(catalog) if file.exists()]
        try:
            make_own_folder(catalog.parent)
            with build_file(catalog) as temporary:
                _copy(chosen, temporary)
                known = catalog in replaced and carry_over(catalog, temporary)
                set_aside = _set_aside(catalog, replaced) if replaced else None
        except OSError as error:
            raise CatalogError(
                f"The backup cannot be put into place: {error.strerror or error}.", path=catalog
            ) from error
        except sqlite3.Error as error:
            raise translated(error, catalog) from error
    return RestoreOutcome(chosen, set_aside, marks_unknown=not known)


def _files(catalog: Path) -> list[Path]:
    """A catalog and SQLite's files beside it, which would be taken for parts of the next one."""
    return [catalog, *(catalog.with_name(catalog.name + ending) for ending in COMPANIONS)]


def _chosen(home: Home, backup: Path | None) -> Path:
    if backup is None:
        latest = latest_good_backup(home)
        if latest is None:
            raise KeeprateError(
                "There is no backup that can be read." if backups(home) else "There is no backup.",
                path=home.backups_dir,
                advice="Name one that lies elsewhere, or begin anew: docs/how-to/damaged-catalog.md.",
            )
        return latest.path
    if not backup.is_file():
        raise UsageError(
            "There is no such backup.", path=backup, advice="`keeprate restore --list` shows those there are."
        )
    if home.catalog_file.exists() and backup.samefile(home.catalog_file):
        raise UsageError("This is the catalog itself, and no backup of it.", path=backup)
    return backup


def _copy(backup: Path, temporary: Path) -> None:
    """SQLite copies, not the system: what lies in a log beside the backup belongs to it."""
    try:
        with closing(read_copy(backup)) as reading:
            copy_database(reading, temporary)
        fault = fault_of(temporary)
    except sqlite3.Error as error:
        fault = str(error)
    if fault is not None:
        log = backup.with_name(backup.name + COMPANIONS[0])
        raise CatalogError(
            f"The backup is damaged or no backup ({fault}). Nothing was changed.",
            path=backup,
            advice=f"Where it cannot be opened together with {log.name}: copy both into a folder of yours, and name "
            "that copy."
            if log.exists()
            else "",
        )
    with closing(read_copy(temporary)) as conn:
        if is_newer(Database(conn, execute_plugins=False)):
            raise CatalogError(
                "The backup was written by a newer keeprate.",
                path=backup,
                advice="Update keeprate; nothing was changed.",
            )


def _set_aside(catalog: Path, files: Sequence[Path]) -> Path:
    """Put `files`, the catalog and what is beside it, into a folder. Until it is replaced, it keeps its place, too.

    Otherwise a command that opens it right now would begin a new one.
    """
    folder = _new_folder(catalog.with_name(f"catalog-replaced-{datetime.now():%Y-%m-%dT%H%M%S}"))
    for file in files:
        if file != catalog:
            with contextlib.suppress(FileNotFoundError):
                file.rename(folder / file.name)
            continue
        try:
            os.link(file, folder / file.name)
        except OSError:  # no hard links here (FAT and its kin)
            shutil.copyfile(file, folder / file.name)
    return folder


def _new_folder(wanted: Path) -> Path:
    """`wanted`, or where something stands already, the same with a number."""
    for name in (wanted, *(wanted.with_name(f"{wanted.name}-{number}") for number in range(2, 100))):
        with contextlib.suppress(FileExistsError):
            name.mkdir(mode=0o700)
            return name
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(wanted))
