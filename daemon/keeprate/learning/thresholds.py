"""A threshold for rejecting that promises how many keepers it costs.

The promise is about photos still to come, so it is made from scores that no model gave to its own training photos, and
from order statistics instead of a fitted curve: nothing is assumed about how scores are spread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from keeprate.learning.metrics import Interval

DRAWS: Final = 100_000
"""Draws that the quantiles of a beta distribution are read from: right to three digits, and no scipy."""
SURE: Final = 1e-6
"""Thresholds stay within the open interval 0–1, as a head demands."""


@dataclass(frozen=True, slots=True)
class RejectThreshold:
    """Photos whose P(first bucket) is below `threshold` are rejected."""

    threshold: float
    keepers_lost: float
    """The share of the keepers given that it rejects; 0–1."""
    interval: Interval
    """95 %: the share of keepers still to come that it rejects."""
    others_rejected: float
    """The share of the other photos that it rejects: what it is good for; 0–1."""
    keepers: int
    promised: bool
    """Whether the keepers are enough for the share that was asked for. If not, this is the threshold that would have
    rejected none of them."""
    keepers_needed: int
    """How many keepers, gathered like these, the smallest promise needs."""
    asked: float

    @property
    def sentence(self) -> str:
        """What to tell a person."""
        found = (
            f"Below {self.threshold:.3f}, {self.others_rejected:.0%} of the photos to be rejected and "
            f"{self.keepers_lost:.1%} of the keepers lie (95 % of the keepers to come: "
            f"{self.interval.low:.1%} to {self.interval.high:.1%})."
        )
        if self.promised:
            return found
        return (
            f"{found} {self.keepers} keepers are too few to promise that at most {self.asked:.1%} will be lost: "
            f"about {self.keepers_needed} are needed."
        )


def reject_threshold(
    first_bucket_scores: npt.NDArray[np.float64],
    keepers: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.intp],
    *,
    keepers_lost: float = 0.01,
    seed: int = 0,
) -> RejectThreshold:
    """The largest threshold at which, on average, at most `keepers_lost` of the keepers to come are rejected.

    `first_bucket_scores` (n,) are out-of-fold P(first bucket) 0–1, `keepers` (n,) says which photos are in the first
    bucket, `groups` (n,) which belong together. `keepers_lost` is within 0–1, both excluded.

    At the (r + 1)th lowest of n keepers' scores, the share of keepers to come that lie below is distributed as
    Beta(r + 1, n − r), whatever the scores are spread like. Its mean must not exceed `keepers_lost` (conformal risk
    control: Angelopoulos et al. 2022), and its quantiles are the interval: for r = 0 about the rule of three (Hanley &
    Lippman-Hand 1983), otherwise nearly Clopper & Pearson's, which a bootstrap misses where none was lost. Photos of a
    burst are no independent witnesses: all counts are divided by the design effect (Kish 1965) of the keepers' groups.

    Raises ValueError if there is no keeper, or `keepers_lost` is not within 0–1.
    """
    if not 0.0 < keepers_lost < 1.0:
        raise ValueError(f"the share of keepers that may be lost is between 0 and 1, not {keepers_lost}")
    scores = np.sort(first_bucket_scores[keepers])
    count = len(scores)
    if not count:
        raise ValueError("without keepers there is nothing to lose")
    effect = _design_effect(first_bucket_scores[keepers], groups[keepers])
    # the largest r with mean (r + effect) / (count + effect) ≤ keepers_lost
    lost = math.floor(keepers_lost * (count + effect) - effect + 1e-9)
    promised = lost >= 0
    lost = max(lost, 0)
    threshold = float(np.clip(scores[min(lost, count - 1)], SURE, 1 - SURE))
    draws = np.random.default_rng(seed).beta(lost / effect + 1, max(count - lost, SURE) / effect, DRAWS)
    low, high = np.quantile(draws, [0.025, 0.975])
    others = first_bucket_scores[~keepers]
    return RejectThreshold(
        threshold=threshold,
        keepers_lost=float((scores < threshold).mean()),
        interval=Interval(0.0 if lost == 0 else float(low), float(high)),
        others_rejected=float((others < threshold).mean()) if len(others) else 0.0,
        keepers=count,
        promised=promised,
        keepers_needed=math.ceil(effect * (1 - keepers_lost) / keepers_lost - 1e-9),
        asked=keepers_lost,
    )


def _design_effect(scores: npt.NDArray[np.float64], groups: npt.NDArray[np.intp]) -> float:
    """How many photos tell as much as one independent one: 1 + (m − 1) · ρ.

    m is the mean group size as a photo sees it, ρ the intraclass correlation of the scores' ranks by one-way analysis
    of variance, within 0–1: ranks, because the lowest scores matter and are far from normal.
    """
    numbers = np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(numbers).astype(np.float64)
    count, group_count = len(scores), len(sizes)
    if group_count == count or group_count == 1:
        return 1.0 if group_count == count else float(count)
    ranks = np.argsort(np.argsort(scores, kind="stable"), kind="stable").astype(np.float64)
    means = np.bincount(numbers, weights=ranks) / sizes
    between = float((sizes * (means - ranks.mean()) ** 2).sum()) / (group_count - 1)
    within = float(((ranks - means[numbers]) ** 2).sum()) / (count - group_count)
    typical = (count - float((sizes**2).sum()) / count) / (group_count - 1)
    correlation = (between - within) / max(between + (typical - 1) * within, 1e-12)
    size_seen = float((sizes**2).sum()) / count
    return 1.0 + (size_seen - 1.0) * float(np.clip(correlation, 0.0, 1.0))
