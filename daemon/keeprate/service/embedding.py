"""The embed step. In the worker: `embed` runs the pipeline into the catalog. In the parent: `embed_all` drives it.

A picture whose decoding kills the worker is found by trying the last batches one photo at a time, is recorded as a
problem, and is left alone until it changes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from keeprate.catalog import embeddings, problems
from keeprate.embedding.pipeline import Batch, WorkItem, embed_pictures
from keeprate.pictures.signals import SIGNALS_VERSION
from keeprate.service.loaded_model import load_active_model, new_embedding
from keeprate.service.session import Progress, Session
from keeprate.service.tasks import EmbedOutcome, EmbedTask
from keeprate.service.worker import Working


def embed(session: Session, task: EmbedTask, working: Working) -> EmbedOutcome:
    """Embed all photos that lack a vector by the active model (or signals), one transaction a batch.

    Raises:
        ModelError: the model cannot be loaded, or is not what it was registered as.
    """
    started = time.monotonic()
    catalog = session.catalog
    settings = session.config.embedding
    loaded = load_active_model(session)
    model, embedder, threads = loaded.model, loaded.embedder, loaded.threads

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
            embeddings.store(catalog, model.id, SIGNALS_VERSION, [new_embedding(result) for result in batch.results])
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
