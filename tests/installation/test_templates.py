"""Paths with anything in them come out of each format as they went in; the systems' own readers are asked elsewhere."""

from __future__ import annotations

import plistlib
import re
import shlex
from pathlib import Path

import pytest
from defusedxml import ElementTree
from hypothesis import example, given
from hypothesis import strategies as st

from keeprate.errors import UsageError
from keeprate.installation import templates
from keeprate.installation.program import Names
from keeprate.installation.systemd import UserUnit
from keeprate.installation.tools import Tools

ODD = """/home/Ana & "Bea"/it's 100% <mine>; $HOME `x` \\n #1 é"""
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], max_codepoint=0x2FF), min_size=1)


@given(WORDS)
@example(ODD)
@example("; a")
def test_a_systemd_word_comes_back(value: str) -> None:
    written = templates.systemd_word(value)
    if '"' not in written:
        assert written == value.replace("%", "%%")
        return
    assert shlex.split(written) == [value.replace("%", "%%")]


@given(WORDS)
@example(ODD)
def test_the_program_is_found_again_in_a_unit(word: str) -> None:
    program = "/" + word
    unit = f"[Service]\nExecStart={templates.systemd_command([program, 'run'])}\nRestart=no\n"
    assert UserUnit(Names("", "keeprate"), Tools()).program_in(unit) == program


@pytest.mark.parametrize("text", ["", "[Service]\nType=notify\n", '[Service]\nExecStart="/not closed\n'])
def test_a_unit_that_starts_nothing_names_no_program(text: str) -> None:
    assert UserUnit(Names("", "keeprate"), Tools()).program_in(text) == ""


def test_a_dollar_is_no_variable() -> None:
    assert templates.systemd_command(["/opt/a$b/keeprate", "run"]) == ":/opt/a$b/keeprate run"


def desktop_words(value: str) -> list[str]:
    """`Exec=` read by the letter of the specification: the string's escapes first, then the quoting."""
    line = value.replace("\\\\", "\\")
    words = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)
    return [(re.sub(r"\\(.)", r"\1", quoted) if quoted else bare).replace("%%", "%") for quoted, bare in words]


@given(st.lists(WORDS.filter(lambda word: "=" not in word), min_size=1))
@example(["/usr/bin/x", ODD])
def test_a_desktop_command_comes_back(words: list[str]) -> None:
    assert desktop_words(templates.desktop_command(words)) == words


def test_the_desktop_cannot_start_a_path_with_an_equals_sign() -> None:
    with pytest.raises(UsageError) as caught:
        templates.desktop_command(["/opt/a=b/keeprate", "tray"])
    assert caught.value.path == Path("/opt/a=b/keeprate")


@given(st.lists(WORDS, min_size=1))
@example([ODD])
def test_property_list_words_come_back(words: list[str]) -> None:
    text = f"<plist version='1.0'><array>{templates.plist_array(words)}</array></plist>"
    assert plistlib.loads(text.encode()) == words


@pytest.mark.parametrize(
    "path", ["/home/two\nlines", "/home/tab\there", b"/home/caf\xe9".decode("utf-8", "surrogateescape")]
)
def test_what_no_format_can_hold_is_refused(path: str) -> None:
    for write in (templates.systemd_word, templates.desktop_string, lambda value: templates.plist_array([value])):
        with pytest.raises(UsageError):
            write(path)


def test_the_refusal_names_the_folder_of_a_variable() -> None:
    with pytest.raises(UsageError) as caught:
        templates.systemd_environment([("KEEPRATE_HOME", "/a\nb")])
    assert caught.value.path == Path("/a\nb")


def test_a_place_with_nothing_to_say_takes_its_line_along() -> None:
    assert templates.fill("a\n  @NONE@\n@SOME@ and @system-service\n", {"NONE": "", "SOME": "x"}) == (
        "a\nx and @system-service\n"
    )


@pytest.mark.parametrize(
    "name",
    [
        "systemd/keeprate.service",
        "xdg/keeprate-tray.desktop",
        "launchd/keeprate.daemon.plist",
        "launchd/keeprate.tray.plist",
    ],
)
def test_every_template_has_its_stamp(name: str) -> None:
    assert templates.template(name).count("keeprate-written: @STAMP@") == 1


def test_the_task_for_windows_is_well_formed() -> None:
    file = Path(__file__).resolve().parents[2] / "service_files/windows/keeprate-in-wsl.xml"
    task = ElementTree.parse(file).getroot()
    assert task is not None
    space = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}
    assert task.findtext("t:Actions/t:Exec/t:Command", namespaces=space) == "wsl.exe"
    assert "keeprate run" in (task.findtext("t:Actions/t:Exec/t:Arguments", namespaces=space) or "")
