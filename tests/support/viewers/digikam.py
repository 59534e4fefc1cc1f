"""Drive digiKam: settings before it starts, its database and its screen for what it has found."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from support.viewers.display import Display
from support.viewers.screen import wait_for
from support.waiting import wait_until

SETTINGS = """\
[General Settings]
Version=7.9.0
Show Splash=false
[Database Settings]
Database Type=QSQLITE
Database Name={data}/
Database Name Face={data}/
Database Name Similarity={data}/
Database Name Thumbnails={data}/
Internal Database Server=false
[Album Settings]
Item Sort Order=5
Image Sort Order=5
Default Icon Size=128
Scan At Start=true
Show Tool Tips=false
[Metadata Settings]
Use XMP Sidecar For Reading={sidecars}
Rescan File If Modified=true
"""
"""Sorted by rating (5), which it does best first."""

_ALBUM = (96, 121)
"""Where in its window the first collection stands in the tree of albums."""


class Digikam:
    """digiKam with one collection; it scans at every start."""

    program = "digikam"

    def __init__(self, display: Display, root: Path, *, sidecars: bool) -> None:
        self._display = display
        self._process: subprocess.Popen[bytes] | None = None
        folder = display.home / "digikam"
        folder.mkdir()
        self._database = folder / "digikam4.db"
        self._database.touch()  # it asks where its database is otherwise
        display.config.mkdir(parents=True, exist_ok=True)
        (display.config / "digikamrc").write_text(SETTINGS.format(data=folder, sidecars=str(sidecars).lower()))
        self.start()  # it makes its database; a collection is then put in, which asks for a dialog otherwise
        wait_until(lambda: bool(self._rows("select 1 from Settings where keyword='DBVersion'")), 60)
        wait_until(lambda: bool(self._display.windows("digikam")), 60, what="digiKam shows its window")
        self.end()
        with closing(sqlite3.connect(self._database)) as conn, conn:
            conn.execute("delete from AlbumRoots")
            conn.execute(
                "insert into AlbumRoots(label, status, type, identifier, specificPath) values ('pics', 0, 1, ?, '/')",
                (f"volumeid:?path={root}",),
            )

    def start(self) -> None:
        self._process = self._display.start(["digikam"])

    def end(self) -> None:
        """End it as a power cut would; its database stands that."""
        if self._process is not None:
            self._display.end(self._process)
            self._process = None

    def ratings(self) -> dict[str, int]:
        """Name → stars in its database; 0 or -1 is unrated."""
        return dict(
            self._rows(
                "select i.name, ii.rating from Images i join ImageInformation ii on ii.imageid = i.id "
                "where i.status = 1"
            )
        )

    def scanned(self, expected: dict[str, int], timeout_s: float = 40) -> dict[str, int]:
        """Its ratings, as soon as they are what is expected, else those at the end of the time."""
        wait_for(lambda: self.ratings() == expected, timeout_s)
        return self.ratings()

    def show_album(self) -> None:
        """Close what asks for attention, fill the screen, open the album."""
        wait_until(lambda: bool(self._main_window()), 30, what="digiKam shows its main window")
        main = self._main_window()

        def alone() -> bool:
            others = [window for window in self._display.windows("digikam") if window != main]
            for window in others:  # the offer to download face recognition
                self._display.run("xdotool", "windowfocus", window, "key", "Escape")
            return not others

        wait_until(alone, 20, what="digiKam's dialogs are closed")
        width, height = self._display.size
        self._display.run("xdotool", "windowmove", main, "0", "0", "windowsize", main, str(width), str(height))
        self._display.run("xdotool", "windowfocus", main)
        self._display.click(*_ALBUM)

    def _main_window(self) -> str:
        """Its id; empty if it is not there."""
        for window in self._display.windows("digikam"):
            title = self._display.run("xdotool", "getwindowname", window)
            if "digiKam" in title and "/" not in title:
                return window
        return ""

    def _rows(self, query: str) -> list[tuple[str, int]]:
        try:
            with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as conn:
                return conn.execute(query).fetchall()
        except sqlite3.OperationalError:  # not made yet, or being written
            return []
