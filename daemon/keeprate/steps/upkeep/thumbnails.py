"""Small pictures for the page, one file a photo in the cache folder: which are missing, which are not wanted any more.

A file is named after the picture's content. It holds the picture alone: no place, no camera, no time. The newest photos
come first, `KEPT` of them at most; a photo that is gone from the disk, or was forgotten, loses its thumbnail. The
worker makes them (`making_thumbnails`). Nothing here is worth a backup.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from keeprate import __version__
from keeprate.catalog import problems
from keeprate.paths import Home
from keeprate.steps.session import Session
from keeprate.steps.surviving import surviving
from keeprate.steps.tasks import ThumbnailOutcome, ThumbnailTask
from keeprate.steps.worker_client import WorkerClient, WorkerStoppedError

KEPT = 100_000
"""Photos that have a thumbnail at most: the newest ones. At 10 to 15 KB each that is 1.5 GB (decision 0095)."""
STEP = "thumbnail"
"""What problems of this step are called."""
SUFFIX = ".webp"
_KEY = re.compile(r"[a-z]+[0-9]+-[0-9a-f]{16,128}")


@dataclass(frozen=True, slots=True)
class ThumbnailsOutcome:
    """What became of the thumbnails of a home."""

    made: int = 0
    failed: int = 0
    """Photos that none could be made of: they are listed as problems."""
    removed: int = 0
    cancelled: bool = False
    note: str = ""
    """Why some were left for later, in a sentence."""

    @property
    def sentence(self) -> str:
        """For people."""
        said = []
        if self.made or not (self.failed or self.removed or self.note):
            said.append(f"{self.made:,} thumbnails made" if self.made else "No thumbnails were missing")
        if self.failed:
            said.append(f"{self.failed:,} photos could not be read, see `keeprate status`")
        if self.removed:
            said.append(f"{self.removed:,} of photos that are gone removed")
        if self.cancelled:
            said.append("the rest follows")
        return " ".join(part for part in ("; ".join(said) + "." if said else "", self.note) if part)


@dataclass(frozen=True, slots=True)
class Pictured:
    """A photo that is to have a thumbnail."""

    content_key: str
    path: str | None
    """A file that holds it; None: none can be read now."""
    library: str


def thumbnail(home: Home, content_key: str) -> Path | None:
    """The thumbnail of a photo, if there is one. Takes any text for a key, also from strangers."""
    path = thumbnail_file(home, content_key)
    try:
        if path is None or path.stat().st_size:
            return path
        path.unlink()  # the power went away while it was written: it is made anew
    except OSError:
        pass
    return None


def thumbnail_file(home: Home, content_key: str) -> Path | None:
    """Where the thumbnail of a photo belongs; None if the text is no content key."""
    if _KEY.fullmatch(content_key) is None:
        return None
    digits = content_key.partition("-")[2]
    return home.thumbnails_dir / digits[:2] / f"{content_key}{SUFFIX}"


def make_thumbnails(session: Session, worker: WorkerClient) -> ThumbnailsOutcome:
    """Make the thumbnails that are missing and remove those that are not wanted any more.

    Raises:
        WorkerCrashedError: the worker dies without having touched a picture, or again and again.
        DiskFullError: there is no room.
    """
    started_at = time.time()
    unwanted = set(_existing(session.home))
    any_missing = False
    for photo in _newest(session):
        any_missing |= photo.content_key not in unwanted and photo.path is not None
        unwanted.discard(photo.content_key)
    removed = remove_thumbnails(session.home, unwanted)
    if not any_missing or not session.config.jobs.thumbnails:
        return ThumbnailsOutcome(removed=removed)
    try:
        made = surviving(session, worker, ThumbnailTask, STEP, ThumbnailOutcome())
    except WorkerStoppedError:
        return ThumbnailsOutcome(removed=removed, cancelled=True)
    failed = problems.count_since(session.catalog, (STEP,), started_at)  # also those that the worker died of
    return ThumbnailsOutcome(made.made, failed, removed, made.cancelled, made.note)


def remove_thumbnails(home: Home, content_keys: Iterable[str]) -> int:
    """Remove the thumbnails of these photos; returns how many there were."""
    removed = 0
    for key in content_keys:
        path = thumbnail_file(home, key)
        if path is not None:
            with contextlib.suppress(OSError):
                path.unlink()
                removed += 1
    return removed


def missing(session: Session) -> list[Pictured]:
    """The photos that have no thumbnail and can be read now, newest first."""
    there = set(_existing(session.home))
    return [photo for photo in _newest(session) if photo.path is not None and photo.content_key not in there]


def _newest(session: Session) -> Iterator[Pictured]:
    """All photos on disk that are to have a thumbnail. One that was never decoded waits until it is embedded."""
    rows = session.catalog.conn.execute(
        """
        SELECT content_key, min(CASE WHEN libraries.offline IS NULL THEN path END), library,
               EXISTS (SELECT 1 FROM problems WHERE problems.content_key = files.content_key
                       AND problems.step IN ('decode', 'embed', ?) AND problems.keeprate = ?)
        FROM files JOIN photos USING (content_key) JOIN libraries ON libraries.name = library
        WHERE gone_at IS NULL AND format IS NOT NULL
        GROUP BY content_key ORDER BY coalesce(taken_at, first_seen) DESC, content_key LIMIT ?
        """,
        (STEP, __version__, KEPT),
    )
    for content_key, path, library, is_blocked in rows:
        yield Pictured(content_key, None if is_blocked else path, library)


def _existing(home: Home) -> Iterator[str]:
    """Content keys of the thumbnails that there are."""
    with contextlib.suppress(OSError):
        for folder in home.thumbnails_dir.iterdir():
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    key = entry.name.removesuffix(SUFFIX)
                    if key != entry.name and _KEY.fullmatch(key):
                        yield key
