"""Spread the modification times of photos so that "newest first" is "best first". Only when asked for.

Backups, synchronisers and indexers look at these times: a touched photo may be read, copied or indexed again.
So a time is changed only where the order demands it, the journal holds the exact old one before, and it is
given back only while ours still stands. A file with a second hard link is left alone: its other name may lie
anywhere, and its time would change there too.

Our times are seconds after `BASE_NS`, whose odd fraction of a second makes them recognisable without the
journal, also after a photo was renamed or copied with its time: what the journal gives back later is never one of
them, but the photo's own. No photo's content is read, no access time changed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from keeprate.plugin_api import (
    Change,
    JournalEntry,
    MarkRefusedError,
    MarkRequest,
    PhotoFile,
    ScoredPhoto,
    Skipped,
    UndoOutcome,
)
from keeprate_order.numbering import renumbered

FIELD = "mtime"
_SECOND_NS = 10**9
BASE_NS = 978_307_200 * _SECOND_NS + 271_828_000
"""2001-01-01 00:00:00.271828 UTC: older than any new photo; microseconds, as some file systems round."""
_LARGEST_NUMBER = 10**9
"""In seconds, some 31 years: room for a hundred million photos."""
_ANY_WRITE_BIT = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeChange(Change):
    """The file shall have this time."""

    seen_ns: int
    """The time that it had when this was planned; `before` is the one to give back."""


def plan_times(photos: Sequence[ScoredPhoto], request: MarkRequest) -> Iterator[Change | Skipped]:
    """A change for each file whose time does not fit the order of `photos` (the first gets the newest)."""
    files: list[tuple[PhotoFile, float, int]] = []
    for photo in photos:
        for file in photo.files():
            try:
                status = file.path.lstat()
            except OSError as error:
                yield Skipped(file.path, f"its times cannot be read: {error.strerror}")
                continue
            reason = _reason_to_leave(status)
            if reason is not None:
                yield Skipped(file.path, reason)
            else:
                files.append((file, photo.score, status.st_mtime_ns))
    files.reverse()  # numbers ascend from the oldest time, which the last photo gets
    numbers = renumbered([_number_of(mtime_ns) for _, _, mtime_ns in files], _LARGEST_NUMBER)
    for (file, score, mtime_ns), number in zip(files, numbers, strict=True):
        wanted_ns = BASE_NS + number * _SECOND_NS
        if wanted_ns != mtime_ns:
            before = _to_give_back(file, mtime_ns, request)
            if before is None:
                yield Skipped(file.path, "its time was set by keeprate, and nobody knows the one it had before")
                continue
            yield TimeChange(
                path=file.path,
                field=FIELD,
                before=before,
                after=str(wanted_ns).encode("ascii"),
                summary=f"modification time, for the order: score {score:.2f}",
                content_key=file.content_key,
                touches_photo=True,
                seen_ns=mtime_ns,
            )


def _to_give_back(file: PhotoFile, mtime_ns: int, request: MarkRequest) -> bytes | None:
    """What the journal shall hold as the time before ours; None if it cannot be told."""
    seen = str(mtime_ns).encode("ascii")
    if _number_of(mtime_ns) is None or request.last_written(file.path, FIELD) == seen:
        return seen  # the photo's own, or the last of a chain of ours that ends there
    return request.before_us(file.content_key, FIELD)


def apply_time(change: TimeChange) -> None:
    """Set the time that `change` wants.

    Raises:
        MarkRefusedError: the file is not as it was when this was planned, or its file system rounds times.
        OSError: it cannot be opened or touched; its time is the old one.
    """
    before, after = change.seen_ns, _nanoseconds(change.after)
    with _opened(change.path) as descriptor:
        status = os.fstat(descriptor)
        reason = _reason_to_leave(status)
        if reason is not None:
            raise MarkRefusedError(f"{change.path}: {reason}")
        if status.st_mtime_ns != before:
            raise MarkRefusedError(f"{change.path} has been changed since this was planned")
        os.utime(descriptor, ns=(status.st_atime_ns, after))
        if os.fstat(descriptor).st_mtime_ns != after:
            os.utime(descriptor, ns=(status.st_atime_ns, before))
            raise MarkRefusedError(f"{change.path}: this file system does not keep times exactly enough")


def standing_time(entry: JournalEntry) -> bytes | None:
    """The time that stands now, in nanoseconds: of the file that bears ours if any does, else the first."""
    times = [status.st_mtime_ns for _, status in _files_of(entry)]
    if entry.after is not None and int(entry.after) in times:
        return entry.after
    return str(times[0]).encode("ascii") if times else None


def undo_time(entry: JournalEntry) -> UndoOutcome:
    """Give the old time back to the file that still bears ours, and to copies of it that took our time along.

    Raises:
        MarkRefusedError: the file was changed this moment.
        OSError: it cannot be touched.
    """
    before, after = _nanoseconds(entry.before), _nanoseconds(entry.after)
    files = _files_of(entry)
    ours = [path for path, status in files if status.st_mtime_ns == after]
    for path in ours:
        with _opened(path) as descriptor:
            now = os.fstat(descriptor)
            if now.st_mtime_ns != after:
                raise MarkRefusedError(f"{path} is being changed by another program")
            os.utime(descriptor, ns=(now.st_atime_ns, before))
    if ours:
        return UndoOutcome.RESTORED
    return UndoOutcome.NOT_OURS if files else UndoOutcome.GONE


def _files_of(entry: JournalEntry) -> list[tuple[Path, os.stat_result]]:
    """Where the photo lies now, the path of the entry first."""
    found: dict[Path, os.stat_result] = {}
    for path in (entry.path, *entry.photo_paths):
        with suppress(OSError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                found[path] = status
    return list(found.items())


def _number_of(mtime_ns: int) -> int | None:
    """The number that a time of ours stands for; None if the time is not ours."""
    number, rest = divmod(mtime_ns - BASE_NS, _SECOND_NS)
    return number if rest == 0 and 0 < number <= _LARGEST_NUMBER else None


def _reason_to_leave(status: os.stat_result) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return "it is no regular file"
    if status.st_nlink > 1:
        return "it has a second hard link, whose time would change too"
    if not status.st_mode & _ANY_WRITE_BIT:
        return "it is read-only"
    if os.geteuid() not in (0, status.st_uid):
        return "it belongs to another user"
    return None


def _nanoseconds(encoded: bytes | None) -> int:
    if encoded is None:
        raise MarkRefusedError("the journal does not say what the time was")
    return int(encoded)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The file at `path` itself, held by a descriptor, so that nothing can be put in its place meanwhile."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
