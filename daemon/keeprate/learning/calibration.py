"""Turn what a classifier says into probabilities that hold: 0.9 means nine in ten.

`Calibration` is what a head carries (numpy only); `fit_calibration` is used in training. A calibration must be fitted
on out-of-fold logits: on the photos that a classifier was fitted on it is always surer than it should be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from keeprate.learning.minimising import minimise

SLOPE_SHAPE: Final = 2.0
"""Prior: the slope follows a gamma distribution of this shape, likeliest (by its logarithm) where it is usual for the
recipe. Within a factor of two it costs little, upwards soon much; down to 0, where order means nothing, the way is
open."""
CAUTION: Final = 2.0
"""With so many photos in the rarest bucket, half the usual slope is expected: from few labels, a head keeps close to
how often each bucket occurs. With some dozens it makes no difference."""
OFFSET_SPREAD: Final = 1.0
"""Prior: the offsets are within about ±1 of what the counts of labels say."""
MOST_OF_A_BUCKET: Final = 2500
"""Few numbers are fitted: more photos of a bucket than this cost time and change nothing."""
SLOPE_LIMIT: Final = 7.0
"""The logarithm of the slope stays within ± this: from order without meaning to certainty."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """`softmax(slope · logits + offsets)`.

    With two buckets this is Platt's sigmoid; with more, temperature scaling with an offset for each bucket.
    The slope is positive and there are no steps, so two photos never change places or become equal: an
    isotonic calibration would make ties, and the order is what a viewer shows.
    """

    slope: float
    offsets: tuple[float, ...]

    def probabilities(self, logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """(n, k) logits -> (n, k) float64 probabilities; rows sum to 1."""
        return softmax(self.slope * logits + np.asarray(self.offsets))


def softmax(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Along the last axis, without overflow."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    probabilities: npt.NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def fit_calibration(
    logits: npt.NDArray[np.float64],
    bucket_indices: npt.NDArray[np.intp],
    bucket_sizes: npt.NDArray[np.intp],
    *,
    usual_slope: float = 1.0,
) -> Calibration:
    """Fit to out-of-fold logits (n, k) of models trained with *balanced* buckets, and their true buckets
    (n,).

    Balanced training shows no bucket more often than another; the offsets bring back how often they really
    occur. `bucket_sizes` (k,) says how often: the counts of all labels, also where only some folds are given.
    `usual_slope` is what such classifiers need in most cases.
    If the counts of the folds were used, a photo held out would lower the probability of its own bucket, and
    with ten labels that alone turns the out-of-fold order upside down.

    Targets are (count + ½) / (count + 1) instead of 1, after Platt (1999) with Jeffreys' instead of Laplace's
    prior: ten photos sorted without a mistake do not make anyone certain. Maximum a posteriori with the weak
    priors above: with two photos the counts decide, with some dozens the data do. Every bucket must occur.
    """
    classes = logits.shape[1]
    taught = _thin_out(bucket_indices, classes)
    logits, bucket_indices = logits[taught], bucket_indices[taught]
    expected_offsets = np.log(bucket_sizes / bucket_sizes.sum())
    confidence = (bucket_sizes + 0.5) / (bucket_sizes + 1.0)
    smoothed = np.repeat(((1 - confidence) / (classes - 1))[:, np.newaxis], classes, axis=1)
    np.fill_diagonal(smoothed, confidence)
    targets = smoothed[bucket_indices]
    weights = (bucket_sizes / np.bincount(bucket_indices, minlength=classes))[bucket_indices]
    centred = logits - logits.mean(axis=1, keepdims=True)
    fewest = float(bucket_sizes.min())
    usual_log_slope = float(np.log(usual_slope * fewest / (fewest + CAUTION)))

    def loss_and_gradient(parameters: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        log_slope, offsets = _log_slope(parameters), parameters[1:]
        slope = np.exp(log_slope)
        scores = slope * centred + offsets
        largest = scores.max(axis=1, keepdims=True)
        log_sums = largest[:, 0] + np.log(np.exp(scores - largest).sum(axis=1))
        surprise = float(weights @ (log_sums - (targets * scores).sum(axis=1)))
        errors = weights[:, np.newaxis] * (np.exp(scores - log_sums[:, np.newaxis]) - targets)
        deviation = (offsets - expected_offsets) / OFFSET_SPREAD
        relative = log_slope - usual_log_slope
        prior = SLOPE_SHAPE * float(np.exp(relative) - relative) + 0.5 * float(deviation @ deviation)
        gradient = np.empty_like(parameters)
        steepness = 1.0 - (log_slope / SLOPE_LIMIT) ** 2
        gradient[0] = steepness * (slope * float((errors * centred).sum()) + SLOPE_SHAPE * (np.exp(relative) - 1.0))
        gradient[1:] = errors.sum(axis=0) + deviation / OFFSET_SPREAD
        return surprise + prior, gradient

    start = np.concatenate([[usual_log_slope], expected_offsets])
    found = minimise(loss_and_gradient, start)
    offsets = found[1:] - found[1:].mean()
    return Calibration(float(np.exp(_log_slope(found))), tuple(float(offset) for offset in offsets))


def _log_slope(parameters: npt.NDArray[np.float64]) -> float:
    """The first unknown bent into the limits, so that they need no special care."""
    return SLOPE_LIMIT * float(np.tanh(parameters[0] / SLOPE_LIMIT))


def _thin_out(bucket_indices: npt.NDArray[np.intp], classes: int) -> npt.NDArray[np.intp]:
    """Rows to fit to: of a bucket with very many, evenly spaced ones (their weight makes up for it)."""
    kept = []
    for bucket in range(classes):
        members = np.flatnonzero(bucket_indices == bucket)
        kept.append(members[:: -(-len(members) // MOST_OF_A_BUCKET) or 1])
    return np.sort(np.concatenate(kept))
