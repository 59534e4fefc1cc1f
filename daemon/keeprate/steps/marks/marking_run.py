"""The parent's side of the write step: run it in the worker, and leave out what kills it, nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from keeprate.catalog import files, problems
from keeprate.steps.session import Session
from keeprate.steps.tasks import WriteOutcome, WriteTask
from keeprate.steps.worker_client import TOOK_TOO_LONG, WorkerClient, WorkerCrashedError

MAX_CRASHES = 20
"""More crashes than this in one run are not about single photos."""
MARK, OPEN = "mark", "open"
"""What problems are called: of a photo that cannot be marked, of one that can but must not be decoded for it."""


def write_all(
    session: Session, worker: WorkerClient, library: str | None = None, *, dry_run: bool = False
) -> WriteOutcome:
    """Bring all marks up to date, however many photos and places crash the libraries that read them.

    Raises:
        WorkerCrashedError: the worker dies without having touched anything, or again and again.
        DiskFullError: there is no room for a mark.
    """
    task = WriteTask(library, dry_run)
    killed_at: Counter[str] = Counter()
    for crashes in range(MAX_CRASHES):
        try:
            outcome = worker.run(task, session.reporter)
        except WorkerCrashedError as crash:
            if not crash.subjects or session.reporter.cancelled():
                raise
            if _from_outside(crash):
                killed_at.update(crash.subjects)
                if max(killed_at[subject] for subject in crash.subjects) < 2:
                    continue  # once is an accident
            task = _without_the_killer(session, task, crash)
        else:
            assert isinstance(outcome, WriteOutcome)  # noqa: S101 (the worker answers in kind)
            if not (crashes or library or dry_run or outcome.cancelled):
                problems.clear_overcome(session.catalog, (MARK, OPEN))
            return outcome
    raise WorkerCrashedError((), f"{MAX_CRASHES} times in one run")


def _from_outside(crash: WorkerCrashedError) -> bool:
    """The user, too little memory, a server that does not answer: hardly ever the fault of what was in hand."""
    return crash.killed_by_others or crash.ending == TOOK_TOO_LONG


def _without_the_killer(session: Session, task: WriteTask, crash: WorkerCrashedError) -> WriteTask:
    """The task that goes on: without what killed the worker, or so that it can be told which of several it was."""
    photos = files.content_keys_at(session.catalog, crash.subjects)
    places = [subject for subject in crash.subjects if subject not in photos]
    if not photos:
        # What stands at a place changes with every run: it is tried again in the next.
        _record(session, MARK, places, f"writing it killed the worker process ({crash.ending})", final=False)
        return replace(task, without=(*task.without, *places))
    if not places:
        _blame(session, MARK, photos, f"marking it killed the worker process ({crash.ending})", crash)
        return replace(task, without=(*task.without, *photos))
    if len(photos) > 1 and not task.one_by_one:
        return replace(task, one_by_one=True)
    _blame(session, OPEN, photos, f"decoding it for {places[0]} killed the worker process ({crash.ending})", crash)
    return replace(task, unopened=(*task.unopened, *photos))


def _blame(session: Session, step: str, photos: dict[str, str], reason: str, crash: WorkerCrashedError) -> None:
    """Leave photos out until they change; if it may be no fault of theirs, not before a second run says the same."""
    for path, key in photos.items():
        final = not _from_outside(crash) or problems.is_known(session.catalog, step, path)
        _record(session, step, [path], reason, content_key=key, final=final)


def _record(
    session: Session, step: str, paths: Collection[str], reason: str, *, final: bool, content_key: str | None = None
) -> None:
    with session.catalog.db.atomic():
        for path in paths:
            problems.record(session.catalog, step, path, reason, library=None, content_key=content_key, final=final)
