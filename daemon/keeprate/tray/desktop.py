"""The desktop: whether it shows icons, and in which way. Starts nothing, and is safe to ask anywhere.

pystray chooses its backend when it is imported, and raises all sorts of things where it finds none, or hangs. So this
asks first, without it, and `shown_icon` then tells it which one to take.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from keeprate.errors import TrayUnavailableError

Backend = Literal["appindicator", "gtk", "xorg", "darwin"]
WATCHER = "org.kde.StatusNotifierWatcher"
ANSWER_MS = 2000
"""A desktop that does not answer for so long shows no icons."""
WAIT_STEP_S = 1.0
PYGOBJECT = "install python3-gi, gir1.2-gtk-3.0 and gir1.2-ayatanaappindicator3-0.1 (see docs/how-to/tray.md)"
PAGE_ADVICE = "`keeprate web --open` shows the page, which does the same."


@dataclass(frozen=True, slots=True)
class TrayAvailability:
    """Whether an icon can be shown here."""

    available: bool
    backend: Backend | None = None
    why_not: str = ""
    """One sentence; empty if it is available."""
    advice: str = ""
    """What to do about it, or about an icon that has no menu; may be empty."""

    @property
    def has_menu(self) -> bool:
        return self.backend != "xorg"


@dataclass(frozen=True, slots=True)
class Desktop:
    """What was found out about a graphical session on Linux."""

    graphical: bool
    """Whether there is a display at all."""
    bus: bool
    """Whether there is a session bus."""
    gtk: bool
    """Whether PyGObject is here, with GTK 3."""
    indicator: bool
    """Whether PyGObject finds an AppIndicator library."""
    host: bool
    """Whether a panel shows StatusNotifier icons. Can only be asked with PyGObject."""
    docks: bool
    """Whether a panel takes icons in by the old way of X11."""


def tray_state() -> TrayAvailability:
    """Whether an icon could be shown now. Starts nothing and imports no pystray."""
    if importlib.util.find_spec("pystray") is None:
        return _not("pystray is not installed.", "Install keeprate with its extra: pipx install 'keeprate[tray]'.")
    if sys.platform == "darwin":
        return TrayAvailability(True, "darwin")
    return chosen(_look(), forced=os.environ.get("PYSTRAY_BACKEND"))


def wait_for_tray(seconds: float) -> TrayAvailability:
    """The state of things as soon as an icon can be shown, or after so long: at login, panels come when they come."""
    until = time.monotonic() + seconds
    while not (state := tray_state()).available and time.monotonic() < until:
        time.sleep(WAIT_STEP_S)
    return state


def chosen(desktop: Desktop, *, forced: str | None = None) -> TrayAvailability:
    """The best backend for a desktop; with `forced`, that one or none."""
    usable: dict[Backend, bool] = {
        "appindicator": desktop.bus and desktop.gtk and desktop.indicator and desktop.host,
        "gtk": desktop.bus and desktop.gtk and desktop.docks,
        "xorg": desktop.docks,
    }
    for backend, works in usable.items():
        if works and forced in (None, "", backend):
            advice = f"This icon has no menu; for one, {PYGOBJECT}." if backend == "xorg" else ""
            return TrayAvailability(True, backend, advice=advice)
    if not desktop.graphical:
        return _not("There is no graphical session here.")
    if forced and forced not in get_args(Backend):
        return _not(f"PYSTRAY_BACKEND asks for {forced!r}, which keeprate does not know.", "Unset it.")
    if not desktop.gtk:
        return _not("PyGObject with GTK 3 is not here, which the icon needs.", f"Please {PYGOBJECT}.")
    if not desktop.bus:
        return _not("There is no session bus here, which icons and their menus need.")
    if desktop.host and not desktop.indicator:
        return _not("The AppIndicator library is not here, which the icon needs.", f"Please {PYGOBJECT}.")
    return _not(
        "This desktop shows no tray icons.",
        "GNOME does with the extension “AppIndicator and KStatusNotifierItem Support”.",
    )


def _not(why: str, advice: str = "") -> TrayAvailability:
    return TrayAvailability(False, None, why, advice)


def _look() -> Desktop:
    on_x = bool(os.environ.get("DISPLAY"))
    bus = _has_bus()
    gtk = _has_typelib("Gtk", "3.0")
    return Desktop(
        graphical=on_x or bool(os.environ.get("WAYLAND_DISPLAY")),
        bus=bus,
        gtk=gtk,
        indicator=gtk and any(_has_typelib(name, "0.1") for name in ("AppIndicator3", "AyatanaAppIndicator3")),
        host=bus and gtk and _has_host(),
        docks=on_x and _docks(),
    )


def _has_bus() -> bool:
    """Asked first, since GLib may start a bus of its own where it finds none."""
    if os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return True
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return bool(runtime) and Path(runtime or "", "bus").is_socket()


def _has_typelib(name: str, version: str) -> bool:
    try:
        gi: Any = importlib.import_module("gi")
        gi.require_version(name, version)  # looks only; loads nothing
    except Exception:  # whatever is wrong with it, it cannot be used
        return False
    return True


def _has_host() -> bool:
    try:
        gio: Any = importlib.import_module("gi.repository.Gio")
        glib: Any = importlib.import_module("gi.repository.GLib")
        answer = gio.bus_get_sync(gio.BusType.SESSION, None).call_sync(
            WATCHER, "/StatusNotifierWatcher", "org.freedesktop.DBus.Properties", "Get",
            glib.Variant("(ss)", (WATCHER, "IsStatusNotifierHostRegistered")), glib.VariantType("(v)"),
            gio.DBusCallFlags.NO_AUTO_START, ANSWER_MS, None,
        )  # fmt: skip
    except Exception:  # no bus, no watcher, or one that does not answer
        return False
    return bool(answer.unpack()[0])


def _docks() -> bool:
    """Whether some window owns the system tray of this X server's screen."""
    try:
        display: Any = importlib.import_module("Xlib.display").Display()
    except Exception:  # no such display, or not for us
        return False
    try:
        atom = display.intern_atom(f"_NET_SYSTEM_TRAY_S{display.get_default_screen()}")
        return bool(display.get_selection_owner(atom))
    except Exception:
        return False
    finally:
        display.close()


def unavailable(state: TrayAvailability) -> TrayUnavailableError:
    """The error that says why there is no icon here."""
    return TrayUnavailableError(state.why_not, advice=f"{state.advice} {PAGE_ADVICE}".strip())
