"""The parent's side of tasks over many pictures: find the picture that kills the worker, and have all others done."""

from __future__ import annotations

from collections.abc import Callable

from keeprate.catalog import files, problems
from keeprate.steps.session import Session
from keeprate.steps.tasks import Outcome, Task, together
from keeprate.steps.worker_client import WorkerClient, WorkerCrashedError

MAX_CRASHES = 50
"""More crashes than this in one run are not about single pictures."""

TaskOver = Callable[[tuple[str, ...]], Task]
"""Makes the task for these content keys, one at a time; for none: for all that wait."""


def surviving(session: Session, worker: WorkerClient, task_over: TaskOver, step: str) -> Outcome:
    """Have a task done, however many pictures kill the worker; each is noted as a problem of `step`.

    Raises:
        WorkerStoppedError: it was cancelled and nothing came of it.
        WorkerCrashedError: the worker dies without having touched a picture, or again and again.
        KeeprateError: the worker reported an error of ours.
    """
    total: Outcome | None = None
    for _ in range(MAX_CRASHES):
        try:
            outcome = worker.run(task_over(()), session.reporter)
            return outcome if total is None else together(total, outcome)
        except WorkerCrashedError as crash:
            if not crash.subjects:
                raise
            for content_key in crash.subjects:
                if session.reporter.cancelled():
                    raise
                alone = _alone(session, worker, task_over((content_key,)), content_key, step)
                if alone is not None:
                    total = alone if total is None else together(total, alone)
    raise WorkerCrashedError((), f"{MAX_CRASHES} times in one run")


def _alone(session: Session, worker: WorkerClient, task: Task, content_key: str, step: str) -> Outcome | None:
    """One photo by itself; what kills the worker then is left alone from now on.

    A worker that was killed by others, a system short of memory for one, says little about the photo: it has a second
    chance at once, and if that ends so too, another in the next run.
    """
    for last_chance in (False, True):
        try:
            return worker.run(task, session.reporter)
        except WorkerCrashedError as crash:
            if content_key not in crash.subjects:
                raise
            if last_chance or not crash.killed_by_others:
                _quarantine(session, content_key, crash, step)
                break
    return None


def _quarantine(session: Session, content_key: str, crash: WorkerCrashedError, step: str) -> None:
    with session.catalog.db.atomic():
        for file in files.of_photo(session.catalog, content_key)[:1]:
            final = not crash.killed_by_others or problems.is_known(session.catalog, step, file.path)
            problems.record(
                session.catalog, step, file.path, f"decoding it killed the worker process ({crash.ending})",
                library=file.library, content_key=content_key, final=final,
            )  # fmt: skip
