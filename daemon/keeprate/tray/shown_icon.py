"""pystray, which is imported here and nowhere else, and only in the tray's own process.

Whatever it raises is caught, since it raises all sorts of things. Some of its backends leave threads behind that would
keep the process alive, so that ends with `os._exit` (`cli/tray.py`).
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from PIL import Image

from keeprate.errors import TrayUnavailableError
from keeprate.tray.desktop import PAGE_ADVICE, Backend

log = logging.getLogger("keeprate.tray")


class TrayIcon:
    """pystray's icon. Nobody else touches it, and it is only touched by functions given to `post`."""

    def __init__(self, backend: Backend, name: str, image: Image.Image, title: str, menu: Callable[[Any], Any]) -> None:
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
            self._icon = pystray.Icon(name, self._opaque(image), self._writable(title), menu(pystray))
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
            log.debug("pystray failed while it ended", exc_info=True)

    def post(self, function: Callable[[], object]) -> None:
        """Have `function` touch the icon, where that is allowed: the only way to do so. Any thread."""
        if self._backend == "darwin":
            importlib.import_module("PyObjCTools.AppHelper").callAfter(function)
        elif self._backend == "xorg":
            with self._posting:  # pystray hands it to its own thread, one at a time
                function()
        else:
            importlib.import_module("gi.repository.GLib").idle_add(lambda: function() and False)

    def change(self, *, image: Image.Image | None = None, title: str | None = None, menu: bool = False) -> None:
        """Show something else. `menu` builds it anew, which closes it if it is open. Only within `post`."""
        if image is not None:
            self._icon.icon = self._opaque(image)
        if title is not None:
            self._icon.title = self._writable(title)
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

    def _opaque(self, image: Image.Image) -> Image.Image:
        """pystray's X11 icons drop what says which parts are transparent."""
        if self._backend != "xorg":
            return image
        whole = Image.new("RGBA", image.size, "white")
        whole.alpha_composite(image)
        return whole

    def _writable(self, title: str) -> str:
        """Names of windows of X11, which its icons are, are Latin-1 in python-xlib; it would raise."""
        return title.encode("latin-1", "replace").decode("latin-1") if self._backend == "xorg" else title

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
