"""Decide whether a new version of a head may take over from the one in use, and say why in one sentence.

Pure: takes out-of-fold probabilities, returns a decision. How the two sets of probabilities are made
comparable is `fitting`'s business and docs/decisions/0010-gate.md's reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from keeprate.learning.metrics import (
    Interval,
    Resamples,
    percentile_interval,
    photo_losses,
    resample_groups,
    resampled_auc,
)

Probabilities = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

UNSEEN: Final = "on photos that it has not seen"
ROUNDING: Final = 1e-4
"""Losses that differ by less are equal: the same recipe fitted from another starting point differs by so much."""
LIKELY: Final = 0.9
"""The share of resamples in which a candidate must be worse to be called worse than the version in use."""
SEEMINGLY: Final = 0.8
"""The share of resamples in which a head must beat the base rate to be believed."""
FEW_PHOTOS: Final = 20
"""With fewer photos in all any gain will do: so few move a head away from the base rate for a reason only, and to ask
for more would refuse one good head in four (docs/decisions/0010-gate.md)."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to promote, and the sentences that `keeprate heads history` and `keeprate status` show."""

    promote: bool
    reason: str
    difference: float
    """Log loss of the candidate minus that of what it was compared with, nats a photo: negative is better."""
    interval: Interval
    """95 % of that difference, resampling groups."""
    because: str = ""
    """Why it is promoted, in a few words without figures."""


@dataclass(frozen=True, slots=True)
class _Difference:
    """Of two log losses, photo by photo: negative where the first is less."""

    mean: float
    interval: Interval
    less: float
    """The share of resamples in which the first is less."""
    more: float

    def __str__(self) -> str:
        return f"log loss {self.mean:+.3f}, 95 % {self.interval.low:+.3f} to {self.interval.high:+.3f}"


def decide_first(
    candidate: Probabilities,
    bucket_indices: Indices,
    groups: Indices,
    *,
    seed: int,
    circumstance: str = "It is the first version",
    in_use: Probabilities | None = None,
) -> Decision:
    """Compare (n, k) out-of-fold probabilities with always saying how often each bucket occurs.

    Used where there is no version in use, or none that can be repeated; `circumstance` says which. Promotes if the log
    loss is below that of the base rate and hardly by chance, or if the order is better than chance for certain (ROC AUC
    above 0.5). `in_use` (n, k) is what the version in use says of these photos, if it can: though it may have learned
    from some, a candidate that is clearly better takes over from it even where it cannot beat the base rate, unless the
    order of the version in use is better than both its own and chance: that one may be too sure, but not contradicted.
    """
    resampled = resample_groups(groups, seed=seed)
    base = _against_base_rate(candidate, bucket_indices, resampled)
    aucs = resampled_auc(candidate, bucket_indices, resampled)
    lowest_auc = percentile_interval(aucs).low
    if _believed(base, bucket_indices):
        verb = "predicts" if base.interval.high < 0 else "seems to predict"
        reason = f"{circumstance}, and it {verb} better than the base rate ({base})."
        better = "is" if base.interval.high < 0 else "seems"
        return Decision(True, reason, base.mean, base.interval, f"it {better} better than chance {UNSEEN}")
    if lowest_auc > 0.5:
        reason = f"{circumstance}, and it orders photos better than chance (ROC AUC at least {lowest_auc:.2f})."
        return Decision(
            True, reason, base.mean, base.interval, "it orders photos that it has not seen better than chance"
        )
    perhaps = "perhaps " if base.mean < -ROUNDING else ""
    if in_use is not None:
        other = _difference(photo_losses(candidate, bucket_indices) - photo_losses(in_use, bucket_indices), resampled)
        other_auc = float(resampled_auc(in_use, bucket_indices, resampled).mean())
        if other.mean < -ROUNDING and other.less >= LIKELY and other_auc <= max(0.5, float(aucs.mean())):
            reason = (
                f"{circumstance}, and the labels that stand contradict it: the new one predicts them better ({other}), "
                f"though {perhaps}no better than the base rate ({base})."
            )
            return Decision(True, reason, other.mean, other.interval, "it agrees better with what you say now")
    reason = (
        f"It {perhaps}predicts no better than the base rate ({base}): what tells the buckets apart cannot be seen yet."
    )
    return Decision(False, reason, base.mean, base.interval)


