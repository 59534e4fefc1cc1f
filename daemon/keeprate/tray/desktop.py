"""The desktop: whether it shows icons, and pystray, which is imported here and only in the tray's own process.

pystray chooses its backend when it is imported, and raises all sorts of things where it finds none; some of its
backends then leave threads behind that keep the process alive. So what there is gets asked first (`tray_state` starts
nothing and is safe anywhere), everything else is caught, and the process ends with `os._exit` (`cli/tray.py`).
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
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


class TrayIcon:
    """pystray's icon. Nobody else touches it, and it is only touched by functions given to `post`."""

    def __init__(self, backend: Backend, name: str, image: Any, title: str, menu: Callable[[Any], Any]) -> None:
        """`menu` makes the menu with the module pystray.

        Raises:
            TrayUnavailableError: pystray finds that it cannot work here.
        """
        os.environ["PYSTRAY_BACKEND"] = backend
        os.environ.setdefault("GDK_GL", "disable")  # GTK would load the machine's OpenGL, which we never draw with
        if backend == "gtk":
            os.environ["GDK_BACKEND"] = "x11"  # its icons are windows of X11, also in a Wayland session
        self._backend = backend
        self._posting = threading.Lock()
        try:
            pystray: Any = importlib.import_module("pystray")
            self._icon = pystray.Icon(name, image, title, menu(pystray))
            self._prepare()
        except Exception as error:  # among them errors of X and D-Bus that are no ImportError
            raise _unusable(error) from error

    def run(self, ready: Callable[[], None]) -> None:
        """Show the icon until `stop`; the main thread only. `ready` is called in another thread.

        Raises:
            TrayUnavailableError: it cannot be shown. Threads of pystray's may be left: end with `os._exit`.
        """
        shown = threading.Event()

        def setup(_: Any) -> None:
            while self._backend == "xorg" and not hasattr(self._icon, "_thread"):
                time.sleep(0.01)  # it says that it is ready a moment before it is
            self.post(self._show)
            if self._backend in ("appindicator", "gtk"):
                self.post(self._end_on_signals)  # pystray has just set Ctrl-C back
            shown.set()
            ready()

        self._end_on_signals()
        try:
            self._icon.run(setup)
        except Exception as error:
            if not shown.is_set():  # afterwards: pystray's own tidying up, which fails without notifications
                raise _unusable(error) from error

    def post(self, function: Callable[[], object]) -> None:
        """Have `function` touch the icon, where that is allowed: the only way to do so. Any thread."""
        if self._backend == "darwin":
            importlib.import_module("PyObjCTools.AppHelper").callAfter(function)
        elif self._backend == "xorg":
            with self._posting:  # pystray hands it to its own thread, one at a time
                function()
        else:
            importlib.import_module("gi.repository.GLib").idle_add(lambda: function() and False)

    def change(self, *, image: Any = None, title: str | None = None, menu: bool = False) -> None:
        """Show something else. `menu` builds it anew, which closes it if it is open. Only within `post`."""
        if image is not None:
            self._icon.icon = image
        if title is not None:
            self._icon.title = title
            self._hint(title)
        if menu:
            self._icon.update_menu()

    def notify(self, sentence: str, title: str) -> None:
        """Say something on the desktop, where that is possible. Only within `post`."""
        if self._icon.HAS_NOTIFICATION:
            self._icon.notify(sentence, title)

    def stop(self) -> None:
        """Only within `post`."""
        self._icon.stop()

    def _show(self) -> None:
        self._icon.visible = True
        self._hint(self._icon.title)

    def _end_on_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._icon.stop())

    def _hint(self, title: str) -> None:
        """GTK's icons have a name and a hint, and pystray sets only the first."""
        if self._backend == "gtk" and (status_icon := getattr(self._icon, "_status_icon", None)) is not None:
            self.post(lambda: status_icon.set_tooltip_text(title))

    def _prepare(self) -> None:
        """pystray's X11 icon never asks for clicks (0.19.5), so it would not get any."""
        if self._backend == "xorg" and (window := getattr(self._icon, "_window", None)) is not None:
            x: Any = importlib.import_module("Xlib.X")
            window.change_attributes(event_mask=x.ExposureMask | x.StructureNotifyMask | x.ButtonPressMask)


def _unusable(error: Exception) -> TrayUnavailableError:
    said = " ".join(str(error).split()) or type(error).__name__
    return TrayUnavailableError(f"The icon cannot be shown: {said.rstrip('.')}.", advice=PAGE_ADVICE)


PAGE_ADVICE = "`keeprate web --open` shows the page, which does the same."


def unavailable(state: TrayAvailability) -> TrayUnavailableError:
    """The error that says why there is no icon here."""
    return TrayUnavailableError(state.why_not, advice=f"{state.advice} {PAGE_ADVICE}".strip())
