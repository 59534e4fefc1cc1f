"""Fit L2-regularised multinomial logistic regression, all folds of a cross-validation at once.

This module rotates scaled inputs so that the problem is small and well conditioned, and minimises. It knows nothing of
where labels come from, of calibration, or of which penalty is best; `fitting` decides that. For the worker only.

Why not scikit-learn's `LogisticRegression`: a cross-validated path over the penalties needs some fifty fits,
each of which reads all vectors dozens of times in float64. Here the folds share one matrix product, the
rotation shrinks 200 × 1280 to 200 × 200 without changing the solution, and the spread along each direction
preconditions L-BFGS, which then needs 5 to 20 steps. The solution is the same;
tests/learning/test_logistic.py compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from keeprate.learning.minimising import minimise

RANK_TOLERANCE: Final = 1e-7
"""Directions with less than this share of the largest spread carry float32 rounding, not information."""
TYPICAL_CURVATURE: Final = 0.15
"""p(1 - p) of a photo about whose bucket a model is fairly sure; only the number of steps depends on it."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """Inputs in the basis of their principal directions.

    Turning changes neither distances nor an L2 penalty, so a solution in this basis is the solution in the
    inputs, whichever rows it was fitted to.
    """

    coordinates: npt.NDArray[np.float32]
    """(n, r) with r ≤ min(n, d); r is 0 if all inputs are equal."""
    spread: npt.NDArray[np.float64]
    """(r,) mean square along each direction, largest first."""
    directions: npt.NDArray[np.float32]
    """(d, r) orthonormal columns: `coordinates = inputs @ directions`."""


def rotate(inputs: npt.NDArray[np.float32]) -> Rotation:
    """Rotate (n, d) inputs. Costs n · d · min(n, d) multiplications: 0.4 s for 25,000 × 768 on two cores."""
    count, width = inputs.shape
    if width <= count:
        spread, vectors = np.linalg.eigh((inputs.T @ inputs).astype(np.float64) / count)
    else:
        spread, vectors = np.linalg.eigh((inputs @ inputs.T).astype(np.float64) / count)
    spread, vectors = spread[::-1], vectors[:, ::-1]
    kept = spread > max(RANK_TOLERANCE * float(spread[0]), 1e-12)
    spread, vectors = spread[kept], vectors[:, kept]
    if width <= count:
        directions = vectors.astype(np.float32)
    else:  # the eigenvectors are those of the rows; carry them over to the columns
        directions = (inputs.T.astype(np.float64) @ (vectors / np.sqrt(spread * count))).astype(np.float32)
    return Rotation(inputs @ directions, spread, directions)


@dataclass(frozen=True, slots=True)
class Fits:
    """Several models over one rotation."""

    weights: npt.NDArray[np.float64]
    """(r, m, k) for m models and k buckets."""
    biases: npt.NDArray[np.float64]
    """(m, k)"""

    def logits(self, coordinates: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(n, r) -> (n, m, k): what every model says about every row."""
        rank, models, buckets = self.weights.shape
        flat = coordinates @ self.weights.reshape(rank, models * buckets).astype(np.float32)
        logits: npt.NDArray[np.float64] = flat.reshape(-1, models, buckets) + self.biases
        return logits


def fit(
    rotation: Rotation,
    bucket_indices: npt.NDArray[np.intp],
    bucket_count: int,
    sample_weights: npt.NDArray[np.float64],
    penalty: float,
    start: Fits | None = None,
) -> Fits:
    """Minimise, for each model, weighted mean log loss + penalty / 2 · |weights|²; biases are free.

    `sample_weights` (n, m) has a column per model; 0 leaves a photo out. A column must not be all zero, and every
    bucket must have weight in it, or that bucket's bias runs away. `start` is a solution for a nearby penalty, or for
    other samples: of another number of models, the last one (of all photos) is where each begins.
    """
    coordinates = rotation.coordinates
    count, rank = coordinates.shape
    models = sample_weights.shape[1]
    # Of two buckets only the difference matters, w₁ = −w₂: one unknown for two, half the work.
    columns = 1 if bucket_count == 2 else bucket_count
    shape = (rank + 1, models, columns)
    shares = (sample_weights / sample_weights.sum(axis=0))[:, :, np.newaxis]
    truth = np.zeros((count, 1, columns))
    if columns == 1:
        truth[:, 0, 0] = bucket_indices == 0
        penalty = penalty / 2  # |w₁|² + |w₂|² is half of |w₁ − w₂|²
    else:
        truth[np.arange(count), 0, bucket_indices] = 1.0
    surprise = _binary_surprise if columns == 1 else _surprise
    # Unknowns are scaled by the inverse root of the curvature, roughly: every direction becomes equally steep.
    steepness = np.concatenate([TYPICAL_CURVATURE * rotation.spread + penalty, [TYPICAL_CURVATURE]])
    unit = (1.0 / np.sqrt(steepness))[:, np.newaxis, np.newaxis]

    def loss_and_gradient(unknowns: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        parameters = unknowns.reshape(shape) * unit
        weights = parameters[:-1]
        logits = Fits(weights, parameters[-1]).logits(coordinates)
        losses, errors = surprise(logits, truth)
        loss = float((shares * losses).sum()) + 0.5 * penalty * float((weights**2).sum())
        errors *= shares
        gradient = np.empty(shape)
        flat_errors = errors.reshape(count, models * columns).astype(np.float32)
        gradient[:-1] = (coordinates.T @ flat_errors).reshape(weights.shape) + penalty * weights
        gradient[-1] = errors.sum(axis=0)
        return loss, (gradient * unit).ravel()

    first = np.zeros(shape)
    if start is not None:
        given = np.concatenate([start.weights, start.biases[np.newaxis]])
        if given.shape[1] != models:
            given = np.repeat(given[:, -1:], models, axis=1)
        first = (given[..., :1] - given[..., 1:] if columns == 1 else given) / unit
    solution = minimise(loss_and_gradient, first.ravel()).reshape(shape) * unit
    if columns == 1:
        solution = np.concatenate([solution / 2, -solution / 2], axis=2)
    return Fits(solution[:-1], solution[-1])


def _surprise(
    logits: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Log losses (n, m, 1) of softmax and what is wrong with its probabilities (n, m, k)."""
    logits = logits - logits.max(axis=2, keepdims=True)
    powers = np.exp(logits)
    sums = powers.sum(axis=2, keepdims=True)
    return np.log(sums) - (logits * truth).sum(axis=2, keepdims=True), powers / sums - truth


def _binary_surprise(
    logits: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The same (n, m, 1) for log odds of the first of two buckets."""
    rest = np.exp(-np.abs(logits))
    losses = np.log1p(rest) + np.maximum(logits, 0) - truth * logits
    return losses, np.where(logits > 0, 1, rest) / (1 + rest) - truth
