"""The parent's side of the embed step: run it in the worker, and find the picture that kills the worker."""

from __future__ import annotations

import time
from dataclasses import replace

from keeprate.catalog import embeddings, files, models, problems
from keeprate.catalog.file_names import drop_renamed
from keeprate.embedding.file_names import encodes_names, words_of
from keeprate.pictures.signals import SIGNALS_VERSION
from keeprate.pictures.technical import TECHNICAL_VERSION
from keeprate.steps.marks.taking_marks import take_marks
from keeprate.steps.photos.companions import look_for_companions
from keeprate.steps.session import Session
from keeprate.steps.tasks import EmbedOutcome, EmbedTask
from keeprate.steps.worker_client import WorkerClient, WorkerCrashedError

MAX_CRASHES = 50
"""More crashes than this in one run are not about single pictures."""


def embed_all(session: Session, worker: WorkerClient, library: str | None = None) -> EmbedOutcome:
    """Embed everything that waits, however many pictures crash the decoder.

    Raises:
        WorkerCrashedError: the worker dies without having touched a picture, or again and again.
        ModelError: the model cannot be loaded.
    """
    started_at = time.time()
    _drop_renamed(session)
    waiting = _waiting(session, library)
    if waiting == 0 and models.active(session.catalog).fingerprint is not None:
        return EmbedOutcome()  # not worth starting a worker
    total = _until_it_lives(session, worker, library)
    if total.embedded:
        take_marks(session)  # only now it can be told which photos are copies of others that carry our marks
    look_for_companions(session)  # pictures say more than names
    # Of a run that died underway nobody told the counts: the catalog knows them.
    failed = problems.count_since(session.catalog, ("decode", "embed"), started_at)
    done = waiting - _waiting(session, library)
    return replace(total, embedded=max(total.embedded, done - failed - total.looked), failed=failed)


def _drop_renamed(session: Session) -> None:
    """Where file names are part of vectors, a renamed photo waits for another one."""
    model = models.active(session.catalog)
    if encodes_names(model.path):
        with session.catalog.db.atomic():
            drop_renamed(session.catalog, model.id, words_of)


def _waiting(session: Session, library: str | None) -> int:
    model = models.active(session.catalog)
    return embeddings.count_wanted(session.catalog, model.id, SIGNALS_VERSION, library, looks_version=TECHNICAL_VERSION)


def _until_it_lives(session: Session, worker: WorkerClient, library: str | None) -> EmbedOutcome:
    total = EmbedOutcome()
    for _ in range(MAX_CRASHES):
        try:
            return added(total, worker.run(EmbedTask(library), session.reporter))
        except WorkerCrashedError as crash:
            if not crash.subjects or session.reporter.cancelled():
                raise
            total = added(total, _one_by_one(session, worker, crash.subjects, library))
    raise WorkerCrashedError((), f"{MAX_CRASHES} times in one run")


def _one_by_one(
    session: Session, worker: WorkerClient, content_keys: tuple[str, ...], library: str | None
) -> EmbedOutcome:
    total = EmbedOutcome()
    for key in content_keys:
        if session.reporter.cancelled():
            return replace(total, cancelled=True)
        try:
            total = added(total, worker.run(EmbedTask(library, only=(key,)), session.reporter))
        except WorkerCrashedError as crash:
            if key not in crash.subjects:
                raise
            _quarantine(session, key, crash.ending)
    return total


def _quarantine(session: Session, content_key: str, ending: str) -> None:
    lying = files.of_photo(session.catalog, content_key)
    with session.catalog.db.atomic():
        for file in lying[:1]:
            problems.record(
                session.catalog, "embed", file.path, f"decoding it killed the worker process ({ending})",
                library=file.library, content_key=content_key,
            )  # fmt: skip


def added(one: EmbedOutcome, other: object) -> EmbedOutcome:
    """Two outcomes as one."""
    assert isinstance(other, EmbedOutcome)  # noqa: S101 (the worker answers in kind)
    return EmbedOutcome(
        embedded=one.embedded + other.embedded,
        failed=one.failed + other.failed,
        seconds=one.seconds + other.seconds,
        device=other.device or one.device,
        precision=other.precision or one.precision,
        cancelled=other.cancelled,
        looked=one.looked + other.looked,
        note=other.note or one.note,
    )
