"""The active model, loaded: what every step of the worker that turns pictures into vectors begins with."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC

from keeprate.catalog import models
from keeprate.catalog.embeddings import NewEmbedding
from keeprate.embedding.embedder import Embedder, ModelSpec, load_embedder
from keeprate.embedding.pipeline import PictureResult
from keeprate.service.session import Progress, Session
from keeprate.service.verifying import verify_imported

_loaded: dict[tuple[str, str | None, str, str, int], Embedder] = {}
"""The model stays loaded for the worker's life: one load a run, and none for a run soon after."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """The active model as the catalog knows it, ready to embed with so many threads."""

    model: models.Model
    embedder: Embedder
    threads: int
    note: str = ""
    """What loading it has shown, in one sentence for the person."""


def load_active_model(session: Session, working: Callable[[Sequence[str]], None] = lambda _: None) -> LoadedModel:
    """Load the active model and note what it turned out to be; vectors of another fingerprint are dropped.

    `working` is told of photos that are opened to verify imported vectors.

    Raises:
        ModelError: it cannot be loaded, or is not what it was registered as.
    """
    settings = session.config.embedding
    model = models.active(session.catalog)
    threads = settings.threads or cores()
    session.reporter.progress(Progress("embed", 0, None, f"loading {model.name}"))
    wanted = (model.path, model.revision, settings.device, settings.precision, threads)
    if wanted not in _loaded:
        _loaded.clear()  # one model in memory at a time
        spec = ModelSpec(name=model.name, path=model.path, embed_dim=model.embed_dim, revision=model.revision)
        _loaded[wanted] = load_embedder(spec, device=settings.device, precision=settings.precision, threads=threads)
    embedder = _loaded[wanted]
    note = verify_imported(session, model, embedder, working)
    model = models.active(session.catalog)
    models.record_loaded(session.catalog, model, embed_dim=embedder.dimension, fingerprint=embedder.fingerprint)
    return LoadedModel(model, embedder, threads, note)


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def new_embedding(result: PictureResult) -> NewEmbedding:
    """What the pipeline found out about a photo, as the catalog keeps it."""
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
