"""The embed step. In the worker: `embed` runs the pipeline into the catalog. In the parent: `embed_all` drives it.

A picture whose decoding kills the worker is found by trying the last batches one photo at a time, is recorded as a
problem, and is left alone until it changes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

from keeprate.catalog import embeddings, models, problems
from keeprate.catalog.embeddings import NewEmbedding
from keeprate.embedding.embedder import Embedder, ModelSpec, load_embedder
from keeprate.embedding.pipeline import Batch, PictureResult, WorkItem, embed_pictures
from keeprate.pictures.signals import SIGNALS_VERSION
from keeprate.service.session import Progress, Session
from keeprate.service.tasks import EmbedOutcome, EmbedTask
from keeprate.service.worker import Working

_loaded: dict[tuple[str, str | None, str, str, int], Embedder] = {}
"""The model stays loaded for the worker's life: one load a run, and none for a run soon after."""


def embed(session: Session, task: EmbedTask, working: Working) -> EmbedOutcome:
    """Embed all photos that lack a vector by the active model (or signals), one transaction a batch.

    Raises:
        ModelError: the model cannot be loaded, or is not what it was registered as.
    """
    started = time.monotonic()
    catalog = session.catalog
    settings = session.config.embedding
    model = models.active(catalog)
    threads = (
        settings.threads or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    session.reporter.progress(Progress("embed", 0, None, f"loading {model.name}"))
    embedder = _embedder(model, settings.device, settings.precision, threads)
    models.record_loaded(catalog, model, embed_dim=embedder.dimension, fingerprint=embedder.fingerprint)

    wanted = embeddings.wanted(catalog, model.id, SIGNALS_VERSION, task.library)
    if task.only:
        chosen = set(task.only)
        wanted = [row for row in wanted if row[0] in chosen]
    library_of = {key: library for key, _, library in wanted}
    total, done, failed = len(wanted), 0, 0

    def on_start(items: Sequence[WorkItem]) -> None:
        working([item.content_key for item in items])

    def on_batch(batch: Batch) -> None:
        nonlocal done, failed
        # A file that is not there (any more, or because its disk is away) is no bad picture: the next scan tells.
        failures = [failure for failure in batch.failures if os.path.lexists(failure.path)]
        with catalog.db.atomic():
            embeddings.store(catalog, model.id, SIGNALS_VERSION, [_new(result) for result in batch.results])
            keys = [result.content_key for result in batch.results]
            problems.clear_content(catalog, "decode", keys)
            problems.clear_content(catalog, "embed", keys)
            for failure in failures:
                problems.record(
                    catalog, "decode", str(failure.path), failure.reason,
                    library=library_of.get(failure.content_key), content_key=failure.content_key,
                )  # fmt: skip
        done += len(batch.results) + len(batch.failures)
        failed += len(failures)
        session.reporter.progress(Progress("embed", done, total))

    session.reporter.progress(Progress("embed", 0, total))
    embed_pictures(
        (WorkItem(key, Path(path)) for key, path, _ in wanted),
        embedder,
        batch_size=1 if task.only else settings.batch_size,
        threads=1 if task.only else threads,
        max_pixels=int(session.config.pictures.max_megapixels * 1e6),
        on_batch=on_batch,
        on_start=on_start,
        cancelled=session.reporter.cancelled,
    )
    return EmbedOutcome(
        embedded=done - failed,
        failed=failed,
        seconds=time.monotonic() - started,
        device=embedder.device,
        precision=embedder.precision,
        cancelled=session.reporter.cancelled(),
    )


def _embedder(model: models.Model, device: str, precision: str, threads: int) -> Embedder:
    wanted = (model.path, model.revision, device, precision, threads)
    if wanted not in _loaded:
        _loaded.clear()  # one model in memory at a time
        spec = ModelSpec(name=model.name, path=model.path, embed_dim=model.embed_dim, revision=model.revision)
        _loaded[wanted] = load_embedder(spec, device=device, precision=precision, threads=threads)
    return _loaded[wanted]


def _new(result: PictureResult) -> NewEmbedding:
    facts = result.facts
    return NewEmbedding(
        content_key=result.content_key,
        vector=result.vector,
        signals=result.signals.as_vector(),
        perceptual_hash=result.perceptual_hash,
        format=str(facts.format),
        width=facts.width,
        height=facts.height,
        # cameras write local time without a zone; taken as UTC, differences between photos of a shoot hold
        taken_at=None if facts.taken_at is None else facts.taken_at.replace(tzinfo=UTC).timestamp(),
        camera=facts.camera,
    )
