"""pystray's menu says what the lines say, and does what they mean."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from keeprate.tray.menu import make_menu
from keeprate.tray.state import SEPARATOR, Action, Line

LINES = (
    Line("Idle"),
    SEPARATOR,
    Line("Review…", Action.REVIEW, default=True),
    Line("Open", lines=(Line("camera", Action.OPEN, Path("/a")), Line("phone", Action.OPEN, Path("/b")))),
    Line("odd \udcff name", Action.RETRAIN),
)


@pytest.fixture
def pystray(monkeypatch: pytest.MonkeyPatch) -> Any:
    """pystray without a desktop."""
    monkeypatch.setenv("PYSTRAY_BACKEND", "dummy")
    pytest.importorskip("pystray")
    return importlib.import_module("pystray")


def test_the_menu_is_made_of_the_lines_that_are_current(pystray: Any) -> None:
    lines = list(LINES)
    chosen: list[Line] = []
    menu = make_menu(pystray, lambda: lines, chosen.append)
    status, separator, review, folders, odd = menu
    assert (status.text, status.enabled) == ("Idle", False)
    assert separator is pystray.Menu.SEPARATOR
    assert (review.text, review.enabled, review.default) == ("Review…", True, True)
    assert [one.text for one in folders.submenu] == ["camera", "phone"]
    odd.text.encode()  # what is no UTF-8 has gone
    review(None)
    next(iter(folders.submenu))(None)
    assert chosen == [LINES[2], Line("camera", Action.OPEN, Path("/a"))]
    lines[:] = [Line("Busy")]
    assert [item.text for item in menu] == ["Busy"]
