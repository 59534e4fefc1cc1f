"""Back up the catalog: a file a day in the `backups` folder, read once more before it counts, and old ones removed.

Only files that bear the names that keeprate gives to its backups are ever removed.
"""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from keeprate.catalog.copying import copy_catalog, fault_of
from keeprate.errors import CatalogDamagedError
from keeprate.paths import Home
from keeprate.safe_files import sweep_temporaries
from keeprate.steps.session import Progress, Session

BEFORE_KEPT = timedelta(days=30)
"""So long the copy stays that is made before an update changes the shape of the catalog."""
PAUSE_S = 0.01
"""After each megabyte: a disk that others need stays theirs."""
_DAILY = re.compile(r"catalog-\d{4}-\d{2}-\d{2}(T\d{6})?\.db")
_BEFORE = re.compile(r"catalog-before-\d+\.db")


@dataclass(frozen=True, slots=True)
class BackupOutcome:
    """What became of a backup."""

    path: Path | None
    """None: it was cancelled, and nothing of it is left."""
    bytes: int = 0
    removed: int = 0
    """Backups that were older than the config keeps."""
    seconds: float = 0.0

    @property
    def cancelled(self) -> bool:
        return self.path is None

    @property
    def sentence(self) -> str:
        """For people."""
        if self.path is None:
            return "The backup was stopped before it was complete; the next one begins anew."
        gone = f"; {self.removed} older {'one' if self.removed == 1 else 'ones'} removed" if self.removed else ""
        return f"Catalog backed up to {self.path.name} ({self.bytes / 1e6:,.1f} MB){gone}."


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of the catalog in the backups folder."""

    path: Path
    made_at: datetime
    """Local time, without a zone."""
    bytes: int
    before_update: bool
    """Made by itself before an update changed the shape of the catalog."""


class _CancelledError(Exception):
    pass


def back_up(session: Session) -> BackupOutcome:
    """Copy the catalog into the backups folder and remove backups that are older than `[jobs] backups_kept`.

    Others may read and write the catalog meanwhile.

    Raises:
        DiskFullError: there is no room.
        CatalogDamagedError: the catalog is damaged.
        CatalogError: the folder cannot be written.
        Either way no backup was removed.
    """
    started = time.monotonic()
    folder = session.home.backups_dir
    sweep_temporaries(folder)
    reporter = session.reporter

    def progress(done: int, total: int) -> None:
        if reporter.cancelled():
            raise _CancelledError
        reporter.progress(Progress("backup", done, total))
        time.sleep(PAUSE_S)

    target = _free_name(folder, datetime.now())
    try:
        copy_catalog(session.home.catalog_file, target, progress)
    except _CancelledError:
        return BackupOutcome(None, seconds=time.monotonic() - started)
    except CatalogDamagedError as error:
        raise CatalogDamagedError(error.what, advice=advice_after_damage(session.home), path=error.path) from error
    removed = _remove_old(session.home, target, session.config.jobs.backups_kept)
    return BackupOutcome(target, target.stat().st_size, removed, time.monotonic() - started)


def backups(home: Home) -> list[Backup]:
    """The backups, latest first."""
    found = []
    with contextlib.suppress(OSError):
        for path in home.backups_dir.iterdir():
            before = _BEFORE.fullmatch(path.name) is not None
            if (before or _DAILY.fullmatch(path.name)) and path.is_file() and not path.is_symlink():
                stat = path.stat()
                made_at = datetime.fromtimestamp(stat.st_mtime)
                found.append(Backup(path, made_at, stat.st_size, before_update=before))
    return sorted(found, key=lambda one: (one.made_at, one.path.name), reverse=True)


def latest_good_backup(home: Home) -> Backup | None:
    """The latest backup that can still be read. Reads each one whole until one is good: seconds."""
    return next((one for one in backups(home) if fault_of(one.path) is None), None)


def advice_after_damage(home: Home) -> str:
    """What to do about a damaged catalog, in a sentence or two."""
    good = latest_good_backup(home)
    if good is None:
        return (
            "There is no backup that can be read. Stop keeprate, move catalog.db, catalog.db-wal and catalog.db-shm "
            "away, and run `keeprate sync`: vectors, and labels of photos that still lie in their folders, are rebuilt."
        )
    return (
        f"The latest good backup is {good.path} ({good.made_at:%Y-%m-%d %H:%M}). Stop keeprate "
        "(`keeprate service stop`), run `keeprate restore`, which puts it into place, and `keeprate sync`."
    )


def _free_name(folder: Path, now: datetime) -> Path:
    """One file a day has the day's plain name; further ones tell the time too."""
    plain = folder / f"catalog-{now:%Y-%m-%d}.db"
    return folder / f"catalog-{now:%Y-%m-%dT%H%M%S}.db" if plain.exists() else plain


def _remove_old(home: Home, latest: Path, kept: timedelta) -> int:
    """Remove what is older than `kept` (before an update: `BEFORE_KEPT`), but never `latest`; returns how many."""
    now = datetime.now()
    removed = 0
    for one in backups(home):
        age = now - one.made_at
        if one.path != latest and age > (max(kept, BEFORE_KEPT) if one.before_update else kept):
            with contextlib.suppress(OSError):
                one.path.unlink()
                removed += 1
    return removed
