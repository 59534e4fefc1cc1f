"""Labelled photos for the learning benches: vectors, signals and hashes of `../shared/photos`, kept once computed.

Draws are made here too, so that every method trains and is tested on the same photos. Needs KEEPRATE_SHARED (default
../shared), torch and transformers the first time.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from keeprate.learning.groups import find_groups

SHARED = Path(os.environ.get("KEEPRATE_SHARED", Path(__file__).resolve().parents[2] / "shared"))
MODEL = SHARED / "models" / "mobilenetv2-224"

Vectors = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
Weights = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LabelledPhotos:
    """One folder of photos; rows belong together."""

    name: str
    vectors: Vectors
    """(n, 1280)"""
    signals: Vectors
    """(n, s)"""
    indices: Indices
    """(n,) bucket"""
    groups: Indices
    """(n,) near-duplicates, as training finds them (times and folders are not told)."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Which photos are trained on, which labels they are given, and what is tested."""

    chosen: Indices
    """(m,) rows, the first bucket's first."""
    given: Indices
    """(m,) buckets as told to training: the truth, but for flipped labels."""
    rest: Indices
    """All other rows."""
    rest_weights: Weights
    """Of the rest, such that buckets weigh as in the proportion of the labels."""


def draw(photos: LabelledPhotos, proportion: Sequence[int], total: int, *, seed: int, flipped: float = 0.0) -> Draw:
    """`total` labels, or fewer where a bucket has not so many and must leave a tenth of itself to the test."""
    generator = np.random.default_rng(seed)
    parts = []
    for bucket, share in enumerate(proportion):
        members = generator.permutation(np.flatnonzero(photos.indices == bucket))
        parts.append(members[: min(round(total * share / sum(proportion)), len(members) - len(members) // 10)])
    chosen = np.concatenate(parts)
    rest = np.setdiff1d(np.arange(len(photos.indices)), chosen)
    truth = photos.indices[rest]
    weights = np.asarray(proportion, np.float64)[truth] / np.bincount(truth)[truth]
    given = photos.indices[chosen].copy()
    if flipped:
        turned = generator.permutation(len(given))[: round(flipped * len(given))]
        given[turned] = 1 - given[turned]
    return Draw(chosen, given, rest, weights)


def load(name: str) -> LabelledPhotos:
    """One set; sets with scores are parted at their median, the lower half being the second bucket."""
    with (SHARED / "photos" / name / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    cache = Path(tempfile.gettempdir()) / f"keeprate-bench-{MODEL.name}-{name}-{len(rows)}.npz"
    if not cache.exists():
        vectors, signals, hashes = _look_at([SHARED / "photos" / name / row["path"] for row in rows])
        np.savez(cache, vectors=vectors, signals=signals, hashes=hashes)
    kept = np.load(cache)
    if "score" in rows[0]:
        scores = np.array([float(row["score"]) for row in rows])
        indices = (scores <= np.median(scores)).astype(np.intp)
    else:
        indices = np.unique([row["label"] for row in rows], return_inverse=True)[1].astype(np.intp)
    unknown = np.full(len(rows), np.nan)
    groups = find_groups(kept["vectors"], kept["hashes"], unknown, [""] * len(rows), bucket_indices=indices)
    return LabelledPhotos(name, kept["vectors"], kept["signals"], indices, groups)


def _look_at(paths: Sequence[Path]) -> tuple[Vectors, Vectors, npt.NDArray[np.int64]]:
    from keeprate.embedding.embedder import ModelSpec, load_embedder
    from keeprate.pictures.decoding import open_picture
    from keeprate.pictures.signals import measure
    from keeprate.pictures.similarity import perceptual_hash

    threads = os.cpu_count() or 1
    embedder = load_embedder(ModelSpec("mobilenetv2", str(MODEL), None, None), device="cpu", threads=threads)
    vectors: list[Vectors] = []
    signals: list[Vectors] = []
    hashes: list[int] = []
    for start in range(0, len(paths), 32):
        pictures = [
            open_picture(path, shortest_edge=embedder.shortest_edge, max_pixels=100_000_000)
            for path in paths[start : start + 32]
        ]
        vectors.append(embedder.embed([embedder.prepare(picture.image) for picture in pictures]))
        signals.extend(measure(picture).as_vector() for picture in pictures)
        hashes.extend(perceptual_hash(picture.image) for picture in pictures)
    return np.concatenate(vectors), np.stack(signals), np.array(hashes, np.int64)
