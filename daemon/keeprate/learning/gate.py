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


ROUNDING: Final = 1e-9
"""Losses that differ by less are equal."""


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

    Used where there is no version in use, or none that can be compared; `circumstance` says which. Promotes
    if the log loss is below that of the base rate, or if the order is better than chance for certain (ROC AUC
    above 0.5).
    """
    resampled = resample_groups(groups, seed=seed)
    shares = np.bincount(bucket_indices, minlength=candidate.shape[1]) / len(bucket_indices)
    gains = photo_losses(candidate, bucket_indices) + np.log(shares[bucket_indices])
    difference, interval = float(gains.mean()), percentile_interval(resampled.means(gains))
    auc = percentile_interval(resampled_auc(candidate, bucket_indices, resampled))
    if difference < -ROUNDING:
        reason = f"{circumstance}, and it predicts better than the base rate ({_against(difference, interval)})."
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
) -> Decision:
    """Compare two sets of (n, k) out-of-fold probabilities of the same photos, pair by pair.

    Promotes if the candidate's log loss is not higher and its order is not worse for certain. A loss that is
    higher only within the noise does not promote: nothing speaks for the change, and what people know stays.
    The order is asked too because the log loss alone rewards a candidate that contradictory labels merely
    made less sure.
    """
    resampled = resample_groups(groups, seed=seed)
    gains = photo_losses(candidate, bucket_indices) - photo_losses(incumbent, bucket_indices)
    difference, interval = float(gains.mean()), percentile_interval(resampled.means(gains))
    aucs = percentile_interval(
        resampled_auc(candidate, bucket_indices, resampled) - resampled_auc(incumbent, bucket_indices, resampled)
    )
    against = _against(difference, interval)
    if difference > ROUNDING:
        certainty = "certainly" if interval.low > 0 else "perhaps"
        return Decision(
            False, f"It predicts {certainty} worse than the version in use ({against}).", difference, interval
        )
    if aucs.high < 0:
        reason = (
            f"It is no surer than the version in use ({against}) but orders photos worse "
            f"(ROC AUC {aucs.low:+.3f} to {aucs.high:+.3f})."
        )
        return Decision(False, reason, difference, interval)
    certainty = "better" if interval.high < 0 else "no worse"
    return Decision(True, f"It predicts {certainty} than the version in use ({against}).", difference, interval)


def _against(difference: float, interval: Interval) -> str:
    return f"log loss {difference:+.3f}, 95 % {interval.low:+.3f} to {interval.high:+.3f}"
