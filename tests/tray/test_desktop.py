"""Which backend is chosen for which desktop, and what is said where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeprate.tray.desktop import Backend, Desktop, TrayAvailability, chosen, tray_state, unavailable

WHOLE = Desktop(graphical=True, bus=True, gtk=True, indicator=True, host=True, docks=True)


@pytest.mark.parametrize(
    ("desktop", "backend"),
    [
        (WHOLE, "appindicator"),
        (replace(WHOLE, docks=False), "appindicator"),  # Wayland
        (replace(WHOLE, host=False), "gtk"),
        (replace(WHOLE, indicator=False), "gtk"),
        (replace(WHOLE, gtk=False, indicator=False, host=False), "xorg"),
        (replace(WHOLE, bus=False, host=False), "xorg"),
    ],
)
def test_the_best_that_there_is(desktop: Desktop, backend: Backend) -> None:
    found = chosen(desktop)
    assert found.available
    assert found.backend == backend
    assert found.has_menu is (backend != "xorg")
    assert bool(found.advice) is (backend == "xorg")


@pytest.mark.parametrize(
    ("desktop", "why"),
    [
        (Desktop(False, False, False, False, False, False), "There is no graphical session here."),
        (replace(WHOLE, host=False, docks=False), "This desktop shows no tray icons."),
        (replace(WHOLE, bus=False, host=False, docks=False), "There is no session bus here"),
        (replace(WHOLE, gtk=False, indicator=False, host=False, docks=False), "PyGObject with GTK 3 is not here"),
        (replace(WHOLE, indicator=False, docks=False), "The AppIndicator library is not here"),
    ],
)
def test_one_sentence_where_there_is_none(desktop: Desktop, why: str) -> None:
    found = chosen(desktop)
    assert not found.available
    assert found.backend is None
    assert found.why_not.startswith(why)
    assert unavailable(found).exit_code == 69
    assert "keeprate web --open" in unavailable(found).advice


def test_what_the_user_forces_is_taken_or_refused() -> None:
    assert chosen(WHOLE, forced="gtk").backend == "gtk"
    assert chosen(WHOLE, forced="").backend == "appindicator"
    assert "'qt'" in chosen(WHOLE, forced="qt").why_not


def test_looking_where_there_is_no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "PYSTRAY_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    assert tray_state() == TrayAvailability(False, None, "There is no graphical session here.")


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_looking_where_the_display_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":987")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    found = tray_state()  # python-xlib leaves a socket open when nobody answers
    assert not found.available
    assert found.why_not
