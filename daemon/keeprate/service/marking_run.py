"""The parent's side of the write step: run it in the worker, and leave out the photo that kills it."""

from __future__ import annotations

from keeprate.catalog import files, problems
from keeprate.service.session import Session
from keeprate.service.tasks import WriteOutcome, WriteTask
from keeprate.service.worker_client import WorkerClient, WorkerCrashedError

MAX_CRASHES = 20
"""More crashes than this in one run are not about single photos."""


def write_all(
    session: Session, worker: WorkerClient, library: str | None = None, *, dry_run: bool = False
) -> WriteOutcome:
    """Bring all marks up to date, however many photos crash the metadata library.

    Raises:
        WorkerCrashedError: the worker dies without having touched a photo, or again and again.
        DiskFullError: there is no room for a mark.
    """
    for _ in range(MAX_CRASHES):
        try:
            outcome = worker.run(WriteTask(library, dry_run), session.reporter)
        except WorkerCrashedError as crash:
            if not crash.subjects or session.reporter.cancelled():
                raise
            _leave_out(session, crash)
        else:
            assert isinstance(outcome, WriteOutcome)  # noqa: S101 (the worker answers in kind)
            return outcome
    raise WorkerCrashedError((), f"{MAX_CRASHES} times in one run")


def _leave_out(session: Session, crash: WorkerCrashedError) -> None:
    keys = files.content_keys_at(session.catalog, crash.subjects)
    with session.catalog.db.atomic():
        for path in crash.subjects:
            problems.record(
                session.catalog, "mark", path, f"marking it killed the worker process ({crash.ending})",
                library=None, content_key=keys.get(path),
            )  # fmt: skip
