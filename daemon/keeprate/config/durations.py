"""Durations and times of day as people write them: `90s`, `15m`, `6h`, `2d`; `09:00-18:00`."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")


def parse_duration(text: object) -> timedelta:
    """`"1.5h"` → 90 minutes.

    Raises:
        ValueError: anything but a number followed by ms, s, m, h or d.
    """
    if isinstance(text, timedelta):
        return text
    match = _PATTERN.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError('a duration is a number and a unit, such as "90s", "15m", "6h" or "2d"')
    return timedelta(seconds=float(match[1]) * _UNITS_S[match[2]])


def format_duration(value: timedelta) -> str:
    """The shortest text that `parse_duration` reads back as `value`."""
    seconds = value.total_seconds()
    for unit in ("d", "h", "m", "s"):
        count = seconds / _UNITS_S[unit]
        if count >= 1 and count == int(count):
            return f"{int(count)}{unit}"
    return f"{seconds:g}s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "format": "duration"}),
]


def parse_quiet_hours(text: str) -> tuple[time, time] | None:
    """`"09:00-18:00"` → the two times; an empty text means none. The span may run over midnight.

    Raises:
        ValueError: the text is something else.
    """
    if not text:
        return None
    match = re.fullmatch(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})", text.strip())
    if match is None:
        raise ValueError('quiet hours are written "09:00-18:00"')
    first, last = time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))
    return first, last


def is_quiet(hours: tuple[time, time] | None, now: time) -> bool:
    """Whether `now` lies within the quiet hours (the first minute counts, the last does not)."""
    if hours is None:
        return False
    first, last = hours
    return first <= now < last if first <= last else now >= first or now < last


def quiet_until(hours: tuple[time, time] | None, moment: datetime) -> datetime | None:
    """The end of the quiet hours that `moment` (local time) lies in; None if it lies outside."""
    if hours is None or not is_quiet(hours, moment.time()):
        return None
    end = moment.replace(hour=hours[1].hour, minute=hours[1].minute, second=0, microsecond=0)
    return end if end > moment else end + timedelta(days=1)
