"""The parent's side of the embed step: see whether there is work, and have the worker do it."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

from keeprate.catalog import embeddings, models, problems
from keeprate.catalog.file_names import drop_renamed
from keeprate.embedding.file_names import encodes_names, words_of
from keeprate.pictures.signals import SIGNALS_VERSION
from keeprate.pictures.technical import TECHNICAL_VERSION
from keeprate.steps.marks.taking_marks import take_marks
from keeprate.steps.photos.companions import look_for_companions
from keeprate.steps.session import Session
from keeprate.steps.surviving import surviving
from keeprate.steps.tasks import EmbedOutcome, EmbedTask
from keeprate.steps.worker_client import WorkerClient

STEP = "embed"
"""What problems of this step are called."""


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
    total = surviving(session, worker, partial(EmbedTask, library), STEP, EmbedOutcome())
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
