"""What the icon shows, of every state of the daemon."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.service.control import DaemonState
from keeprate.tray.state import LINE_LENGTH, SEPARATOR, Action, IconKind, Line, Places, TrayState, state_of
from support.tray_daemon import a_live, a_status


def texts(state: TrayState) -> list[str]:
    return [line.text for line in state.lines if line is not SEPARATOR]


def line_of(state: TrayState, action: Action) -> Line:
    return next(line for line in state.lines if line.action is action)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("starting", "busy"),
        ("idle", "idle"),
        ("busy", "busy"),
        ("paused", "paused"),
        ("attention", "attention"),
        ("stopping", "busy"),
    ],
)
def test_each_state_has_its_icon(state: DaemonState, kind: IconKind) -> None:
    assert state_of(a_status(a_live(state)), Places()).kind == kind


def test_what_waits_for_the_user_shows_while_the_daemon_works_or_rests() -> None:
    for state in ("busy", "paused"):
        now = state_of(a_status(a_live(state, attention=("The folder camera is offline.",))), Places())
        assert now.kind == "attention"
        assert "! The folder camera is offline." in texts(now)


def test_the_whole_menu() -> None:
    places = Places((("camera", Path("/view")),), Path("/config.toml"))
    now = state_of(a_status(a_live(), problems=3, trained="keep: version 2 is better"), places)
    assert now.tooltip == "keeprate: Idle: 120 photos up to date – 100 new photos to review"
    said = texts(now)
    assert said.pop(7).endswith(": keep: version 2 is better")  # the time before it is that of this machine's zone
    assert said == [
        "Idle: 120 photos up to date.",
        "100 new photos to review",
        "Review…",
        "Retrain now",
        "Pause for 1 hour",
        "Pause until resumed",
        "Open view folder",
        "Problems (3)…",
        "Settings file",
        "Quit tray",
    ]


def test_lines_without_an_action_only_say_something() -> None:
    now = state_of(a_status(a_live()), Places())
    assert [line.text for line in now.lines if line.action is None and line is not SEPARATOR] == [
        "Idle: 120 photos up to date.",
        "100 new photos to review",
        "Not trained yet",
    ]
    assert line_of(now, Action.REVIEW).default


def test_a_paused_daemon_can_be_resumed_and_not_paused() -> None:
    actions = {line.action for line in state_of(a_status(a_live("paused", "Paused until 15:00.")), Places()).lines}
    assert Action.RESUME in actions
    assert not actions & {Action.PAUSE, Action.PAUSE_HOUR}


def test_how_far_it_is_stands_in_the_tooltip_alone() -> None:
    def at(done: int) -> TrayState:
        live = a_live("busy", f"Embedding {done} of 3,400 photos.", running="Embed new photos")
        return state_of(a_status(live, photos=3400, reviewed=0), Places())

    assert at(120).tooltip != at(128).tooltip
    assert at(120).lines == at(128).lines
    assert texts(at(120))[0] == "At work: embed new photos"


def test_when_it_looks_next_stands_in_the_tooltip_alone() -> None:
    now = state_of(a_status(a_live("idle", "Idle: 120 photos up to date; next look at 14:30.")), Places())
    assert texts(now)[0] == "Idle: 120 photos up to date"
    assert "next look at 14:30 –" in now.tooltip


def test_counts_are_rounded_while_photos_come_in() -> None:
    def busy(photos: int) -> str:
        return texts(state_of(a_status(a_live("busy"), photos=photos, reviewed=0), Places()))[1]

    assert busy(99) == "99 new photos to review"
    assert busy(1299) == busy(1200) == "More than 1,200 new photos to review"
    assert texts(state_of(a_status(a_live(), photos=1299, reviewed=0), Places()))[1] == "1,299 new photos to review"
    assert texts(state_of(a_status(a_live(), photos=1, reviewed=0), Places()))[1] == "1 new photo to review"
    assert texts(state_of(a_status(a_live(), photos=5, reviewed=5), Places()))[1] == "Nothing new to review"


def test_without_a_daemon_it_says_so_and_offers_to_start_it_where_that_can_be() -> None:
    now = state_of(None, Places())
    assert now.kind == "offline"
    assert texts(now) == ["keeprate is not running", "To start it: keeprate run", "Quit tray"]
    startable = state_of(None, Places((("camera", Path("/view")),), startable=True))
    assert line_of(startable, Action.START).text == "Start keeprate"
    assert line_of(startable, Action.OPEN).path == Path("/view")


def test_a_daemon_that_cannot_be_understood_is_told() -> None:
    now = state_of(None, Places(), trouble="The daemon is older than this keeprate.")
    assert texts(now)[0] == "The daemon is older than this keeprate"
    assert now.tooltip == "keeprate: The daemon is older than this keeprate"


def test_a_status_without_a_running_daemon_is_none() -> None:
    assert state_of(replace(a_status(), live=None), Places()).kind == "offline"


def test_several_libraries_have_a_menu_of_view_folders() -> None:
    folders = (("camera", Path("/a")), ("phone", Path("/b")))
    line = next(one for one in state_of(a_status(a_live()), Places(folders)).lines if one.lines)
    assert [(one.text, one.action, one.path) for one in line.lines] == [
        ("camera", Action.OPEN, Path("/a")),
        ("phone", Action.OPEN, Path("/b")),
    ]


def test_long_sentences_are_cut_and_stay_on_one_line() -> None:
    now = state_of(a_status(a_live("idle", "word \n" * 80)), Places())
    assert len(texts(now)[0]) <= LINE_LENGTH
    assert texts(now)[0].endswith("…")
    assert "\n" not in texts(now)[0]
