"""In the worker: give named files vectors, wherever they lie, in a library or not.

A picture that the catalog knows by its content is not embedded again, and what is new is kept there: the next look at
the same folder costs only the reading. A file that cannot be read is told to whoever asked; it is no problem of a
library's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from keeprate.catalog import embeddings, files
from keeprate.catalog.connection import Catalog
from keeprate.embedding.pipeline import Batch, WorkItem, embed_pictures
from keeprate.pictures.content_key import content_key
from keeprate.pictures.signals import SIGNALS_VERSION
from keeprate.steps.marks.in_hand import InHand
from keeprate.steps.photos.loaded_model import load_active_model, new_embeddings
from keeprate.steps.session import Progress, Session
from keeprate.steps.tasks import LookAtOutcome, LookAtTask
from keeprate.steps.worker import Working

READ_AT_ONCE = 64
"""Files whose content keys are looked up in the catalog together."""


def look_at(session: Session, task: LookAtTask, working: Working) -> LookAtOutcome:
    """The content key of each file, whose vector and signals are in the catalog then; or why there is none.

    Raises:
        ModelError: the active model cannot be loaded, or is not what it was registered as.
    """
    catalog = session.catalog
    loaded = load_active_model(session)
    read = _Read(catalog, loaded.model.id, task.paths)
    in_hand = InHand(working, lambda item: str(item.path))
    embedded = 0

    def on_batch(batch: Batch) -> None:
        nonlocal embedded
        with catalog.db.atomic():
            files.add_photos(catalog, [(result.content_key, os.path.dirname(result.path)) for result in batch.results])
            new = new_embeddings(batch.results, loaded.file_names)
            embeddings.store(catalog, loaded.model.id, SIGNALS_VERSION, new)
        read.failed.update((failure.content_key, failure.reason) for failure in batch.failures)
        in_hand.finish(batch)
        embedded += len(batch.results)
        done = len(read.keys) - len(in_hand)
        if done < len(task.paths) and not task.alone:  # the last line comes once, at the end
            session.reporter.progress(Progress("embed", done, len(task.paths)))

    embed_pictures(
        read.wanted(),
        loaded.embedder,
        batch_size=1 if task.alone else session.config.embedding.batch_size,
        threads=1 if task.alone else loaded.threads,
        max_pixels=int(session.config.pictures.max_megapixels * 1e6),
        on_batch=on_batch,
        on_start=in_hand.begin,
        cancelled=session.reporter.cancelled,
    )
    if not task.alone:
        session.reporter.progress(Progress("embed", len(task.paths), len(task.paths)))
    return LookAtOutcome(
        content_keys=tuple(read.keys.get(path, "") for path in task.paths),
        reasons=tuple(read.reason(path) for path in task.paths),
        embedded=embedded,
        cancelled=session.reporter.cancelled(),
    )


class _Read:
    """The files of a task, read one after the other for their content keys."""

    def __init__(self, catalog: Catalog, model_id: int, paths: Sequence[str]) -> None:
        self.keys: dict[str, str] = {}
        """path → content key, of the files that were read."""
        self.failed: dict[str, str] = {}
        """content key, or path where there is none → why."""
        self._catalog, self._model_id, self._paths = catalog, model_id, paths

    def wanted(self) -> Iterator[WorkItem]:
        """What the catalog has no vector or signals of; reads a few files ahead of whoever takes them."""
        for start in range(0, len(self._paths), READ_AT_ONCE):
            chunk = self._paths[start : start + READ_AT_ONCE]
            for path in chunk:
                try:
                    self.keys[path] = content_key(Path(path))
                except OSError as error:
                    self.failed[path] = f"the file cannot be read: {error.strerror or error}"
            asked = [self.keys[path] for path in chunk if path in self.keys]
            known = (
                embeddings.vectors_of(self._catalog, self._model_id, asked).keys()
                & embeddings.signals_of(self._catalog, SIGNALS_VERSION, asked).keys()
            )
            for path in chunk:
                if path in self.keys and self.keys[path] not in known:
                    yield WorkItem(self.keys[path], Path(path))

    def reason(self, path: str) -> str:
        """Why a file has no vector; empty if it has one."""
        return self.failed.get(self.keys.get(path, path), "")
