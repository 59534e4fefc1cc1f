"""The daemon's log as lines: for people, for programs, for the journal, and read back again.

A line for people is `SENTENCE  [EVENT key=value …]`, with the time and the level before it where nobody else adds
them. What a program relies on is the part in brackets (docs/reference/events.md) or the same as JSON; sentences may
change. Pure: where lines go is `log_output`, where they are looked up is `logs`.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from keeprate.cli.output import printable

Value = str | int | float | bool | None

FILES_KEPT = 3
"""Of a log file that was turned over, beside the one that is written: `keeprate.log.1` is the youngest."""


class LogFormat(StrEnum):
    text = "text"
    json = "json"


LEVELS = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning", logging.ERROR: "error"}
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3}
"""The same, as syslog and the journal count them (sd-daemon(3))."""
INDENT = "    "
"""Before every line of a traceback: no other line begins with a space."""

_SUFFIX = re.compile(r"  \[([a-z]+\.[a-z_]+)((?: [a-z_]+=(?:\"(?:[^\"\\]|\\.)*\"|[^\s\"\]]+))*)\]$")
_PAIR = re.compile(r" ([a-z_]+)=(\"(?:[^\"\\]|\\.)*\"|[^\s\"\]]+)")
_STAMPED = re.compile(r"(\d{4}-\d\d-\d\dT\S+) (debug|info|warning|error) (.*)")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One thing that was logged. `at` in unix seconds; None: it is not known."""

    at: float | None
    level: str
    sentence: str
    event: str | None = None
    data: Mapping[str, Value] = field(default_factory=dict)
    traceback: tuple[str, ...] = ()


def line_of(record: logging.LogRecord) -> LogLine:
    """What a record of Python's logging says; events put theirs into it as extras (`service.events`)."""
    level = next((name for number, name in sorted(LEVELS.items(), reverse=True) if record.levelno >= number), "debug")
    trace: tuple[str, ...] = ()
    if record.exc_info:
        trace = tuple(_one_line(line) for line in logging.Formatter().formatException(record.exc_info).splitlines())
    return LogLine(
        record.created, level, _one_line(record.getMessage()),
        getattr(record, "event", None), getattr(record, "data", {}), trace,
    )  # fmt: skip


def _one_line(text: str) -> str:
    """Names of files may hold line breaks; a line of a log must not."""
    return " ".join(printable(text).splitlines())


def as_json(line: LogLine) -> str:
    """One object in one line; the time in UTC."""
    at = None if line.at is None else datetime.fromtimestamp(line.at, UTC).isoformat(timespec="milliseconds")
    found: dict[str, object] = {
        "time": at,
        "level": line.level,
        "event": line.event,
        "sentence": line.sentence,
        "data": dict(line.data),
    }
    if line.traceback:
        found["traceback"] = list(line.traceback)
    return json.dumps(found, ensure_ascii=False)


def as_text(line: LogLine) -> str:
    """For people, without time and level; a traceback follows, indented."""
    suffix = f"  [{' '.join((line.event, *map(_pair, line.data.items())))}]" if line.event else ""
    return "\n".join((line.sentence + suffix, *(INDENT + one for one in line.traceback)))


def stamped(line: LogLine) -> str:
    """For people, with the time by the clock of this place and the level."""
    at = datetime.fromtimestamp(line.at or 0.0).astimezone()
    return f"{at.isoformat(timespec='seconds')} {line.level} {as_text(line)}"


def _pair(item: tuple[str, Value]) -> str:
    key, value = item
    if not isinstance(value, str):
        return f"{key}={json.dumps(value)}"
    value = printable(value)
    plain = re.fullmatch(r"[^\s\"\]]+", value) is not None and _decoded(value) == value
    return f"{key}={value if plain else json.dumps(value, ensure_ascii=False)}"


def _decoded(text: str) -> Value:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str | int | float) or value is None else text


def read_message(text: str, *, at: float | None, level: str) -> LogLine:
    """The line that `as_text` or `as_json` has printed; anything else is a sentence."""
    if text.startswith("{") and (found := _from_json(text, at)) is not None:
        return found
    match = _SUFFIX.search(text)
    if match is None:
        return LogLine(at, level, text)
    data = {pair[1]: _decoded(pair[2]) for pair in _PAIR.finditer(match[2])}
    return LogLine(at, level, text[: match.start()], match[1], data)


def read_line(text: str) -> LogLine | None:
    """A line of a log file in either format; None: it belongs to the one before it."""
    if text.startswith("{") and (found := _from_json(text, None)) is not None:
        return found
    match = _STAMPED.fullmatch(text)
    if match is None:
        return None
    try:
        at = datetime.fromisoformat(match[1]).timestamp()
    except ValueError:
        return None
    return read_message(match[3], at=at, level=match[2])


def _from_json(text: str, at: float | None) -> LogLine | None:
    try:
        found = json.loads(text)
        at = datetime.fromisoformat(found["time"]).timestamp() if found["time"] else at
        return LogLine(
            at, found["level"], found["sentence"], found["event"], found["data"], tuple(found.get("traceback", ()))
        )
    except (ValueError, KeyError, TypeError):
        return None
