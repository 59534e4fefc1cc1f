"""How good a head is, in numbers that say what it costs: measured on photos that it was not trained on.

Numpy only, because the daemon reads metrics too. Accuracy is among them but never alone: with five deletes to
one keep, calling everything a delete is 83 % accurate.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from keeprate.errors import KeeprateError

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.intp]

RESAMPLES: Final = 400
FEWEST_RESAMPLES: Final = 100
RESAMPLED_PHOTOS: Final = 2_000_000
"""With many photos an interval is narrow, and fewer resamples tell it as well: so many photos in all."""
RESAMPLING_STREAM: Final = 0x6B65657072617465
"""Keeps the draws apart from others made with the same seed: equal streams would make resamples that fit the data."""
FIRST_PHOTOS: Final = (10, 25, 50, 100)
MOST_BINS: Final = 15
PHOTOS_PER_BIN: Final = 20
SMALLEST_PROBABILITY: Final = 1e-12


class MetricsError(KeeprateError):
    """Stored metrics cannot be read."""

    slug = "metrics"


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FirstPhotos:
    """Of the `count` photos that are shown first when ordered by a bucket, how many belong there."""

    count: int
    precision: float


@dataclass(frozen=True, slots=True)
class BucketMetrics:
    """One bucket against all others; precision is 0 if nothing was put there."""

    bucket: str
    photos: int
    precision: float
    recall: float
    f1: float
    roc_auc: float
    average_precision: float
    first: tuple[FirstPhotos, ...]


@dataclass(frozen=True, slots=True)
class Metrics:
    """What out-of-fold probabilities say about a head. All values lie within 0–1 but the losses (nats per photo)."""

    photos: int
    groups: int
    folds: int
    accuracy: float
    balanced_accuracy: float
    """Mean recall: 1/k for a guess, whatever the imbalance."""
    roc_auc: float
    """Two buckets: P(a keep scores above a delete); more: the mean over buckets against the rest."""
    roc_auc_interval: Interval
    average_precision: float
    """Of the first bucket; with more than two, the mean over buckets."""
    log_loss: float
    log_loss_interval: Interval
    base_log_loss: float
    """Of always saying how often each bucket occurs: what a head must beat."""
    brier: float
    """Mean squared error of the probability, 0 best: of the first bucket if there are two, else summed over
    buckets."""
    calibration_error: float
    """Expected calibration error with bins of equal size."""
    threshold: float | None
    """Two buckets: P(first bucket) from which a photo counts as first bucket."""
    keepers_lost: float | None
    """Two buckets: the share of the first bucket's photos that fall below the threshold."""
    buckets: tuple[BucketMetrics, ...]

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Metrics:
        """Raises MetricsError if the text is not what `to_json` writes."""
        try:
            values: dict[str, Any] = json.loads(text)
            values["roc_auc_interval"] = Interval(**values["roc_auc_interval"])
            values["log_loss_interval"] = Interval(**values["log_loss_interval"])
            values["buckets"] = tuple(
                BucketMetrics(**{**bucket, "first": tuple(FirstPhotos(**first) for first in bucket["first"])})
                for bucket in values["buckets"]
            )
            return cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise MetricsError(f"The stored metrics of a head cannot be read: {error}.") from error


def measure(
    probabilities: FloatArray,
    decisions: IndexArray,
    bucket_indices: IndexArray,
    groups: IndexArray,
    buckets: tuple[str, ...],
    *,
    folds: int,
    threshold: float | None,
    seed: int,
) -> Metrics:
    """All metrics of (n, k) out-of-fold probabilities against the true buckets (n,).

    `decisions` (n,) are the buckets that were chosen, each with a threshold that did not see the photo; `threshold` is
    only reported. Intervals come from resampling whole groups, because the photos of a burst are one observation.
    """
    count, classes = probabilities.shape
    losses = photo_losses(probabilities, bucket_indices)
    shares = np.bincount(bucket_indices, minlength=classes) / count
    resampled = resample_groups(groups, seed=seed)
    per_bucket = tuple(
        _bucket_metrics(buckets[i], probabilities[:, i], decisions == i, bucket_indices == i) for i in range(classes)
    )
    aucs = resampled_auc(probabilities, bucket_indices, resampled)
    auc = float(np.mean([bucket.roc_auc for bucket in per_bucket]))
    binary = classes == 2
    return Metrics(
        photos=count,
        groups=len(np.unique(groups)),
        folds=folds,
        accuracy=float((decisions == bucket_indices).mean()),
        balanced_accuracy=float(np.mean([bucket.recall for bucket in per_bucket])),
        roc_auc=auc,
        roc_auc_interval=auc_interval(auc, aucs, bucket_indices, groups),
        average_precision=(
            per_bucket[0].average_precision
            if binary
            else float(np.mean([bucket.average_precision for bucket in per_bucket]))
        ),
        log_loss=float(losses.mean()),
        log_loss_interval=percentile_interval(resampled.means(losses)),
        base_log_loss=float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum()),
        brier=brier(probabilities, bucket_indices),
        calibration_error=calibration_error(probabilities, bucket_indices),
        threshold=threshold,
        keepers_lost=1.0 - per_bucket[0].recall if binary else None,
        buckets=per_bucket,
    )


