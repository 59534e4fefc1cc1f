"""Back up the catalog: a file a day in the `backups` folder, read once more before it counts, and old ones removed.

Only files that bear the names that keeprate gives to its backups are ever removed. A clock that was wrong once costs
little: a number of backups stays however old they seem, few go at once, and one from the future counts as the oldest.
"""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from keeprate.catalog.copying import copy_catalog, fault_of
from keeprate.config.models import JobsConfig
from keeprate.errors import CatalogDamagedError
from keeprate.paths import Home
from keeprate.safe_files import sweep_temporaries
from keeprate.steps.session import Progress, Session

BEFORE_KEPT = timedelta(days=30)
"""So long the copy stays that is made before an update changes the shape of the catalog."""
MOST_SPARED = 7
"""So many of the latest daily backups stay at most however old they are, where the config keeps that many."""
MOST_REMOVED = 2
"""In one run: one comes, so the number still goes down."""
AHEAD = timedelta(days=1)
"""From a moment so far ahead is a backup only if a clock was wrong; less may be a journey to another time zone."""
PAUSE_S = 0.01
"""After each megabyte: a disk that others need stays theirs."""
_A_MOMENT = timedelta(seconds=1)
_DAILY = re.compile(r"catalog-(\d{4}-\d{2}-\d{2})(T\d{6})?\.db")
_BEFORE = re.compile(r"catalog-before-\d+(-again)?\.db")


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
    """Local time, without a zone, as the name says: files are copied, and then they look new."""
    bytes: int
    before_update: bool
    """Made by itself before an update changed the shape of the catalog."""


class _CancelledError(Exception):
    pass


def back_up(session: Session) -> BackupOutcome:
    """Copy the catalog into the backups folder and remove those that `[jobs] backups_kept` does not keep.

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
    removed = _remove_old(session.home, target, session.config.jobs)
    return BackupOutcome(target, target.stat().st_size, removed, time.monotonic() - started)


def backups(home: Home) -> list[Backup]:
    """The backups, latest first; last of all those that a wrong clock has dated ahead."""
    found = []
    with contextlib.suppress(OSError):
        for path in home.backups_dir.iterdir():
            daily, before = _DAILY.fullmatch(path.name), _BEFORE.fullmatch(path.name)
            if (daily or before) and path.is_file() and not path.is_symlink():
                written = path.stat()
                made_at = _made_at(daily, datetime.fromtimestamp(written.st_mtime))
                found.append(Backup(path, made_at, written.st_size, before_update=before is not None))
    now = datetime.now()
    return sorted(found, key=lambda one: (not _is_ahead(one, now), one.made_at, one.path.name), reverse=True)


def _made_at(daily: re.Match[str] | None, written: datetime) -> datetime:
    """A plain day is told more exactly by the file, unless that was touched on another."""
    with contextlib.suppress(ValueError):  # no such day
        if daily is not None:
            named = datetime.fromisoformat(daily[1] + (daily[2] or ""))
            return written if daily[2] is None and written.date() == named.date() else named
    return written


def _is_ahead(one: Backup, now: datetime) -> bool:
    return one.made_at > now + AHEAD


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


def _remove_old(home: Home, latest: Path, jobs: JobsConfig) -> int:
    """Remove what the config does not keep (before an update: `BEFORE_KEPT`), but never `latest`; returns how many."""
    now = datetime.now()
    others = [one for one in backups(home) if one.path != latest]
    spared = min(MOST_SPARED, jobs.backups_kept // (jobs.backup_every or _A_MOMENT)) - 1  # and the latest
    daily = [one for one in others if not one.before_update]
    old = [one for one in daily[max(spared, 0) :] if _is_ahead(one, now) or now - one.made_at > jobs.backups_kept]
    before_kept = max(jobs.backups_kept, BEFORE_KEPT)
    for one in others:
        if one.before_update and now - one.made_at > before_kept:  # and for some backups already: not one leap's doing
            later = sum(daily_one.made_at - one.made_at > before_kept for daily_one in daily)
            old += [one] * (later >= max(spared, 1))
    removed = 0
    for one in sorted(old, key=others.index)[-MOST_REMOVED:]:
        with contextlib.suppress(OSError):
            one.path.unlink()
            removed += 1
    return removed
