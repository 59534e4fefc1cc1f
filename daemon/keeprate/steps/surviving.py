"""The parent's side of tasks over many pictures: find the picture that kills the worker, and have all others done."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, TypeVar

from keeprate.catalog import files, problems
from keeprate.steps.session import Session
from keeprate.steps.tasks import EmbedOutcome, Outcome, Task, ThumbnailOutcome, together
from keeprate.steps.worker_client import WorkerClient, WorkerCrashedError

MAX_CRASHES = 50
"""More crashes than this in one run are not about single pictures."""

Counts = TypeVar("Counts", EmbedOutcome, ThumbnailOutcome)


class TaskOver(Protocol):
    """Makes the task for photos, by content key: for `only` these, one at a time; for all that wait, `without` some."""

    def __call__(self, *, only: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> Task: ...


def surviving(session: Session, worker: WorkerClient, task_over: TaskOver, step: str, nothing: Counts) -> Counts:
    """What the task came to, added to `nothing`, however many pictures kill the worker.

    Each of these is noted as a problem of `step`, and left out.

    Raises:
        WorkerStoppedError: it was cancelled and nothing came of it.
        WorkerCrashedError: the worker dies without having touched a picture, or again and again.
        KeeprateError: the worker reported an error of ours.
    """
    total = nothing
    deadly: set[str] = set()
    for _ in range(MAX_CRASHES):
        try:
            return added(total, worker.run(task_over(without=tuple(deadly)), session.reporter))
        except WorkerCrashedError as crash:
            if not crash.subjects or session.reporter.cancelled():
                raise
            for content_key in crash.subjects:
                if session.reporter.cancelled():
                    return replace(total, cancelled=True)
                alone = _alone(session, worker, task_over(only=(content_key,)), content_key, step)
                if alone is None:
                    deadly.add(content_key)
                else:
                    total = added(total, alone)
    raise WorkerCrashedError((), f"{MAX_CRASHES} times in one run")


def added(one: Counts, other: Outcome) -> Counts:
    """Two outcomes as one."""
    total = together(one, other)
    assert isinstance(total, type(one))  # noqa: S101 (the worker answers in kind)
    return total


def _alone(session: Session, worker: WorkerClient, task: Task, content_key: str, step: str) -> Outcome | None:
    """One photo with nothing beside it; None if that kills the worker.

    A worker that was killed by others, such as a system short of memory, says little about the photo: it has a second
    chance at once.
    """
    for last_chance in (False, True):
        try:
            return worker.run(task, session.reporter)
        except WorkerCrashedError as crash:
            if session.reporter.cancelled() or content_key not in crash.subjects:
                raise
            if last_chance or not crash.killed_by_others:
                _quarantine(session, content_key, crash, step)
                break
    return None


def _quarantine(session: Session, content_key: str, crash: WorkerCrashedError, step: str) -> None:
    """Leave it alone until it changes; if it may be no fault of it, not before a second run says the same."""
    with session.catalog.db.atomic():
        for file in files.of_photo(session.catalog, content_key)[:1]:
            final = not crash.killed_by_others or problems.is_known(session.catalog, step, file.path)
            problems.record(
                session.catalog, step, file.path, f"decoding it killed the worker process ({crash.ending})",
                library=file.library, content_key=content_key, final=final,
            )  # fmt: skip
