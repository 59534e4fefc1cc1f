from __future__ import annotations

from datetime import datetime

import pytest

from keeprate.catalog.labels import LabelChanges
from keeprate.config.durations import parse_duration
from keeprate.config.models import TrainingConfig
from keeprate.steps.heads.retraining import after_quiet_hours, dated_sanely, training_due_at

SETTINGS = TrainingConfig(
    every=parse_duration("6h"), min_new_labels=20, quiet_after=parse_duration("2m"), quiet_hours=""
)
HOUR = 3600.0
NOON = 1_000_000.0


@pytest.mark.parametrize(
    ("changes", "last_trained", "due"),
    [
        pytest.param(LabelChanges(0, None, None), NOON, None, id="nothing new, no work"),
        pytest.param(LabelChanges(20, NOON, NOON + 60), 0.0, NOON + 180, id="enough, and two minutes of rest"),
        pytest.param(LabelChanges(500, NOON, NOON + 600), NOON - 10, NOON + 720, id="as long as you sort, it waits"),
        pytest.param(LabelChanges(3, NOON, NOON), NOON - HOUR, NOON + 6 * HOUR, id="few: six hours after the first"),
        pytest.param(LabelChanges(3, NOON, NOON), NOON + HOUR, NOON + 7 * HOUR, id="few: six hours after the training"),
        pytest.param(LabelChanges(3, NOON, NOON + 7 * HOUR), 0.0, NOON + 7 * HOUR + 120, id="few, the last just now"),
    ],
)
def test_when_a_training_is_due(changes: LabelChanges, last_trained: float, due: float | None) -> None:
    assert training_due_at(changes, last_trained, SETTINGS) == due


@pytest.mark.parametrize(
    ("hours", "at", "begins"),
    [
        ("", "2026-11-21 12:00", "2026-11-21 12:00"),
        ("09:00-18:00", "2026-11-21 12:00", "2026-11-21 18:00"),
        ("09:00-18:00", "2026-11-21 20:00", "2026-11-21 20:00"),
        ("22:00-06:00", "2026-11-21 23:00", "2026-11-22 06:00"),
        ("22:00-06:00", "2026-11-21 05:00", "2026-11-21 06:00"),
    ],
)
def test_quiet_hours_put_a_training_off(hours: str, at: str, begins: str) -> None:
    settings = TrainingConfig(quiet_hours=hours)
    moment = datetime.fromisoformat(at).astimezone().timestamp()
    assert after_quiet_hours(moment, settings) == datetime.fromisoformat(begins).astimezone().timestamp()


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        pytest.param(LabelChanges(20, NOON - HOUR, NOON - HOUR), NOON - HOUR + 120, id="of the past: as ever"),
        pytest.param(LabelChanges(20, NOON, NOON + 1), NOON + 121, id="a blink ahead is now"),
        pytest.param(LabelChanges(20, NOON - HOUR, NOON + 900 * HOUR), 120.0, id="of the future: they have rested"),
        pytest.param(LabelChanges(3, NOON + HOUR, NOON + HOUR), 6 * HOUR, id="few of the future: at once"),
    ],
)
def test_a_clock_that_was_wrong_keeps_nobody_from_learning(changes: LabelChanges, due: float) -> None:
    assert training_due_at(dated_sanely(changes, NOON), 0.0, SETTINGS) == due
