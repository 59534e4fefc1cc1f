"""Photos and links that a real desktop tool (gio, of GLib) puts into a real trash, at home and on another disk."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.commands import answer, keeprate
from support.photos import write_photos
from support.system import mounted_disk

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gio") is None, reason="gio is not installed (Debian: libglib2.0-bin)"),
]


@pytest.fixture(params=["home", "another disk"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Forty photos, half of them sorted, on the disk of the home folder or on one of its own."""
    with ExitStack() as stack:
        disk = tmp_path / "disk"
        if request.param == "another disk":
            disk.mkdir()
            stack.enter_context(mounted_disk(tmp_path / "disk.img", disk))
        root = disk / "Photos"
        sharp = write_photos(root, range(0, 40, 2))
        blurred = write_photos(root, range(1, 40, 2), sharp=False)
        keeprate("init", root)
        for bucket, photos in (("keep", sharp), ("delete", blurred)):
            for photo in photos[:10]:
                photo.rename(root / bucket / photo.name)
        answer("sync")
        yield root


def throw_away(path: Path) -> None:
    done = subprocess.run(["gio", "trash", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def said() -> dict[str, tuple[str, str]]:
    return {Path(one["path"]).name: (one["bucket"], one["source"]) for one in answer("labels", "list")}


def test_a_photo_and_a_link_that_are_thrown_away(library: Path) -> None:
    before = said()
    throw_away(library / "IMG_0030.jpg")
    view = library.with_name("Photos by score")
    (link,) = view.glob("*IMG_0031.jpg")
    throw_away(link)
    answer("sync")

    new = {name: one for name, one in said().items() if name not in before}
    assert new == {"IMG_0030.jpg": ("delete", "trash"), link.name: ("delete", "trash")}
    assert (library / "IMG_0031.jpg").is_file()
    assert not list(view.glob("*IMG_0031.jpg")), "it is decided on and leaves the view folder"
