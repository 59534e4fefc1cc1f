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
    percentile_interval,
    photo_losses,
    resample_groups,
    resampled_auc,
)

ROUNDING: Final = 1e-4
"""Losses that differ by less are equal: the same recipe fitted from another starting point differs by so much."""
LIKELY: Final = 0.9
"""The share of resamples in which a candidate must be worse to be called worse."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to promote, and the sentence that `runs` and `keeprate status` show."""

    promote: bool
    reason: str
    difference: float
    """Log loss of the candidate minus that of what it was compared with, nats a photo: negative is better."""
    interval: Interval
    """95 % of that difference, resampling groups."""


def decide_first(
    candidate: npt.NDArray[np.float64],
    bucket_indices: npt.NDArray[np.intp],
    groups: npt.NDArray[np.intp],
    *,
    seed: int,
    circumstance: str = "It is the first version",
) -> Decision:
    """Compare (n, k) out-of-fold probabilities with always saying how often each bucket occurs.

    Used where there is no version in use, or none that can be compared; `circumstance` says which. Promotes if the log
    loss is below that of the base rate, or if the order is better than chance for certain (ROC AUC above 0.5).
    """
    resampled = resample_groups(groups, seed=seed)
    shares = np.bincount(bucket_indices, minlength=candidate.shape[1]) / len(bucket_indices)
    gains = photo_losses(candidate, bucket_indices) + np.log(shares[bucket_indices])
    difference, interval = float(gains.mean()), percentile_interval(resampled.means(gains))
    auc = percentile_interval(resampled_auc(candidate, bucket_indices, resampled))
    if difference < -ROUNDING:
        verb = "predicts" if interval.high < 0 else "seems to predict"
        reason = f"{circumstance}, and it {verb} better than the base rate ({_against(difference, interval)})."
        return Decision(True, reason, difference, interval)
    if auc.low > 0.5:
        reason = f"{circumstance}, and it orders photos better than chance (ROC AUC at least {auc.low:.2f})."
        return Decision(True, reason, difference, interval)
    reason = (
        f"It predicts no better than the base rate ({_against(difference, interval)}): "
        "what tells the buckets apart cannot be seen yet."
    )
    return Decision(False, reason, difference, interval)


def decide(
    candidate: npt.NDArray[np.float64],
    incumbent: npt.NDArray[np.float64],
    bucket_indices: npt.NDArray[np.intp],
    groups: npt.NDArray[np.intp],
    *,
    seed: int,
    more_labels: bool = False,
) -> Decision:
    """Compare two sets of (n, k) out-of-fold probabilities of the same photos, pair by pair.

    A candidate that is worse, and in nine of ten resamples, is never promoted; one that is not worse is, unless its
    order is certainly worse: the log loss alone rewards a candidate that contradictory labels merely made less sure.
    In between, worse but within the noise, `more_labels` decides: that a candidate learned from more is the better
    witness then (docs/decisions/0010-gate.md has the figures); without it nothing speaks for a change.
    """
    resampled = resample_groups(groups, seed=seed)
    gains = photo_losses(candidate, bucket_indices) - photo_losses(incumbent, bucket_indices)
    differences = resampled.means(gains)
    difference, interval = float(gains.mean()), percentile_interval(differences)
    aucs = percentile_interval(
        resampled_auc(candidate, bucket_indices, resampled) - resampled_auc(incumbent, bucket_indices, resampled)
    )
    worse = difference > ROUNDING
    surely_worse = worse and float((differences > 0).mean()) >= LIKELY
    surely_better = difference < -ROUNDING and interval.high < 0
    against = _against(difference, interval)
    if surely_worse:
        promote, reason = False, f"It most likely predicts worse than the version in use ({against})."
    elif aucs.high < 0:
        order = f"ROC AUC {aucs.low:+.3f} to {aucs.high:+.3f}"
        promote, reason = False, f"It orders photos worse than the version in use ({order}; {against})."
    elif worse and not more_labels:
        promote, reason = False, f"It is perhaps worse than the version in use ({against}), and no labels were added."
    elif worse:
        promote, reason = True, f"It learned from more labels and is as good within the noise ({against})."
    else:
        comparison = "better" if surely_better else "no worse"
        promote, reason = True, f"It predicts {comparison} than the version in use ({against})."
    return Decision(promote, reason, difference, interval)


def _against(difference: float, interval: Interval) -> str:
    return f"log loss {difference:+.3f}, 95 % {interval.low:+.3f} to {interval.high:+.3f}"
