"""The active model, loaded: what every step of the worker that turns pictures into vectors begins with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC

import numpy as np

from keeprate.catalog import models
from keeprate.catalog.embeddings import NewEmbedding
from keeprate.catalog.looks import Look
from keeprate.embedding.embedder import Embedder, ModelSpec, load_embedder
from keeprate.embedding.file_names import WARNING, FileNameEncoder, encodes_names, picture_path, words_of
from keeprate.embedding.pipeline import PictureResult
from keeprate.errors import ModelError
from keeprate.pictures.technical import TECHNICAL_VERSION
from keeprate.steps.marks.verifying import verify_imported
from keeprate.steps.restraint import cores
from keeprate.steps.session import Progress, Session

_loaded: dict[tuple[str, str | None, str, str, int], tuple[Embedder, FileNameEncoder | None]] = {}
"""The model stays loaded for the worker's life: one load a run, and none for a run soon after."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """The active model as the catalog knows it, ready to embed with so many threads."""

    model: models.Model
    embedder: Embedder
    threads: int
    note: str = ""
    """What loading it has shown, in one sentence for the person."""
    file_names: FileNameEncoder | None = None
    """What encodes the photos' file names; None: they play no part."""

    @property
    def dimension(self) -> int:
        """Length of the vectors, file names included."""
        return self.embedder.dimension + (self.file_names.dimension if self.file_names else 0)

    @property
    def fingerprint(self) -> str:
        """Of the vectors, file names included."""
        of_pictures = self.embedder.fingerprint
        return self.file_names.fingerprint(of_pictures) if self.file_names else of_pictures


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
        spec = ModelSpec(
            name=model.name,
            path=picture_path(model.path),
            embed_dim=None if encodes_names(model.path) else model.embed_dim,
            revision=model.revision,
        )
        encoder = FileNameEncoder(spec) if encodes_names(model.path) else None
        embedder = load_embedder(spec, device=settings.device, precision=settings.precision, threads=threads)
        _loaded[wanted] = embedder, encoder
    embedder, encoder = _loaded[wanted]
    note = f"{WARNING}." if encoder else verify_imported(session, model, embedder, working)
    loaded = LoadedModel(models.active(session.catalog), embedder, threads, note, encoder)
    if model.embed_dim not in (None, loaded.dimension):
        raise ModelError(
            f"the model {model.name} ({model.path}) gives vectors of {loaded.dimension} numbers, file names included, "
            f"but is registered with {model.embed_dim}",
            advice=f"Remove it and add it again with --dim {loaded.dimension}, or without.",
        )
    models.record_loaded(session.catalog, loaded.model, embed_dim=loaded.dimension, fingerprint=loaded.fingerprint)
    return loaded


def device_in_use() -> str:
    """Where the loaded model computes; empty while none is loaded."""
    return next((embedder.device for embedder, _ in _loaded.values()), "")


def new_embeddings(results: Sequence[PictureResult], file_names: FileNameEncoder | None = None) -> list[NewEmbedding]:
    """What the pipeline found out about photos, as the catalog keeps it."""
    if file_names is None:
        return [_new_embedding(result) for result in results]
    words = [words_of(str(result.path)) for result in results]
    return [
        replace(_new_embedding(result), vector=np.concatenate([result.vector, of_name]), file_name=name)
        for result, of_name, name in zip(results, file_names.encode(words), words, strict=True)
    ]


def _new_embedding(result: PictureResult) -> NewEmbedding:
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
        look=_look(result),
    )


def _look(result: PictureResult) -> Look:
    exposure = result.facts.exposure
    return Look(
        version=TECHNICAL_VERSION,
        technical=result.technical.as_vector(),
        thumbnail=result.thumbnail,
        quantisation=result.facts.quantisation,
        seconds=exposure.seconds,
        f_number=exposure.f_number,
        iso=exposure.iso,
        bias=exposure.bias,
        bracketed=exposure.bracketed,
        focal_length=exposure.focal_length,
        subject_distance=exposure.subject_distance,
    )
