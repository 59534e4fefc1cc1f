"""The embed step, in the worker: the pipeline into the catalog. `embedding_run` has the parent's side.

A picture whose decoding kills the worker is found by trying the last batches one photo at a time, is recorded as a
problem, and is left alone until it changes. Photos whose vector was imported are decoded only, without loading a model.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keeprate.catalog import embeddings, models, problems
from keeprate.embedding.embedder import Embedder
from keeprate.embedding.file_names import FileNameEncoder
from keeprate.embedding.looking_only import LookingOnly
from keeprate.embedding.pipeline import Batch, WorkItem, embed_pictures
from keeprate.pictures.signals import SIGNALS_VERSION
from keeprate.pictures.technical import TECHNICAL_VERSION
from keeprate.steps.marks.in_hand import InHand
from keeprate.steps.photos.loaded_model import load_active_model, new_embeddings
from keeprate.steps.restraint import cores
from keeprate.steps.session import Progress, Session
from keeprate.steps.tasks import EmbedOutcome, EmbedTask
from keeprate.steps.worker import Working

Wanted = tuple[str, str, str]
"""(content key, path, library)"""


def embed(session: Session, task: EmbedTask, working: Working) -> EmbedOutcome:
    """Embed all photos that lack a vector by the active model (or signals), one transaction a batch.

    Raises:
        ModelError: the model cannot be loaded, or is not what it was registered as.
    """
    started = time.monotonic()
    model = models.active(session.catalog)
    wanted = _wanted(session, model, task)
    known = embeddings.with_vector(session.catalog, model.id, [key for key, _, _ in wanted])
    run = _Run(session, model, task, working, total=len(wanted))
    if known:
        threads = session.config.embedding.threads or cores()
        run.over([row for row in wanted if row[0] in known], LookingOnly(), threads)
    looked = run.done - run.failed
    if len(known) == len(wanted) and model.fingerprint is not None:
        return EmbedOutcome(
            failed=run.failed, seconds=time.monotonic() - started, cancelled=session.reporter.cancelled(), looked=looked
        )
    loaded = load_active_model(session, working)
    if not session.reporter.cancelled():
        wanted = _wanted(session, model, task)  # anew: vectors that are not by this model were dropped
        run.total = run.done + len(wanted)
        run.file_names = loaded.file_names
        run.over(wanted, loaded.embedder, loaded.threads)
    return EmbedOutcome(
        embedded=run.done - run.failed - looked,
        failed=run.failed,
        seconds=time.monotonic() - started,
        device=loaded.embedder.device,
        precision=loaded.embedder.precision,
        cancelled=session.reporter.cancelled(),
        looked=looked,
        note=loaded.note,
    )


def _wanted(session: Session, model: models.Model, task: EmbedTask) -> list[Wanted]:
    rows = embeddings.wanted(session.catalog, model.id, SIGNALS_VERSION, task.library, looks_version=TECHNICAL_VERSION)
    if task.only or task.without:
        rows = [row for row in rows if row[0] not in task.without and (not task.only or row[0] in task.only)]
    return rows


@dataclass(slots=True)
class _Run:
    """One task's way through the pipeline, in one or two passes."""

    session: Session
    model: models.Model
    task: EmbedTask
    working: Working
    total: int
    done: int = 0
    failed: int = 0
    file_names: FileNameEncoder | None = None

    def over(self, wanted: Sequence[Wanted], embedder: Embedder, threads: int) -> None:
        """Embed these photos and store what was found out about them."""
        session, alone = self.session, bool(self.task.only)
        library_of = {key: library for key, _, library in wanted}
        in_hand = InHand(self.working, lambda item: item.content_key)

        def on_batch(batch: Batch) -> None:
            self._store(batch, library_of)
            in_hand.finish(batch)

        session.reporter.progress(Progress("embed", self.done, self.total))
        embed_pictures(
            (WorkItem(key, Path(path)) for key, path, _ in wanted),
            embedder,
            batch_size=1 if alone else session.config.embedding.batch_size,
            threads=1 if alone else threads,
            max_pixels=int(session.config.pictures.max_megapixels * 1e6),
            on_batch=on_batch,
            on_start=in_hand.begin,
            cancelled=session.reporter.cancelled,
        )

    def _store(self, batch: Batch, library_of: dict[str, str]) -> None:
        catalog = self.session.catalog
        # A file that is not there (any more, or because its disk is away) is no bad picture: the next scan tells.
        failures = [failure for failure in batch.failures if os.path.lexists(failure.path)]
        with catalog.db.atomic():
            new = new_embeddings(batch.results, self.file_names)
            embeddings.store(catalog, self.model.id, SIGNALS_VERSION, new)
            keys = [result.content_key for result in batch.results]
            problems.clear_content(catalog, "decode", keys)
            problems.clear_content(catalog, "embed", keys)
            for failure in failures:
                problems.record(
                    catalog, "decode", str(failure.path), failure.reason,
                    library=library_of.get(failure.content_key), content_key=failure.content_key,
                )  # fmt: skip
        self.done += len(batch.results) + len(batch.failures)
        self.failed += len(failures)
        self.session.reporter.progress(Progress("embed", self.done, self.total))
