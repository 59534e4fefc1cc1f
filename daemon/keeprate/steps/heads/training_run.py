"""The parent's side of the train step: which heads are worth waking the worker for, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from keeprate.catalog import runs
from keeprate.errors import KeeprateError, UsageError
from keeprate.steps.heads.retraining import missing_labels
from keeprate.steps.labels.shots import label_counts
from keeprate.steps.session import Progress, Session
from keeprate.steps.tasks import TrainOutcome, TrainTask
from keeprate.steps.worker_client import WorkerClient


@dataclass(frozen=True, slots=True)
class TrainingWishes:
    """What a person asks of one training beyond the config; see `TrainTask`."""

    threshold: float | None = None
    keepers_lost: float | None = None
    prior: str | float | None = None
    force: bool = False


def _check_wishes(head: str, buckets: tuple[str, ...], wishes: TrainingWishes) -> None:
    """Raise UsageError if something is asked for that only heads with two buckets have."""
    asked = (
        "a threshold" if wishes.threshold is not None
        else "a share of keepers lost" if wishes.keepers_lost is not None
        else "a prior of its own" if isinstance(wishes.prior, float)
        else None
    )  # fmt: skip
    if asked and len(buckets) > 2:
        raise UsageError(
            f"Only a head with two buckets can have {asked}; {head!r} has {len(buckets)}.",
            advice="Name a head with --head. Nothing was trained.",
        )


def train_heads(
    session: Session,
    worker: WorkerClient,
    head: str | None = None,
    wishes: TrainingWishes | None = None,
) -> list[TrainOutcome]:
    """Train the head called `head`, or all; heads that lack labels or have nothing new say so.

    `wishes` None: nobody asked, it is done in passing.
    """
    fewest = 2 if wishes is None else 1
    wishes = wishes or TrainingWishes()
    for name, buckets in session.heads(head).items():  # before any is trained
        _check_wishes(name, buckets, wishes)
    outcomes = []
    for name, buckets in session.heads(head).items():
        if session.reporter.cancelled():
            break
        missing = missing_labels(buckets, label_counts(session, name), fewest=fewest)
        if missing is not None:
            outcomes.append(
                TrainOutcome(name, trained=False, promoted=False, version=None, reason=f"Not trained: it {missing}.")
            )
            continue
        session.reporter.progress(Progress("train", 0, None, name))
        run = runs.begin(session.catalog, "train")
        task = TrainTask(name, wishes.threshold, wishes.force, wishes.keepers_lost, wishes.prior)
        try:
            outcome = worker.run(task, session.reporter)
        except KeeprateError:
            runs.forget(session.catalog, run)
            raise
        assert isinstance(outcome, TrainOutcome)  # noqa: S101 (the worker answers in kind)
        if outcome.trained:
            runs.finish(session.catalog, run, f"{name}: {outcome.reason}", outcome.labels)
        else:
            runs.forget(session.catalog, run)
        outcomes.append(outcome)
    return outcomes
