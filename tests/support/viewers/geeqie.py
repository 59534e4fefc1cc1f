"""Drive Geeqie through its own remote control."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from support.viewers.display import Display
from support.viewers.screen import wait_for
from support.viewers.shown_library import SHARPNESS
from support.waiting import wait_until

NAME, RATING = 1, 9
"""Values of `file_sort.method` (Geeqie's src/typedefs.h, SortType)."""


class Geeqie:
    """One running Geeqie."""

    program = "geeqie"

    def __init__(self, display: Display, *, sort: int = NAME, ascending: bool = True) -> None:
        self._display = display
        self._process: subprocess.Popen[bytes] | None = None
        folder = display.config / "geeqie"
        folder.mkdir(parents=True, exist_ok=True)
        self._socket = folder / ".command"
        self._start("--blank")  # it writes its own settings, of which few are then changed
        self.quit()
        settings = folder / "geeqierc.xml"
        text = settings.read_text()
        for key, value in {
            "file_sort.method": sort, "file_sort.ascending": str(ascending).lower(), "show_thumbnails": "true",
            "main_window.w": "1200", "main_window.h": "800",
        }.items():  # fmt: skip
            text, found = re.subn(rf'\b{re.escape(key)} = "[^"]*"', f'{key} = "{value}"', text)
            assert found, f"Geeqie has no setting {key}"
        settings.write_text(text)

    def open(self, path: Path) -> None:
        """Start with a folder or a collection."""
        self._start(path)

    def _start(self, *arguments: str | Path) -> None:
        self._process = self._display.start(["geeqie", "--disable-clutter", *arguments])
        # never talk to a Geeqie whose socket is not there: the remote control would start a second one
        wait_until(self._socket.exists, 30, what="Geeqie opens its command socket")

    def remote(self, *arguments: str) -> str:
        return self._display.run("geeqie", "--remote", *arguments)

    def walked(self, folder: Path) -> list[str]:
        """Names of the files in the order in which Geeqie goes through the folder that it shows.

        Fewer names if it reads the folder anew meanwhile: walk again then.
        """
        wait_until(lambda: f"{folder}/" in self.remote("--tell"), 30, what=f"Geeqie shows {folder}")
        self.remote("--first")
        names = [self._shown_after(None)]
        while names[-1] and len(names) < len(SHARPNESS):
            self.remote("--next")
            names.append(self._shown_after(names[-1]))
        return names

    def _shown_after(self, name: str | None) -> str:
        """The name of the file that Geeqie shows, once it is another than `name`; empty if it stays the same."""
        told = ""

        def moved_on() -> bool:
            nonlocal told
            paths = [line for line in self.remote("--tell").splitlines() if line.startswith("/")]
            told = Path(paths[-1]).name if paths else ""
            return told not in ("", name)

        return told if wait_for(moved_on, 5) else ""

    def collection(self, name: str) -> list[str]:
        """Names of the files of a collection, as Geeqie has read it."""
        lines = self.remote(f"--get-collection:{name}").splitlines()
        return [Path(line.strip()).name for line in lines if line.startswith("/")]

    def quit(self) -> None:
        if self._process is None:
            return
        self.remote("--quit")
        wait_until(lambda: self._process is None or self._process.poll() is not None, 10, what="Geeqie ends")
        self._socket.unlink(missing_ok=True)
        self._process = None
