"""What a training found out beside the head itself: stored with its version, shown by `train` and `heads history`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from keeprate.learning.metrics import Interval
from keeprate.learning.thresholds import RejectThreshold


@dataclass(frozen=True, slots=True)
class PriorUsed:
    """How often each bucket is taken to occur among the photos that are scored; shares in the order of the buckets."""

    source: Literal["labels", "estimate", "given"]
    label_shares: tuple[float, ...]
    shares: tuple[float, ...]
    intervals: tuple[Interval, ...] = ()
    """95 %, of an estimate."""
    photos: int = 0
    """Photos without a label that the estimate is made from."""


@dataclass(frozen=True, slots=True)
class TrainingDetails:
    """As JSON in `HeadVersion.details` and `TrainOutcome.details`."""

    groups: int
    """Of photos that must not be parted: near-duplicates and shoots."""
    ungrouped_roc_auc: float | None
    """What the ROC AUC would have been said to be, had groups been torn apart."""
    prior: PriorUsed
    reject_threshold: RejectThreshold | None
    """Where the threshold was chosen by the keepers that it costs."""
    warnings: tuple[str, ...]
    checkpoint: str | None = None
    """The file for other programs, in headmaster's format."""
    checkpoint_note: str = ""

    def to_values(self) -> dict[str, Any]:
        """As JSON gives it back: lists for tuples."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values
