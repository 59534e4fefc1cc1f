"""A viewer saves while keeprate marks: no edit of the user's is ever lost, whoever comes last."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from keeprate.plugin_api import Change, MarkRefusedError
from support.xmp import EVERYTHING, Core, jpeg, packet

SAVES = 200
_SAVED = re.compile(rb"save (\d+);")


def by_rename(path: Path, data: bytes) -> None:
    """As exiftool, Lightroom and gThumb do."""
    temporary = path.with_name("viewers.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)


def in_place(path: Path, data: bytes) -> None:
    """As exiv2 and darktable do."""
    path.write_bytes(data)


class Viewer(threading.Thread):
    """Saves its own metadata again and again, and looks before each time whether the last is still there."""

    def __init__(self, path: Path, save: Callable[[Path, bytes], None], *, embedded: bool) -> None:
        super().__init__()
        self._path, self._save, self._embedded = path, save, embedded
        self.lost: list[int] = []
        self.turn = threading.Event()
        """Set when keeprate is about to write: a save begins, and whoever is quicker is quicker."""

    def run(self) -> None:
        for number in range(SAVES):
            self.turn.wait(1)
            self.turn.clear()
            found = _SAVED.search(self._path.read_bytes())
            if number and (found is None or int(found.group(1)) != number - 1):
                self.lost.append(number - 1)
            # Each of another length, as real edits mostly are: a clock tick may be longer than a save takes.
            saved = packet(f"<dc:rights>save {number};{'x' * (number % 97)}</dc:rights>")
            self._save(self._path, jpeg(saved) if self._embedded else saved)


@pytest.mark.parametrize(
    ("mode", "save"),
    # Inside photos, a save in the last microseconds may be lost, so that a race has no certain outcome: decision 0075.
    [("sidecar", in_place), ("sidecar", by_rename)],
)
def test_no_edit_is_lost(
    tmp_path: Path, mode: Literal["embed", "sidecar"], save: Callable[[Path, bytes], None]
) -> None:
    core = Core(tmp_path, replace(EVERYTHING, mode=mode))
    photo = tmp_path / "IMG_1.jpg"
    photo.write_bytes(jpeg())
    place = photo if mode == "embed" else tmp_path / "IMG_1.jpg.xmp"
    request = core.request({photo: 0.95})
    place.write_bytes(jpeg(packet()) if mode == "embed" else packet())
    viewer = Viewer(place, save, embedded=mode == "embed")
    viewer.start()
    written = turn = 0
    while viewer.is_alive():
        turn += 1
        changes = [change for change in core.manager.plan(request) if isinstance(change, Change)]
        racing = bool(changes) and turn % 2 == 0
        if racing:
            viewer.turn.set()
        for change in changes:
            try:
                core.manager.apply(change)
                written += 1
            except MarkRefusedError:
                pass  # that is what it should do when it comes too late
        if not racing:
            viewer.turn.set()
    viewer.join()
    assert viewer.lost == []
    assert written > 0
    assert f"save {SAVES - 1};".encode() in place.read_bytes()
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]
