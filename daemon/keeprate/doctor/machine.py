"""The machine around keeprate: room on the disk of the catalog, and the clock that schedules go by."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from keeprate.catalog import models
from keeprate.doctor.finding import Finding, Patient, error, ok, warning
from keeprate.doctor.program import size

RESERVE = 200_000_000
"""Bytes that are wanted beside what is known to be coming: write-ahead log, logs, head versions."""
SCARCE = 20_000_000
"""With less the next transaction may fail."""
THUMBNAIL = 25_000
PHOTO = 6_000
"""Bytes that a photo takes in the catalog beside its vector: row, look, signals."""
USUAL_DIMENSION = 768
FIRST_YEAR = 2025
"""keeprate did not exist before it."""
LAST_YEAR = 2100
TOLERANCE_S = 300.0
"""By so much clocks of cameras, servers and this machine may differ."""


def look_at_disk(patient: Patient) -> Iterator[Finding]:
    """Is there room for what is still to be embedded, and for a backup of all of it?"""
    place = _existing(patient.home.data_dir)
    disk = os.statvfs(place)
    free = disk.f_bavail * disk.f_frsize
    if not os.access(place, os.W_OK | os.X_OK):
        yield error("disk", f"{place} may not be written to: keeprate keeps its catalog there.", f"chmod u+rwx {place}")
    needed = RESERVE + _coming(patient)
    said = f"{size(free)} are free where the catalog is ({place})"
    if free < SCARCE:
        yield error("disk", f"{said}: next to nothing.", "Make room: nothing can be learned or noted until then.")
    elif free < needed:
        yield warning("disk", f"{said}, and about {size(needed)} will be needed.", "Make room.")
    elif disk.f_files and disk.f_favail < 1000:
        yield warning(
            "disk", f"{said}, but only {disk.f_favail:,} more files fit.", "Remove files that are not needed."
        )
    else:
        yield ok("disk", f"{said}; about {size(needed)} will be needed.")


def _coming(patient: Patient) -> int:
    """Bytes that photos without a vector will take, their thumbnails, and one backup of everything."""
    with patient.catalog() as catalog:
        if catalog is None:
            return 0
        model = models.active(catalog)
        photos = catalog.conn.execute(
            "SELECT count(DISTINCT content_key) FROM files WHERE gone_at IS NULL AND content_key IS NOT NULL"
        ).fetchone()[0]
    new = max(0, photos - model.cached)
    catalog_bytes = patient.home.catalog_file.stat().st_size
    grown = new * (PHOTO + 4 * (model.embed_dim or USUAL_DIMENSION))
    thumbnails = new * THUMBNAIL if patient.config.jobs.thumbnails else 0
    return int(grown * 2 + catalog_bytes + thumbnails)


def _existing(path: Path) -> Path:
    """The nearest folder at or above `path` that is there."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def look_at_clock(patient: Patient) -> Iterator[Finding]:
    """Schedules and quiet hours go by it."""
    now = datetime.now().astimezone()
    said = f"It is {now:%Y-%m-%d %H:%M}, {now.tzname()} ({now:%z})"
    if not FIRST_YEAR <= now.year <= LAST_YEAR:
        yield error(
            "clock",
            f"{said}: that cannot be.",
            "Set the clock (timedatectl set-ntp true): training, backups and quiet hours go by it.",
        )
        return
    hours = patient.config.jobs.quiet_hours or patient.config.training.quiet_hours
    yield ok("clock", f"{said}{f'; quiet hours are {hours} of that time' if hours else ''}.")
    with patient.catalog() as catalog:
        if catalog is None:
            return
        latest = catalog.conn.execute("SELECT max(at) FROM labels").fetchone()[0] or 0.0
        limit = time.time() + TOLERANCE_S
        count, name = catalog.conn.execute(
            "SELECT count(*), min(path) FROM files WHERE gone_at IS NULL AND mtime_ns > ?", (int(limit * 1e9),)
        ).fetchone()
    if latest > limit:
        yield warning(
            "clock.labels",
            f"A label is from the future ({datetime.fromtimestamp(latest):%Y-%m-%d %H:%M}): the clock was wrong then, "
            "or is now.",
            "Set the clock if it is wrong. Labels keep their order all the same.",
        )
    if count:
        photos = "1 photo was" if count == 1 else f"{count:,} photos were"
        yield warning(
            "clock.files",
            f"{photos} last changed in the future, such as {name}.",
            "A camera's clock is wrong, or this one is. keeprate works all the same.",
        )
