"""The marks step, the parent's side: find what needs to be read, have it read, take it into account.

No photo and no sidecar is opened here, and one that has not changed is not opened at all: folders are listed, photo
managers say which names may speak of a photo, and the `stat` of those tells. A file that kills the worker is left alone
until it changes.
"""

# A Path object for each of a hundred thousand files would double the time.
# ruff: noqa: PTH208

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from keeprate import __version__
from keeprate.catalog import Catalog, files, libraries, problems, user_marks
from keeprate.catalog.files import Signature
from keeprate.config.models import LibraryConfig
from keeprate.pictures.formats import is_picture
from keeprate.plugin_api import PhotoManager
from keeprate.steps.marks.managers import readers_for
from keeprate.steps.marks.taking_marks import take_marks
from keeprate.steps.session import Progress, Session
from keeprate.steps.tasks import ReadMarksOutcome, ReadMarksTask
from keeprate.steps.worker_client import HANGS_AFTER_S, TOOK_TOO_LONG, WorkerClient, WorkerCrashedError

STEP = "marks"
READ_TOGETHER = 1000
"""Files in one task: so often a person is told how far it is."""
MAX_CRASHES = 20
"""More crashes than this in one run are not about single files."""


@dataclass(frozen=True, slots=True)
class MarksRead:
    """What the step found."""

    read: int = 0
    """Files that were new, or that had changed, or had a sidecar that had."""
    failed: int = 0
    """Of them: could not be told; see the problems."""
    labels: int = 0
    """Label changes that followed."""
    held: int = 0
    """Photos with marks that wait for an answer, now."""

    def sentences(self) -> list[str]:
        """For the person; nothing if nothing happened."""
        lines = []
        if self.labels:
            lines.append(f"{self.labels} label changes by stars, flags and keywords.")
        if self.failed:
            lines.append(f"The marks of {self.failed} files could not be read, see `keeprate status`.")
        if self.held and (self.read or self.labels):
            lines.append(f"The marks of {self.held} photos are held back until you say: `keeprate labels held`.")
        return lines


@dataclass(frozen=True, slots=True)
class Places:
    """The part of a library to look at."""

    folders: Collection[str] = ()
    """Only what lies directly in them."""
    trees: Collection[str] = ()
    """With everything below."""


@dataclass(frozen=True, slots=True)
class _Unread:
    """A file that does not look as it did when its marks were read."""

    path: str
    signature: str
    placed_at: float


def read_marks(session: Session, worker: WorkerClient, name: str | None = None) -> MarksRead:
    """Read what has changed in the library called `name`, or in all, and bring labels in line with it.

    Raises:
        WorkerCrashedError: the worker dies without having touched a file, or again and again.
        KeeprateError: a photo manager cannot be loaded.
    """
    total = MarksRead()
    for library in session.libraries(name):
        outcome = _read_library(session, worker, library, None)
        total = MarksRead(total.read + outcome.read, total.failed + outcome.failed)
    taken = take_marks(session)
    return replace(total, labels=taken.labels, held=taken.held)


def read_marks_in(session: Session, worker: WorkerClient, library: LibraryConfig, places: Places | None) -> MarksRead:
    """The same for some places of a library that something may have changed in; None: everywhere."""
    outcome = _read_library(session, worker, library, places)
    if places is not None and not outcome.read and not outcome.failed:
        return MarksRead()
    taken = take_marks(session)
    return MarksRead(outcome.read, outcome.failed, taken.labels, taken.held)


def _read_library(
    session: Session, worker: WorkerClient, library: LibraryConfig, places: Places | None
) -> ReadMarksOutcome:
    known = libraries.get(session.catalog, library.name)
    if known is None or known.offline is not None or library.forget_vanished:
        return ReadMarksOutcome()  # where folders are the whole truth, nothing else is asked
    readers = readers_for(library)
    if not readers:
        return ReadMarksOutcome()
    unread, gone = _differences(session.catalog, library, readers, places)
    outcome = _read(session, worker, library, unread) if unread else ReadMarksOutcome()
    if gone:  # afterwards: what a moved file says is known by its old place, and no news
        with session.catalog.db.atomic():
            user_marks.forget_files(session.catalog, gone)
    return outcome


def _differences(
    catalog: Catalog, library: LibraryConfig, readers: Mapping[str, PhotoManager], places: Places | None
) -> tuple[list[_Unread], list[str]]:
    """What needs to be read, and what is gone since it was."""
    present, known = _catalogued(catalog, library.name, places)
    by_folder: dict[str, list[tuple[str, Signature]]] = defaultdict(list)
    for path, signature in present.items():
        by_folder[path[: path.rfind("/")]].append((path, signature))
    edition = f"{__version__} {' '.join(readers)}"
    unread = [
        one
        for folder, photos in by_folder.items()
        for one in _looked_at(folder, photos, readers, edition)
        if known.get(one.path) != one.signature
    ]
    return unread, [path for path in known if path not in present]


