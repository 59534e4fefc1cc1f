"""What the daemon says of its work is one plain sentence."""

from __future__ import annotations

from dataclasses import replace

from keeprate.service.wording import learned_sentence
from keeprate.steps.tasks import TrainOutcome

MEASURED = "It predicts better than the version in use (log loss -0.056, 95 % -0.242 to +0.135). Two buckets are small."
PROMOTED = TrainOutcome(
    "keep", trained=True, promoted=True, version=2, reason=MEASURED, labels={"keep": 27, "delete": 30},
    because="it is better on photos that it has not seen",
)  # fmt: skip


def test_what_was_learned_is_said_without_figures() -> None:
    assert learned_sentence(PROMOTED, 2) == (
        "keep: version 2, learned from 57 photos, is in use: it is better on photos that it has not seen."
    )
    kept = replace(PROMOTED, promoted=False, because="")
    assert learned_sentence(kept, 1) == "keep: nothing better was learned from 57 photos; version 1 stays in use."
    assert learned_sentence(kept, None) == "keep: 57 photos were not enough to learn what tells them apart."


def test_why_nothing_was_learned_is_said_as_it_is() -> None:
    untrained = TrainOutcome("keep", trained=False, promoted=False, version=None, reason="Not trained: nothing new.")
    assert learned_sentence(untrained, None) == "keep: Not trained: nothing new."
