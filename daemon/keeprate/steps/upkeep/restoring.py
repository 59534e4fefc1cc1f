"""Put a backup into the catalog's place, by hand only. What stood there is set aside, never deleted."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlite_utils import Database

from keeprate.catalog.copying import fault_of
from keeprate.catalog.migrations import is_newer
from keeprate.errors import CatalogError, UsageError
from keeprate.paths import Home
from keeprate.safe_files import build_file
from keeprate.steps.lock import hold_lock
from keeprate.steps.upkeep.backup import backups, latest_good_backup

_COMPANIONS = ("-wal", "-shm")
"""SQLite's files beside a catalog. Those of the old one would be taken for parts of the new one."""


@dataclass(frozen=True, slots=True)
class RestoreOutcome:
    """Which backup was put into place."""

    backup: Path
    set_aside: Path | None
    """The folder with what stood there before; None: nothing did."""


def restore(home: Home, backup: Path | None = None) -> RestoreOutcome:
    """Put `backup`, or the latest good one, into the catalog's place.

    Raises:
        UsageError: there is no such file, or no backup that can be read.
        CatalogError: the file is damaged or no catalog, was written by a newer keeprate, or cannot be put into place.
        BusyError: a daemon or a command works with the catalog.
    """
    with hold_lock(home.daemon_lock_file), hold_lock(home.lock_file):
        chosen = _chosen(home, backup)
        set_aside: Path | None = None
        try:
            with build_file(home.catalog_file) as temporary:
                shutil.copyfile(chosen, temporary)
                _check(temporary, chosen)
                if home.catalog_file.exists():
                    set_aside = _set_aside(home)
        except OSError as error:
            raise CatalogError(
                f"The backup cannot be put into place: {error.strerror or error}.", path=home.catalog_file
            ) from error
    return RestoreOutcome(chosen, set_aside)


def _chosen(home: Home, backup: Path | None) -> Path:
    if backup is None:
        latest = latest_good_backup(home)
        if latest is None:
            raise UsageError(
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


def _check(copy: Path, backup: Path) -> None:
    fault = fault_of(copy)
    if fault is not None:
        raise CatalogError(f"The backup is damaged or no backup ({fault}). Nothing was changed.", path=backup)
    with closing(sqlite3.connect(f"{copy.as_uri()}?mode=ro&immutable=1", uri=True)) as conn:
        if is_newer(Database(conn, execute_plugins=False)):
            raise CatalogError(
                "The backup was written by a newer keeprate.",
                path=backup,
                advice="Update keeprate; nothing was changed.",
            )


def _set_aside(home: Home) -> Path:
    """Put the catalog's three files into a folder. Until it is replaced, the catalog itself keeps its place, too.

    Otherwise a command that opens it right now would begin a new one.
    """
    catalog = home.catalog_file
    folder = catalog.with_name(f"catalog-replaced-{datetime.now():%Y-%m-%dT%H%M%S}")
    folder.mkdir()
    try:
        os.link(catalog, folder / catalog.name)
    except OSError:  # no hard links here (FAT and its kin)
        shutil.copyfile(catalog, folder / catalog.name)
    for ending in _COMPANIONS:
        with contextlib.suppress(FileNotFoundError):
            catalog.with_name(catalog.name + ending).rename(folder / (catalog.name + ending))
    return folder
