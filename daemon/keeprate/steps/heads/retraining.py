"""When a head is to be trained again: enough new labels and the user has paused, or long enough ago.

Pure but for its look into the catalog: takes the clock, returns names and times.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime

from keeprate.catalog import heads, labels, models
from keeprate.catalog.labels import LabelChanges
from keeprate.config.durations import parse_quiet_hours, quiet_until
from keeprate.config.models import TrainingConfig
from keeprate.steps.labels.shots import label_counts
from keeprate.steps.session import Session

SKEW_S = 60.0
"""So far ahead of the clock is still now."""


def training_due_at(changes: LabelChanges, last_trained: float, settings: TrainingConfig) -> float | None:
    """When a head with these label changes is to be trained (unix seconds); None if nothing has changed.

    With `min_new_labels` changes: as soon as no label has come for `quiet_after`. With fewer: when `every` has passed
    since the last training (a head that was never trained waits for the first condition or for its first labels to
    be `every` old).
    """
    if changes.count == 0 or changes.latest_at is None:
        return None
    rested = changes.latest_at + settings.quiet_after.total_seconds()
    if changes.count >= settings.min_new_labels:
        return rested
    return max(rested, max(last_trained, changes.first_at or 0.0) + settings.every.total_seconds())


def dated_sanely(changes: LabelChanges, now: float) -> LabelChanges:
    """Labels of the future were given while the clock was wrong: they rest, or nobody would learn before it comes."""
    if changes.latest_at is None or changes.first_at is None or changes.latest_at <= now + SKEW_S:
        return changes
    return replace(changes, first_at=changes.first_at if changes.first_at <= now else 0.0, latest_at=0.0)


def after_quiet_hours(at: float, settings: TrainingConfig) -> float:
    """`at`, or the end of the quiet hours that it lies in (unix seconds, local time of day)."""
    end = quiet_until(parse_quiet_hours(settings.quiet_hours), datetime.fromtimestamp(at).astimezone())
    return at if end is None else end.timestamp()


def missing_labels(buckets: tuple[str, ...], counts: dict[str, int], *, fewest: int = 2) -> str | None:
    """What is missing before a head can be trained: two buckets, and `fewest` photos in each.

    With one photo in a bucket nothing can be measured: that is only done for a person who asks for it.
    """
    if len(buckets) < 2:
        return f"needs a second bucket beside {buckets[0]!r}" if buckets else "needs two buckets and has none"
    lacking = [
        f"{fewest - counts.get(bucket, 0)} more in {bucket!r}" for bucket in buckets if counts.get(bucket, 0) < fewest
    ]
    return f"needs {' and '.join(lacking)}" if lacking else None


def label_changes(session: Session, head: str) -> labels.LabelChanges:
    """Label changes since the latest training of a head, taken into use or not."""
    return labels.changes_since(session.catalog, head, last_trained_at(session, head))


def last_trained_at(session: Session, head: str) -> float:
    """When the head was last trained (unix seconds), or 0: also for what a clock that was wrong dates in the future."""
    history = heads.history(session.catalog, head)
    return history[0].trained_at if history and history[0].trained_at <= time.time() + SKEW_S else 0.0


def due_heads(session: Session, *, now: float) -> list[str]:
    """The heads that are to be trained now."""
    return [name for name, at in _due(session, now).items() if at <= now]


def next_training_at(session: Session, *, now: float) -> float | None:
    """When the next head will be due (unix seconds), if labels stay as they are; None if none will be."""
    return min((at for at in _due(session, now).values() if at > now), default=None)


def _due(session: Session, now: float) -> dict[str, float]:
    found: dict[str, float] = {}
    settings = session.config.training
    for name, buckets in session.config.heads().items():
        changes = dated_sanely(label_changes(session, name), now)
        at = training_due_at(changes, last_trained_at(session, name), settings)
        if at is None and _on_another_model(session, name):
            at = now
        if at is not None and missing_labels(buckets, label_counts(session, name)) is None:
            found[name] = after_quiet_hours(max(at, now), settings)
    return found


def _on_another_model(session: Session, head: str) -> bool:
    """Whether the last training used another model than the active one, which is ready to be trained on."""
    trained = next(iter(heads.history(session.catalog, head)), None)
    model = models.active(session.catalog)
    return trained is not None and model.fingerprint is not None and trained.fingerprint != model.fingerprint
