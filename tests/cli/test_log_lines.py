"""The daemon's log in both formats, and read back."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeprate.cli.log_lines import LogLine, as_json, as_text, line_of, read_line, read_message, stamped
from keeprate.service.events import Events

NAMES = st.from_regex(r"[a-z]{1,8}\.[a-z_]{1,8}", fullmatch=True)
KEYS = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
PRINTABLE = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")))
VALUES = PRINTABLE | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False)
LINES = st.builds(
    LogLine,
    st.integers(0, 4_000_000_000).map(float),
    st.sampled_from(["debug", "info", "warning", "error"]),
    PRINTABLE,
    NAMES,
    st.dictionaries(KEYS, VALUES, max_size=4),
)


def recorded(level: int, message: str, **extra: object) -> logging.LogRecord:
    return logging.getLogger("keeprate").makeRecord("keeprate", level, "", 0, message, (), None, extra=extra)


@given(LINES)
def test_both_formats_are_read_back(line: LogLine) -> None:
    assert read_line(stamped(line)) == line
    assert read_line(as_json(line)) == line
    assert read_message(as_text(line), at=line.at, level=line.level) == line


def test_an_event_is_rendered_with_its_name_and_data(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "keeprate"):
        Events().tell("head.promoted", "keep: version 3 is in use.", head="my head", version=3, auc=None)
        Events().tell("job.progress", "not logged", level=0, job="embed")
    (record,) = caplog.records
    line = line_of(record)
    assert as_text(line) == 'keep: version 3 is in use.  [head.promoted head="my head" version=3 auc=null]'
    told = json.loads(as_json(line))
    assert (told["level"], told["event"], told["sentence"]) == ("info", "head.promoted", "keep: version 3 is in use.")
    assert told["data"] == {"head": "my head", "version": 3, "auc": None}
    assert told["time"].endswith("+00:00")


def test_what_is_no_event_is_a_sentence() -> None:
    line = line_of(recorded(logging.WARNING, "a disk is gone"))
    assert as_text(line) == "a disk is gone"
    assert json.loads(as_json(line))["event"] is None
    assert read_message("brackets [of others]", at=None, level="info").sentence == "brackets [of others]"
    assert read_message('{"json": "of others"}', at=None, level="info").sentence == '{"json": "of others"}'
    assert read_line("no line of ours") is None


def test_names_cannot_forge_lines() -> None:
    line = line_of(recorded(logging.INFO, "a\nb\x1b[31m.jpg", event="photos.embedded", data={"path": 'x"]\n\x07'}))
    text = stamped(line)
    assert "\n" not in text
    assert "\x1b" not in text
    assert read_line(text) is not None
    assert read_message(as_text(line), at=None, level="info").event == "photos.embedded"


def test_a_traceback_is_indented_below_its_line() -> None:
    try:
        int("odd")
    except ValueError:
        record = recorded(logging.ERROR, "unexpected")
        record.exc_info = sys.exc_info()
    line = line_of(record)
    first, *rest = stamped(line).splitlines()
    assert first.endswith("error unexpected")
    assert rest[-1].startswith("    ValueError: invalid literal")
    assert all(one.startswith(" ") for one in rest)
    assert json.loads(as_json(line))["traceback"][-1] == rest[-1].strip()
