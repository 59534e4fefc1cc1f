"""On macOS the icon may only be touched by the main thread. No Mac was asked: pystray and PyObjC are stood in for."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from keeprate.errors import TrayUnavailableError
from keeprate.tray.icon import draw_icon
from keeprate.tray.shown_icon import TrayIcon
from support.waiting import PATIENCE_S

MAIN = threading.main_thread()


class MacIcon:
    """Does as pystray's icon for macOS: `run` is the main thread's loop, `setup` is called in another thread."""

    HAS_NOTIFICATION = True
    calls: queue.SimpleQueue[Callable[[], object] | None]
    touched: list[tuple[str, threading.Thread]]

    def __init__(self, *_: object) -> None:
        object.__setattr__(self, "title", "keeprate")

    def __setattr__(self, name: str, value: object) -> None:
        self.touched.append((name, threading.current_thread()))
        object.__setattr__(self, name, value)

    def update_menu(self) -> None:
        self.touched.append(("menu", threading.current_thread()))

    def notify(self, *_: object) -> None:
        self.touched.append(("notify", threading.current_thread()))

    def stop(self) -> None:
        self.calls.put(None)

    def run(self, setup: Callable[[Any], None]) -> None:
        thread = threading.Thread(target=setup, args=(self,))
        thread.start()
        while (call := self.calls.get(timeout=PATIENCE_S)) is not None:
            call()
        thread.join()


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> type[MacIcon]:
    pystray, helper = ModuleType("pystray"), ModuleType("PyObjCTools.AppHelper")
    MacIcon.calls, MacIcon.touched = queue.SimpleQueue(), []
    pystray.Icon = MacIcon  # type: ignore[attr-defined]
    helper.callAfter = MacIcon.calls.put  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pystray", pystray)
    monkeypatch.setitem(sys.modules, "PyObjCTools", ModuleType("PyObjCTools"))
    monkeypatch.setitem(sys.modules, "PyObjCTools.AppHelper", helper)
    monkeypatch.setenv("PYSTRAY_BACKEND", "")  # set anew by the icon
    monkeypatch.setenv("GDK_GL", "")
    monkeypatch.setattr("signal.signal", lambda *_: None)  # pytest's own stay as they are
    return MacIcon


def test_everything_that_touches_it_is_done_by_the_main_thread(mac: type[MacIcon]) -> None:
    icon = TrayIcon("darwin", "keeprate", draw_icon("idle"), "keeprate", lambda _: None)

    def change() -> None:
        icon.change(image=draw_icon("busy"), title="busy", menu=True)
        icon.notify("It is better.", "A better head")

    def ready() -> None:
        assert threading.current_thread() is not MAIN
        icon.post(change)
        icon.post(icon.stop)

    icon.run(ready)
    assert [name for name, _ in mac.touched] == ["visible", "icon", "title", "menu", "notify"]
    assert {thread for _, thread in mac.touched} == {MAIN}


def test_what_pystray_raises_at_the_start_is_a_sentence(mac: type[MacIcon], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("Namespace  Gtk\nnot available")

    monkeypatch.setattr(mac, "__init__", fail)
    with pytest.raises(TrayUnavailableError, match="cannot be shown: Namespace Gtk not available"):
        TrayIcon("darwin", "keeprate", draw_icon("idle"), "keeprate", lambda _: None)


def test_what_pystray_raises_at_the_end_is_nobodys_business(
    mac: type[MacIcon], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = mac.run

    def run_and_fail(self: MacIcon, setup: Callable[[Any], None]) -> None:
        run(self, setup)
        raise RuntimeError("there is no notification service to take a notification back from")

    monkeypatch.setattr(mac, "run", run_and_fail)
    icon = TrayIcon("darwin", "keeprate", draw_icon("idle"), "keeprate", lambda _: None)
    icon.run(lambda: icon.post(icon.stop))