def _catalogued(catalog: Catalog, library: str, places: Places | None) -> tuple[dict[str, Signature], dict[str, str]]:
    """The readable files there as the scan saw them, and how files looked when their marks were read."""
    if places is None:
        return files.readable(catalog, library), user_marks.signatures(catalog, library)
    present: dict[str, Signature] = {}
    known: dict[str, str] = {}
    for folder in places.trees:
        present.update(files.readable(catalog, library, folder))
        known.update(user_marks.signatures(catalog, library, folder))
    for folder in places.folders:
        lying, read = files.readable(catalog, library, folder), user_marks.signatures(catalog, library, folder)
        present.update((path, seen) for path, seen in lying.items() if os.path.dirname(path) == folder)
        known.update((path, seen) for path, seen in read.items() if os.path.dirname(path) == folder)
    return present, known


def _looked_at(
    folder: str, photos: Sequence[tuple[str, Signature]], readers: Mapping[str, PhotoManager], edition: str
) -> Iterator[_Unread]:
    """How the photos of one folder look now, with everything that may speak of them."""
    try:
        names = frozenset(os.listdir(folder))
    except OSError:
        return  # gone or not to be read now: the next scan tells
    speaking = {_beginning(name) for name in names if not is_picture(name)}
    for path, signature in photos:
        seen, placed_at = [edition, repr(signature)], signature[1]
        if speaking and _beginning(path[path.rfind("/") + 1 :]) in speaking:
            photo = Path(path)
            others = {place for manager in readers.values() for place in manager.mark_places(photo, names)}
            for place in sorted(others):
                try:
                    status = place.stat()
                except OSError:
                    continue
                times = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
                seen.append(f"{place.name} {times}")
                placed_at = max(placed_at, status.st_mtime_ns)
        text = "\n".join(seen).encode("utf-8", "surrogateescape")
        yield _Unread(path, hashlib.blake2b(text, digest_size=12).hexdigest(), placed_at / 1e9)


def _beginning(name: str) -> str:
    """What the names of a photo and of what speaks of it have in common."""
    return name.partition(".")[0].casefold()


def _read(session: Session, worker: WorkerClient, library: LibraryConfig, unread: list[_Unread]) -> ReadMarksOutcome:
    """Have everything read, however many files crash the metadata library."""
    total = ReadMarksOutcome()
    crashes = 0
    killed_at: set[str] = set()
    """Files in hand when the worker died: twice the same is no accident."""
    waiting = unread
    session.reporter.progress(Progress(STEP, 0, len(unread), library.name))
    while waiting and not session.reporter.cancelled():
        some = waiting[:READ_TOGETHER]
        task = ReadMarksTask(
            library.name,
            tuple(one.path for one in some),
            tuple(one.signature for one in some),
            tuple(one.placed_at for one in some),
        )
        try:
            outcome = worker.run(task, session.reporter)
        except WorkerCrashedError as crash:
            crashes += 1
            if not crash.subjects or session.reporter.cancelled() or crashes > MAX_CRASHES:
                raise
            accident = crash.killed_by_others and not killed_at & set(crash.subjects)
            killed_at.update(crash.subjects)
            if not accident:
                _leave_out(session, library, crash, {one.path: one.signature for one in some})
                total = replace(total, failed=total.failed + 1)
            waiting = [
                one for one in some if user_marks.signature_at(session.catalog, one.path) != one.signature
            ] + waiting[READ_TOGETHER:]
            continue
        assert isinstance(outcome, ReadMarksOutcome)  # noqa: S101 (the worker answers in kind)
        total = ReadMarksOutcome(total.read + outcome.read, total.failed + outcome.failed, outcome.cancelled)
        waiting = waiting[READ_TOGETHER:]
        session.reporter.progress(Progress(STEP, len(unread) - len(waiting), len(unread), library.name))
    return total


def _leave_out(
    session: Session, library: LibraryConfig, crash: WorkerCrashedError, signatures: Mapping[str, str]
) -> None:
    """Note the file that killed the worker; it is read again when it, or a sidecar of it, has changed."""
    keys = files.content_keys_at(session.catalog, crash.subjects)
    reason = f"reading its marks killed the worker process ({crash.ending})"
    if crash.ending == TOOK_TOO_LONG:
        reason = f"reading its marks takes too long, more than {HANGS_AFTER_S:g} s"
    with session.catalog.db.atomic():
        for path in crash.subjects:
            problems.record(session.catalog, STEP, path, reason, library=library.name, content_key=keys.get(path))
            if path in signatures:
                user_marks.note_signature(session.catalog, path, library.name, signatures[path])
