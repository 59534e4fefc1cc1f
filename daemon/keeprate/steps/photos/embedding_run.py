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
from keeprate.steps.tasks import EmbedOutcome, EmbedTask, Outcome, together
from keeprate.steps.worker_client import WorkerClient, WorkerCrashedError

STEP = "embed"
"""What problems of this step are called."""
MAX_CRASHES = 50
"""More crashes than this in one run are not about single pictures."""


def embed_all(session: Session, worker: WorkerClient, library: str | None = None) -> EmbedOutcome:
    """Embed everything that waits, however many pictures crash the decoder.

    Raises:
        WorkerCrashedError: the worker dies without having touched a picture, or again and again.
        ModelError: the model cannot be loaded.
    """
    started_at = time.time()
    waiting = to_embed(session, library)
    if waiting == 0 and not model_is_new(session):
        return EmbedOutcome()  # not worth starting a worker
    total = _until_it_lives(session, worker, library)
    if total.embedded:
        take_marks(session)  # only now it can be told which photos are copies of others that carry our marks
    look_for_companions(session)  # pictures say more than names
    # Of a run that died underway nobody told the counts: the catalog knows them.
    failed = problems.count_since(session.catalog, ("decode", "embed"), started_at)
    done = waiting - _waiting(session, library)
    return replace(total, embedded=max(total.embedded, done - failed - total.looked), failed=failed)


def to_embed(session: Session, library: str | None = None) -> int:
    """How many photos wait for the embed step."""
    _drop_renamed(session)
    return _waiting(session, library)


def model_is_new(session: Session) -> bool:
    """Whether the active model has never been loaded: only then it is known what its vectors are like."""
    return models.active(session.catalog).fingerprint is None


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
    deadly: set[str] = set()
    for _ in range(MAX_CRASHES):
        try:
            return added(total, worker.run(EmbedTask(library, without=tuple(deadly)), session.reporter))
        except WorkerCrashedError as crash:
            if not crash.subjects or session.reporter.cancelled():
                raise
            for key in crash.subjects:
                if session.reporter.cancelled():
                    return replace(total, cancelled=True)
                alone = _alone(session, worker, key, library)
                if alone is None:
                    deadly.add(key)
                else:
                    total = added(total, alone)
    raise WorkerCrashedError((), f"{MAX_CRASHES} times in one run")


def _alone(session: Session, worker: WorkerClient, key: str, library: str | None) -> EmbedOutcome | None:
    """Embed one photo with nothing beside it; None if that kills the worker.

    A worker that was killed by others, such as a system short of memory, says little about the photo: it has a second
    chance at once.
    """
    for last_chance in (False, True):
        try:
            return added(EmbedOutcome(), worker.run(EmbedTask(library, only=(key,)), session.reporter))
        except WorkerCrashedError as crash:
            if session.reporter.cancelled() or key not in crash.subjects:
                raise
            if last_chance or not crash.killed_by_others:
                _quarantine(session, key, crash)
                break
    return None


def _quarantine(session: Session, content_key: str, crash: WorkerCrashedError) -> None:
    """Leave it alone until it changes; if it may be no fault of it, not before a second run says the same."""
    lying = files.of_photo(session.catalog, content_key)
    with session.catalog.db.atomic():
        for file in lying[:1]:
            final = not crash.killed_by_others or problems.is_known(session.catalog, STEP, file.path)
            problems.record(
                session.catalog, STEP, file.path, f"decoding it killed the worker process ({crash.ending})",
                library=file.library, content_key=content_key, final=final,
            )  # fmt: skip


def added(one: EmbedOutcome, other: Outcome) -> EmbedOutcome:
    """Two outcomes as one."""
    total = together(one, other)
    assert isinstance(total, EmbedOutcome)  # noqa: S101 (the worker answers in kind)
    return total
