from __future__ import annotations

from datetime import time, timedelta

import pytest

from keeprate.config.durations import format_duration, is_quiet, parse_duration, parse_quiet_hours


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("1.5h", 5400), ("2d", 172800), ("500ms", 0.5), (" 2 s ", 2)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "5 weeks", "-3s", "s", 5, None])
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="number and a unit"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["90s", "15m", "6h", "2d", "0.5s", "61m"])
def test_written_durations_are_read_back(text: str) -> None:
    assert parse_duration(format_duration(parse_duration(text))) == parse_duration(text)


@pytest.mark.parametrize(
    ("hours", "now", "quiet"),
    [
        ("09:00-18:00", time(9, 0), True),
        ("09:00-18:00", time(18, 0), False),
        ("09:00-18:00", time(3, 0), False),
        ("22:00-06:00", time(23, 30), True),
        ("22:00-06:00", time(5, 59), True),
        ("22:00-06:00", time(12, 0), False),
        ("", time(12, 0), False),
    ],
)
def test_quiet_hours_may_run_over_midnight(hours: str, now: time, quiet: bool) -> None:
    assert is_quiet(parse_quiet_hours(hours), now) is quiet


def test_quiet_hours_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="quiet hours"):
        parse_quiet_hours("nine to five")