def decide(
    candidate: Probabilities,
    incumbent: Probabilities,
    bucket_indices: Indices,
    groups: Indices,
    *,
    seed: int,
    more_labels: bool = False,
) -> Decision:
    """Compare two sets of (n, k) out-of-fold probabilities of the same photos, pair by pair.

    A candidate that is worse, and in nine of ten resamples, is never promoted; one that is not worse is, unless its
    order is certainly worse: the log loss alone rewards a candidate that contradictory labels merely made less sure.
    In between, worse but within the noise, `more_labels` decides: that a candidate learned from more is the better
    witness then (docs/decisions/0010-gate.md has the figures); without it nothing speaks for a change. Where the one
    that will be in use is not seen to beat the base rate, the sentence says so.
    """
    resampled = resample_groups(groups, seed=seed)
    against = _difference(photo_losses(candidate, bucket_indices) - photo_losses(incumbent, bucket_indices), resampled)
    of_candidate, of_incumbent = (resampled_auc(one, bucket_indices, resampled) for one in (candidate, incumbent))
    orders = percentile_interval(of_candidate - of_incumbent)
    worse = against.mean > ROUNDING
    because = ""
    surely_better = against.mean < -ROUNDING and against.interval.high < 0
    if worse and against.more >= LIKELY:
        promote, reason = False, f"It most likely predicts worse than the version in use ({against})."
    elif orders.high < 0:
        order = f"ROC AUC {orders.low:+.3f} to {orders.high:+.3f}"
        promote, reason = False, f"It orders photos worse than the version in use ({order}; {against})."
    elif worse and not more_labels:
        promote = False
        reason = f"It is perhaps worse than the version in use ({against}), and learned from no more labels."
    elif worse:
        promote, reason = True, f"It learned from more labels and is as good within the noise ({against})."
        because = f"it learned from more, and is about as good {UNSEEN}"
    else:
        comparison = "better" if surely_better else "no worse"
        promote, reason = True, f"It predicts {comparison} than the version in use ({against})."
        because = f"it is {comparison} {UNSEEN}"
    base = _against_base_rate(candidate if promote else incumbent, bucket_indices, resampled)
    lowest_auc = percentile_interval(of_candidate if promote else of_incumbent).low
    if not _believed(base, bucket_indices) and lowest_auc <= 0.5:
        subject = "But it" if promote else "That one"
        perhaps = "perhaps " if base.mean < -ROUNDING else ""
        reason += f" {subject} {perhaps}predicts no better than the base rate now ({base})."
    return Decision(promote, reason, against.mean, against.interval, because)


def _difference(gains: Probabilities, resampled: Resamples) -> _Difference:
    """Of the gains (n,) of each photo, negative for better."""
    means = resampled.means(gains)
    return _Difference(
        float(gains.mean()), percentile_interval(means), float((means < 0).mean()), float((means > 0).mean())
    )


def _against_base_rate(probabilities: Probabilities, bucket_indices: Indices, resampled: Resamples) -> _Difference:
    shares = np.bincount(bucket_indices, minlength=probabilities.shape[1]) / len(bucket_indices)
    return _difference(photo_losses(probabilities, bucket_indices) + np.log(shares[bucket_indices]), resampled)


def _believed(base: _Difference, bucket_indices: Indices) -> bool:
    """Whether a head that differs so much from the base rate is better, and hardly by chance."""
    return base.mean < -ROUNDING and (base.less >= SEEMINGLY or len(bucket_indices) < FEW_PHOTOS)
