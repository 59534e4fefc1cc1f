"""Whether vectors that were made elsewhere are what the model gives here, once it is loaded for the first time.

What headmaster has cached is used as it is, without loading the model. Until then the model goes by a provisional
fingerprint. When it is loaded, a handful of the photos are embedded and compared: the same vectors stay, with the heads
that learned from them; others are dropped, for mixing the two would make scores meaningless.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from keeprate.catalog import embeddings, heads, models
from keeprate.catalog.models import Model
from keeprate.embedding.embedder import Embedder
from keeprate.errors import KeeprateError
from keeprate.learning.heads import load_head, save_head
from keeprate.pictures.decoding import PictureError, open_picture
from keeprate.steps.session import Session

PROVISIONAL: Final = "imported-"
"""How the fingerprint of a model begins whose vectors come from elsewhere and were not compared yet."""
COMPARED: Final = 8
SAME_COSINE: Final = 0.99
SAME_LENGTH: Final = 0.1
"""Vectors may differ in length by this share: some programs normalise theirs."""


def provisional_fingerprint(path: str, dimension: int) -> str:
    """The same for the same model of two workspaces."""
    return PROVISIONAL + hashlib.blake2b(f"{path} {dimension}".encode(), digest_size=8).hexdigest()


def verify_imported(
    session: Session, model: Model, embedder: Embedder, working: Callable[[Sequence[str]], None] = lambda _: None
) -> str:
    """Compare the imported vectors of `model` with what `embedder` gives, and keep or drop them.

    Returns a sentence for the person, empty where there was nothing to compare.
    """
    if model.fingerprint is None or not model.fingerprint.startswith(PROVISIONAL):
        return ""
    catalog = session.catalog
    if model.cached == 0:
        _confirm(session, model, embedder.fingerprint)
        return ""
    sample = embeddings.some_present(catalog, model.id, 4 * COMPARED)
    stored = embeddings.vectors_of(catalog, model.id, list(sample))
    pairs: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]] = []
    max_pixels = int(session.config.pictures.max_megapixels * 1e6)
    for key, path in sample.items():
        if len(pairs) == COMPARED:
            break
        working([key])
        try:
            picture = open_picture(Path(path), shortest_edge=embedder.shortest_edge, max_pixels=max_pixels)
        except (PictureError, OSError):
            continue
        pairs.append((stored[key], embedder.embed([embedder.prepare(picture.image)])[0]))
    if pairs and all(one.shape == other.shape for one, other in pairs):
        cosine = float(np.median([_cosine(one, other) for one, other in pairs]))
        ratio = float(np.median([_length(one) / max(_length(other), 1e-12) for one, other in pairs]))
        if cosine >= SAME_COSINE and abs(ratio - 1) <= SAME_LENGTH:
            _confirm(session, model, embedder.fingerprint)
            return f"The imported vectors of {model.name} are those that the model gives here: they stay."
        reason = f"differ from those that the model gives here (cosine {cosine:.3f}, length × {ratio:.2f})"
    else:
        reason = "could not be compared with the model's: none of their photos can be opened now"
    # `models.record_loaded` drops them, for the fingerprint is another one
    return f"The imported vectors of {model.name} {reason}: they are dropped, and made anew."


def _confirm(session: Session, model: Model, fingerprint: str) -> None:
    """From now on `model` has this fingerprint; so have the heads that learned from its vectors."""
    catalog = session.catalog
    learned = [
        version
        for head in heads.names(catalog)
        for version in heads.history(catalog, head)
        if version.model_id == model.id and version.fingerprint == model.fingerprint
    ]
    for version in learned:
        if version.file is None:
            continue
        path = session.home.heads_dir / version.file
        try:
            save_head(replace(load_head(path), model_fingerprint=fingerprint), path)
        except (KeeprateError, OSError):
            continue  # lost or damaged: said wherever it is needed
    models.confirm(catalog, model, fingerprint)


def _cosine(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    return float(one @ other) / max(_length(one) * _length(other), 1e-12)


def _length(vector: npt.NDArray[np.float32]) -> float:
    return float(np.linalg.norm(vector))
