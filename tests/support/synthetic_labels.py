"""Labelled photos whose truth is known: vectors from two or more clouds, made up but deterministic."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from keeprate.learning.dataset import DataSet

Vectors = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]


def clouds(counts: tuple[int, ...], *, width: int = 32, distance: float = 2.0, seed: int = 0) -> DataSet:
    """A data set with `counts` photos per bucket, each photo a group; `distance` 0 makes buckets alike."""
    vectors, indices = draw(counts, width=width, distance=distance, seed=seed)
    return dataset_of(vectors, indices, len(counts))


def draw(counts: tuple[int, ...], *, width: int, distance: float, seed: int) -> tuple[Vectors, Indices]:
    """Vectors (n, width) from one unit normal cloud per bucket; centres are the same for every seed."""
    centres = np.random.default_rng(12345).normal(size=(len(counts), width))
    centres *= distance / np.linalg.norm(centres, axis=1, keepdims=True) / np.sqrt(2)
    indices = np.repeat(np.arange(len(counts)), counts).astype(np.intp)
    noise = np.random.default_rng(seed).normal(size=(len(indices), width))
    return (centres[indices] + noise).astype(np.float32), indices


def dataset_of(
    vectors: Vectors,
    indices: Indices,
    bucket_count: int = 2,
    *,
    signals: Vectors | None = None,
    groups: Indices | None = None,
    keys: tuple[str, ...] | None = None,
) -> DataSet:
    """A data set around arrays; buckets are called keep, delete, bucket2 …"""
    names = ("keep", "delete", *(f"bucket{number}" for number in range(2, bucket_count)))
    return DataSet(
        content_keys=keys or tuple(f"key{number}" for number in range(len(indices))),
        vectors=vectors,
        signals=signals,
        bucket_indices=indices,
        buckets=names[:bucket_count],
        groups=np.arange(len(indices), dtype=np.intp) if groups is None else groups,
    )