def photo_losses(probabilities: FloatArray, bucket_indices: IndexArray) -> FloatArray:
    """(n,) −log P(true bucket) in nats."""
    chosen = probabilities[np.arange(len(probabilities)), bucket_indices]
    return -np.log(np.maximum(chosen, SMALLEST_PROBABILITY))


def brier(probabilities: FloatArray, bucket_indices: IndexArray) -> float:
    """Two buckets: mean squared error of P(first), 0–1. More: summed over buckets, 0–2 (Brier 1950)."""
    truth = np.eye(probabilities.shape[1])[bucket_indices]
    squares = (probabilities - truth) ** 2
    return float(squares[:, 0].mean() if probabilities.shape[1] == 2 else squares.sum(axis=1).mean())


def calibration_error(probabilities: FloatArray, bucket_indices: IndexArray) -> float:
    """Expected calibration error with bins of equal count (Nixon et al. 2019): 0 best.

    Two buckets: of P(first). More: of the probability of the likeliest bucket (Guo et al. 2017). There are at
    most 15 bins and at least 20 photos in each: with fewer, chance alone makes a bin look wrong.
    """
    if probabilities.shape[1] == 2:
        said, happened = probabilities[:, 0], bucket_indices == 0
    else:
        said, happened = probabilities.max(axis=1), probabilities.argmax(axis=1) == bucket_indices
    order = np.argsort(said, kind="stable")
    bins = int(np.clip(len(said) // PHOTOS_PER_BIN, 1, MOST_BINS))
    gaps = [
        abs(float(said[members].mean()) - float(happened[members].mean())) * len(members)
        for members in np.array_split(order, bins)
    ]
    return sum(gaps) / len(said)


def roc_auc(scores: FloatArray, belongs: npt.NDArray[np.bool_]) -> float:
    """P(a photo that belongs scores above one that does not), ties counting half; 0.5 if either side is empty."""
    return float(_weighted_auc(scores, belongs, np.ones((1, len(scores))))[0])


def average_precision(scores: FloatArray, belongs: npt.NDArray[np.bool_]) -> float:
    """Mean precision at each photo that belongs, best score first (ties count as one step); 0 if none belongs."""
    if not belongs.any():
        return 0.0
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(belongs[order])
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    precisions = hits[last_of_tie] / (np.flatnonzero(last_of_tie) + 1)
    gained = np.diff(hits[last_of_tie], prepend=0)
    return float((precisions * gained).sum() / hits[-1])


def best_f1_threshold(scores: FloatArray, belongs: npt.NDArray[np.bool_]) -> float:
    """The threshold (0–1) from which "belongs" gives the best F1.

    Thresholds whose F1 is within one photo's worth of the best are taken as equally good, and of those the
    one nearest to 0.5 is chosen: with ten labels the best of them is chance (measured on hot dogs: 75 % of
    new photos decided rightly with the best, 88 % with this). Must be given out-of-fold scores. 0.5 if no
    photo belongs or all scores are equal.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(belongs[order])
    cut = np.flatnonzero(np.diff(ranked) != 0)  # a threshold can only lie between different scores
    if not belongs.any() or not cut.size:
        return 0.5
    f1 = 2 * hits[cut] / (cut + 1 + hits[-1])
    as_good = cut[f1 >= f1.max() - 1.0 / hits[-1]]
    between = (ranked[as_good] + ranked[as_good + 1]) / 2
    return float(np.clip(between[np.argmin(np.abs(between - 0.5))], 1e-6, 1 - 1e-6))


@dataclass(frozen=True, slots=True)
class Resamples:
    """Bootstrap over groups: `group_counts` (b, g) says how often each group was drawn; `group_of` (n,)."""

    group_counts: FloatArray
    group_of: IndexArray

    def photo_weights(self) -> FloatArray:
        """(b, n)"""
        return self.group_counts[:, self.group_of]

    def means(self, values: FloatArray) -> FloatArray:
        """(b,) mean of (n,) values in each resample."""
        sums = np.bincount(self.group_of, weights=values, minlength=self.group_counts.shape[1])
        sizes = np.bincount(self.group_of, minlength=self.group_counts.shape[1])
        means: FloatArray = (self.group_counts @ sums) / (self.group_counts @ sizes)
        return means


def resample_groups(groups: IndexArray, *, seed: int) -> Resamples:
    """Draw as many groups as there are, with replacement, 100 to 400 times (cluster bootstrap)."""
    count = max(FEWEST_RESAMPLES, min(RESAMPLES, RESAMPLED_PHOTOS // len(groups)))
    group_of = np.unique(groups, return_inverse=True)[1].astype(np.intp)
    number = int(group_of.max()) + 1
    generator = np.random.default_rng([RESAMPLING_STREAM, seed])
    counts = generator.multinomial(number, np.full(number, 1 / number), size=count).astype(np.float64)
    return Resamples(counts, group_of)


def percentile_interval(values: FloatArray) -> Interval:
    """The middle 95 % of resampled values."""
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(float(low), float(high))


def resampled_auc(probabilities: FloatArray, bucket_indices: IndexArray, resampled: Resamples) -> FloatArray:
    """(b,) ROC AUC as in `Metrics.roc_auc`, in each resample."""
    classes = probabilities.shape[1]
    told = 1 if classes == 2 else classes  # of two buckets, one's order is the other's turned around
    aucs: FloatArray = np.mean(
        [_resampled_auc(probabilities[:, i], bucket_indices == i, resampled) for i in range(told)], axis=0
    )
    return aucs


def _resampled_auc(scores: FloatArray, belongs: npt.NDArray[np.bool_], resampled: Resamples) -> FloatArray:
    chunk = max(1, 4_000_000 // len(scores))  # keeps the (chunk, n) weights below 32 MB
    parts = [
        _weighted_auc(scores, belongs, resampled.group_counts[first : first + chunk][:, resampled.group_of])
        for first in range(0, len(resampled.group_counts), chunk)
    ]
    return np.concatenate(parts)


def _weighted_auc(scores: FloatArray, belongs: npt.NDArray[np.bool_], weights: FloatArray) -> FloatArray:
    """(b,) AUC under each row of (b, n) weights: every pair counts with the product of its weights."""
    if not scores.size:
        return np.full(len(weights), 0.5)
    order = np.argsort(scores, kind="stable")
    ranked, inside = scores[order], belongs[order]
    starts = np.flatnonzero(np.append(True, np.diff(ranked) != 0))
    ordered = weights[:, order]
    positives = np.add.reduceat(ordered * inside, starts, axis=1)
    negatives = np.add.reduceat(ordered * ~inside, starts, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    won = (positives * (below + 0.5 * negatives)).sum(axis=1)
    aucs: FloatArray = np.divide(won, pairs, out=np.full(len(weights), 0.5), where=pairs > 0)
    return aucs


def auc_interval(auc: float, aucs: FloatArray, bucket_indices: IndexArray, groups: IndexArray) -> Interval:
    """The bootstrap interval; where no mistake was seen, the rule of three bounds what was not (Hanley 1983)."""
    interval = percentile_interval(aucs)
    if auc < 1.0:
        return interval
    fewest = min(len(np.unique(groups[bucket_indices == bucket])) for bucket in np.unique(bucket_indices))
    return Interval(max(0.0, 1.0 - 3.0 / fewest), 1.0)


def _bucket_metrics(
    bucket: str, scores: FloatArray, chosen: npt.NDArray[np.bool_], belongs: npt.NDArray[np.bool_]
) -> BucketMetrics:
    right = int((chosen & belongs).sum())
    precision = right / max(1, int(chosen.sum()))
    recall = right / max(1, int(belongs.sum()))
    order = np.argsort(-scores, kind="stable")
    return BucketMetrics(
        bucket=bucket,
        photos=int(belongs.sum()),
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if right else 0.0,
        roc_auc=roc_auc(scores, belongs),
        average_precision=average_precision(scores, belongs),
        first=tuple(
            FirstPhotos(count, float(belongs[order[:count]].mean())) for count in FIRST_PHOTOS if count <= len(scores)
        ),
    )
