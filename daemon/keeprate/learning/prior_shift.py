"""The labels hold more deletes, or fewer, than the library does: estimate how many there are, and shift probabilities.

Only the *prior* is taken to differ: among the keepers of the library the same kinds of photos are as frequent as among
those labelled, and so for each bucket. Then a known or estimated prior moves the offsets of a calibration and nothing
else; the order of photos stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from keeprate.learning.calibration import Calibration
from keeprate.learning.metrics import Interval

MOST_ITERATIONS: Final = 1000
TOLERANCE: Final = 1e-6
PSEUDO_PHOTOS: Final = 10.0
"""So many photos' worth of trust in the labels' own shares: the maximum of the likelihood may lie at 0 or 1, where no
photo could ever be put into a bucket again."""
MOST_PHOTOS: Final = 5000
"""More photos than this do not make the estimate surer than its assumption is."""
RESAMPLES: Final = 200


@dataclass(frozen=True, slots=True)
class PriorEstimate:
    """How often each bucket occurs among the photos given."""

    shares: tuple[float, ...]
    """(k,) each above 0, summing to 1."""
    intervals: tuple[Interval, ...]
    """(k) 95 %, by resampling photos. It knows nothing of errors of the calibration: take it for the least doubt."""
    iterations: int
    converged: bool
    photos: int


def estimate_prior(
    probabilities: npt.NDArray[np.floating], label_shares: npt.NDArray[np.floating], *, seed: int = 0
) -> PriorEstimate:
    """Estimate the shares of buckets among unlabelled photos from their calibrated probabilities (m, k).

    Expectation maximisation of Saerens, Latinne & Decaestecker, "Adjusting the outputs of a classifier to new a priori
    probabilities", Neural Computation 14 (2002), with a weak Dirichlet prior at `label_shares` (k,), for which the
    probabilities were calibrated. With no photo the answer is `label_shares`. Deterministic for a seed.

    Raises ValueError if the shapes do not fit or a label share is not positive.
    """
    labelled = np.asarray(label_shares, np.float64)
    if probabilities.ndim != 2 or labelled.shape != probabilities.shape[1:] or not (labelled > 0).all():
        raise ValueError(f"probabilities {probabilities.shape} do not fit the label shares {labelled}")
    labelled = labelled / labelled.sum()
    random = np.random.default_rng(seed)
    photos = len(probabilities)
    if photos > MOST_PHOTOS:
        probabilities = probabilities[random.choice(photos, MOST_PHOTOS, replace=False)]
    ratios = probabilities.astype(np.float64) / labelled
    weights = np.full(len(ratios), photos / max(1, len(ratios)))
    shares, iterations, converged = _maximise(ratios, weights, labelled, labelled)
    resampled = [
        _maximise(ratios, weights * counts, labelled, shares)[0]
        for counts in random.multinomial(len(ratios), np.full(len(ratios), 1 / len(ratios)), RESAMPLES)
    ] if photos else [labelled]  # fmt: skip
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    return PriorEstimate(
        shares=tuple(map(float, shares)),
        intervals=tuple(Interval(float(a), float(b)) for a, b in zip(low, high, strict=True)),
        iterations=iterations,
        converged=converged,
        photos=photos,
    )


def _maximise(
    ratios: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    labelled: npt.NDArray[np.float64],
    start: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], int, bool]:
    """Shares (k,) for photos (m, k) P(bucket) / label share with weights (m,); iterations; whether they settled."""
    shares, total = start, weights.sum() + PSEUDO_PHOTOS
    for iteration in range(1, MOST_ITERATIONS + 1):
        # photo i is in bucket j with probability ratios[i, j] · shares[j] / Σ: sums over photos are matrix products
        evidence = weights / np.maximum(ratios @ shares, 1e-300)
        improved = (shares * (evidence @ ratios) + PSEUDO_PHOTOS * labelled) / total
        improved /= improved.sum()
        settled = bool(np.abs(improved - shares).max() < TOLERANCE)
        shares = improved
        if settled:
            return shares, iteration, True
    return shares, MOST_ITERATIONS, False


def shifted(
    calibration: Calibration, from_shares: npt.NDArray[np.floating], to_shares: npt.NDArray[np.floating]
) -> Calibration:
    """The calibration for photos whose buckets occur as `to_shares` (k,) say instead of `from_shares` (k,).

    All shares are positive. Bayes: log odds move by the logarithm of the ratio of shares, the slope stays.
    """
    moved = np.asarray(calibration.offsets) + np.log(np.asarray(to_shares) / np.asarray(from_shares))
    return Calibration(calibration.slope, tuple(float(offset) for offset in moved - moved.mean()))


def shifted_threshold(
    threshold: float, from_shares: npt.NDArray[np.floating], to_shares: npt.NDArray[np.floating]
) -> float:
    """The threshold on P(first of two buckets) that decides on shifted probabilities as `threshold` did before.

    `threshold` is within 0–1, both excluded, and so is the answer; shares (2,) are positive.
    """
    ratio = np.asarray(to_shares, np.float64) / np.asarray(from_shares, np.float64)
    first, second = threshold * ratio[0], (1 - threshold) * ratio[1]
    return float(first / (first + second))
