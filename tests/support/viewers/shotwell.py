"""Drive Shotwell: a library of its own that it imports at its start; its database and its screen for the outcome."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from support.viewers.display import Display

SETTINGS = {
    "files auto-import": "true", "files commit-metadata": "false", "ui show-welcome-dialog": "false",
    "ui library-photos-sort-by": "3", "ui library-photos-sort-ascending": "false",
    "ui event-photos-sort-by": "3", "ui event-photos-sort-ascending": "false",
    "window library-width": "1300", "window library-height": "850",
}  # fmt: skip
"""Sorted by rating (3), descending; stars are not written into files."""
THUMBNAILS = (180, 0, 1400, 900)
"""Where on the screen its thumbnails are: right of the side bar."""


class Shotwell:
    """Shotwell with one folder as its library."""

    program = "shotwell"

    def __init__(self, display: Display, root: Path) -> None:
        self._display = display
        self._process: subprocess.Popen[bytes] | None = None
        self._data = display.home / "shotwell"
        for place, value in {**SETTINGS, "files import-dir": str(root)}.items():
            schema, key = place.split()
            display.run("gsettings", "set", f"org.yorba.shotwell.preferences.{schema}", key, value)

    def start(self) -> None:
        self._process = self._display.start(["shotwell", "-d", self._data])

    def end(self) -> None:
        if self._process is not None:
            self._display.end(self._process)
            self._process = None

    def ratings(self) -> dict[str, int]:
        """Name → stars in its database."""
        try:
            with closing(sqlite3.connect(f"file:{self._data}/data/photo.db?mode=ro", uri=True)) as conn:
                rows = conn.execute("select filename, rating from PhotoTable").fetchall()
        except sqlite3.OperationalError:  # not made yet, or being written
            return {}
        return {Path(name).name: rating for name, rating in rows}
