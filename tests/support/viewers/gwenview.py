"""Drive Gwenview: settings before it starts, the screen for what it shows."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Literal

from support.viewers.display import Display

SETTINGS = """\
[ThumbnailView]
Sorting=Sorting::{sort}
SortDescending={descending}
ThumbnailSize=128
[General]
StartFullScreen=false
"""


class Gwenview:
    """Gwenview with one folder open."""

    program = "gwenview"

    def __init__(self, display: Display, sort: Literal["Name", "Rating"], *, descending: bool) -> None:
        self._display = display
        self._process: subprocess.Popen[bytes] | None = None
        display.config.mkdir(parents=True, exist_ok=True)
        (display.config / "gwenviewrc").write_text(SETTINGS.format(sort=sort, descending=str(descending).lower()))

    def open(self, folder: Path) -> None:
        self._process = self._display.start(["gwenview", folder])

    def end(self) -> None:
        if self._process is not None:
            self._display.end(self._process)
            self._process = None
