"""In the worker: make the thumbnails that are missing, as many at once as there are cores."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from keeprate.catalog import problems
from keeprate.errors import DiskFullError, KeeprateError
from keeprate.paths import Home, make_own_folder
from keeprate.pictures.decoding import open_picture
from keeprate.pictures.errors import PictureError
from keeprate.safe_files import TEMPORARY_PREFIX
from keeprate.steps.restraint import cores
from keeprate.steps.session import Progress, Session
from keeprate.steps.tasks import ThumbnailOutcome, ThumbnailTask
from keeprate.steps.upkeep.thumbnails import STEP, Pictured, missing, thumbnail_file
from keeprate.steps.worker import Working

LONGEST_EDGE = 320
"""Pixels."""
QUALITY = 75
LEAST_FREE_BYTES = 1_000_000_000
"""Thumbnails are a convenience: they never take the last gigabyte of a disk."""
_PER_THREAD = 8


@dataclass(frozen=True, slots=True)
class _Made:
    photo: Pictured
    reason: str = ""
    """Why there is none."""


def make(session: Session, task: ThumbnailTask, working: Working) -> ThumbnailOutcome:
    """Make all missing thumbnails, or only those of `task.only`.

    Raises:
        DiskFullError: there is no room.
        KeeprateError: the folder cannot be written.
    """
    only, without = set(task.only), set(task.without)
    wanted = [
        photo
        for photo in missing(session)
        if (not only or photo.content_key in only) and photo.content_key not in without
    ]
    threads = 1 if task.only else session.config.embedding.threads or cores()
    at_once = threads * _PER_THREAD
    render = partial(_render, session.home, max_pixels=int(session.config.pictures.max_megapixels * 1e6))
    made = failed = 0
    with ThreadPoolExecutor(threads, "thumbnail") as pool:
        for start in range(0, len(wanted), at_once):
            session.reporter.progress(Progress("thumbnails", start, len(wanted)))
            if session.reporter.cancelled():
                return ThumbnailOutcome(made, failed, cancelled=True)
            if not _is_room(session.home):
                note = "Thumbnails wait for more room: less than 1 GB is free on the disk of the cache folder."
                return ThumbnailOutcome(made, failed, note=note)
            chunk = wanted[start : start + at_once]
            working([photo.content_key for photo in chunk])
            outcomes = list(pool.map(render, chunk))
            failed += _record(session, outcomes)
            made += sum(not one.reason for one in outcomes)
    session.reporter.progress(Progress("thumbnails", len(wanted), len(wanted)))
    return ThumbnailOutcome(made, failed)


def _is_room(home: Home) -> bool:
    make_own_folder(home.thumbnails_dir)
    return shutil.disk_usage(home.thumbnails_dir).free >= LEAST_FREE_BYTES


def _record(session: Session, outcomes: Sequence[_Made]) -> int:
    """Note what failed and what works at last; returns how many failed."""
    # A file that is not there (any more, or because its disk is away) is no bad picture: the next scan tells.
    failures = [one for one in outcomes if one.reason and os.path.lexists(str(one.photo.path))]
    with session.catalog.db.atomic():
        problems.clear_content(session.catalog, STEP, [one.photo.content_key for one in outcomes if not one.reason])
        for one in failures:
            problems.record(
                session.catalog, STEP, str(one.photo.path), one.reason,
                library=one.photo.library, content_key=one.photo.content_key,
            )  # fmt: skip
    return len(failures)


def _render(home: Home, photo: Pictured, *, max_pixels: int) -> _Made:
    target = thumbnail_file(home, photo.content_key)
    if target is None or photo.path is None:
        return _Made(photo, "the photo has no usable key")
    try:
        image = open_picture(Path(photo.path), shortest_edge=LONGEST_EDGE // 2, max_pixels=max_pixels).image
        image.thumbnail((LONGEST_EDGE, LONGEST_EDGE), Image.Resampling.LANCZOS)
        content = io.BytesIO()
        image.save(content, "WEBP", quality=QUALITY)
    except PictureError as error:
        return _Made(photo, error.reason)
    except OSError as error:
        return _Made(photo, f"the file cannot be read: {error.strerror or error}")
    _write(target, content.getvalue())
    return _Made(photo)


def _write(target: Path, content: bytes) -> None:
    """Whole or not at all, but not synced: after a power cut an empty file is made anew (`thumbnails.thumbnail`)."""
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{target.stem}.tmp")
    try:
        make_own_folder(target.parent)
        temporary.write_bytes(content)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                "The disk that holds the cache folder is full.", path=target, advice="Make room; the rest follows."
            ) from error
        raise KeeprateError(f"A thumbnail cannot be written: {error.strerror or error}.", path=target) from error
