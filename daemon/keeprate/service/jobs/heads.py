"""`retrain` and `score`: heads learn when it is worth it, and every photo has its score."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from keeprate.catalog import heads, models
from keeprate.service.jobs.job import NOTHING, Desk, Done, Job, Later
from keeprate.service.wording import learned_sentence, photos
from keeprate.steps.heads.retraining import due_heads, label_changes, next_training_at
from keeprate.steps.heads.scoring import score
from keeprate.steps.heads.training_run import train_heads
from keeprate.steps.tasks import TrainOutcome


class Retrain(Job):
    """Trains the heads that are due (`steps.heads.retraining` says which), or all that anything is new for."""

    name = "retrain"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._tried: dict[str, tuple[float | None, str | None]] = {}
        """Head → the state of labels and model at which training it came to nothing."""

    def wanted(self) -> str | None:
        due = self._due()
        return f"There are new labels, or a new model, for {', '.join(due)}." if due else None

    def later(self) -> Later | None:
        at = next_training_at(self._desk.session, now=self._desk.clocks.wall())
        why = "There are new labels; heads learn when no more have come for a while, or by their schedule."
        return None if at is None else Later(at, why)

    def do(self) -> Done:
        return self._train(self._due())

    def do_asked(self) -> Done:
        return self._train(self._desk.session.config.heads())

    def _train(self, chosen: Iterable[str]) -> Done:
        desk = self._desk
        outcomes: list[TrainOutcome] = []
        for head in chosen:
            if desk.cut():
                break
            state = self._state(head)  # before: what comes while it is trained is news
            for outcome in train_heads(desk.session, desk.worker, head):
                outcomes.append(outcome)
                if not outcome.trained:
                    self._tried[head] = state
                self._tell(outcome)
        if not outcomes:
            return Done(NOTHING.sentence, did_something=False, cut=desk.cut())
        sentence = " ".join(map(self._in_short, outcomes))
        return Done(sentence, did_something=any(one.trained for one in outcomes), cut=desk.cut())

    def _due(self) -> list[str]:
        due = due_heads(self._desk.session, now=self._desk.clocks.wall())
        return [head for head in due if self._tried.get(head) != self._state(head)]

    def _state(self, head: str) -> tuple[float | None, str | None]:
        session = self._desk.session
        return label_changes(session, head).latest_at, models.active(session.catalog).fingerprint

    def _tell(self, outcome: TrainOutcome) -> None:
        sentence = self._in_short(outcome)
        if not outcome.trained:
            logging.getLogger("keeprate").info("%s", sentence)
            return
        self._desk.events.tell(
            "head.promoted" if outcome.promoted else "head.kept", sentence,
            head=outcome.head, version=outcome.version, labels=sum(outcome.labels.values()),
        )  # fmt: skip

    def _in_short(self, outcome: TrainOutcome) -> str:
        """Without figures; the measured reason stands in the head's history."""
        in_use = heads.in_use(self._desk.session.catalog, outcome.head)
        return learned_sentence(outcome, None if in_use is None else in_use.version)


class Score(Job):
    """Brings scores up to date; numpy, in this process."""

    name = "score"

    def wanted(self) -> str | None:
        return "Photos or heads may be new."  # asking costs as much as doing it

    def do(self) -> Done:
        outcome = score(self._desk.session)
        for sentence in outcome.failed:
            logging.getLogger("keeprate").error("%s", sentence)
        if not (outcome.scored or outcome.guessed):
            return NOTHING
        self._desk.marks_stale |= outcome.scored > 0
        done = [f"{outcome.scored:,} scores brought up to date"] if outcome.scored else []
        done += [f"{photos(outcome.guessed)} ordered by a first guess"] if outcome.guessed else []
        sentence = f"{', '.join(done)}."
        self._desk.events.tell("scores.updated", sentence, count=outcome.scored, guessed=outcome.guessed)
        return Done(sentence)
