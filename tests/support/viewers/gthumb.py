"""Drive gThumb: settings before it starts, the screen for what it shows."""

from __future__ import annotations

import subprocess
from pathlib import Path

from support.viewers.display import Display

SETTINGS = {"sort-type": "file::name", "sort-inverse": "false", "window-width": "1300", "window-height": "850"}
THUMBNAILS = (290, 0, 1400, 900)
"""Where on the screen its thumbnails are: right of the folders."""


class Gthumb:
    """gThumb with one folder open, sorted by name."""

    program = "gthumb"

    def __init__(self, display: Display) -> None:
        self._display = display
        self._process: subprocess.Popen[bytes] | None = None
        for key, value in SETTINGS.items():
            display.run("gsettings", "set", "org.gnome.gthumb.browser", key, value)

    def open(self, folder: Path) -> None:
        self._process = self._display.start(["gthumb", folder])

    def reload(self) -> None:
        """Ctrl+R, as a person presses it."""
        for window in self._display.windows("gthumb"):
            self._display.run("xdotool", "windowfocus", window, "key", "ctrl+r")

    def end(self) -> None:
        if self._process is not None:
            self._display.end(self._process)
            self._process = None
