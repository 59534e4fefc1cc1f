"""Take the pictures of docs/images/viewers anew: `python -m support.viewers.screenshots TARGET` in tests.

The library is of the demo's drawn pictures, taught by others of them.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from keeprate.demo.pictures import make_pictures
from support.commands import answer, keeprate
from support.viewers.darktable import Darktable
from support.viewers.digikam import Digikam
from support.viewers.display import Display, shown
from support.viewers.geeqie import Geeqie
from support.viewers.gthumb import Gthumb
from support.viewers.gwenview import Gwenview
from support.viewers.shotwell import Shotwell

DRAWN = 75
SHOWN = 24
SIZE = (1100, 700)
LEFT = (0, 0, 520, 700)
SETTLE_S = 8.0
"""Thumbnails take a while, and no program says when it is done."""


def make(folder: Path, viewer: str, *options: str) -> Path:
    """A marked library of drawn pictures."""
    root, taught = folder / "Pictures", folder / "Taught"
    root.mkdir(parents=True)
    pictures = make_pictures(folder / "drawn", DRAWN)
    for place, picture in enumerate(pictures):
        bucket = taught / ("keep" if picture.good else "delete")
        target = root if place % 3 == 1 and len(list(root.iterdir())) < SHOWN else bucket
        target.mkdir(parents=True, exist_ok=True)
        shutil.move(picture.path, target)
    old = time.time() - 86400
    for photo in root.iterdir():
        os.utime(photo, (old, old))
    keeprate("init", taught, "--view-folder", folder / "taught view")
    keeprate("init", root, "--viewer", viewer, *options)
    for empty in ("keep", "delete"):
        (root / empty).rmdir()
    answer("sync")
    return root


def take(name: str, target: Path) -> None:
    """Show one viewer and save what is seen, as a small PNG."""
    home = Path(tempfile.mkdtemp(prefix="keeprate-shot-"))
    os.environ.update({"HOME": str(home), "KEEPRATE_HOME": str(home / "keeprate")})
    for kind in ("CONFIG", "DATA", "STATE", "CACHE"):
        os.environ[f"XDG_{kind}_HOME"] = str(home / f"xdg-{kind.lower()}")
    root = make(home, name, *(["--embed"] if name == "shotwell" else []))
    with shown(home, SIZE) as display:
        _open(name, display, root, root.with_name("Pictures by score"))
        time.sleep(SETTLE_S)
        if name not in ("digikam", "geeqie"):  # these have done it themselves
            display.fill_screen(name)
        time.sleep(SETTLE_S / 2)
        image = display.screenshot()
    if name == "geeqie":
        image = image.crop(LEFT)  # the rest is one photo, large
    image.quantize(96, dither=Image.Dither.NONE).save(target / f"{name}.png", optimize=True)
    shutil.rmtree(home, ignore_errors=True)


def _open(name: str, display: Display, root: Path, view: Path) -> None:
    match name:
        case "geeqie":
            geeqie = Geeqie(display)
            geeqie.open(view)
            geeqie.remote("--first")
        case "digikam":
            digikam = Digikam(display, root, sidecars=True)
            digikam.start()
            time.sleep(SETTLE_S)
            digikam.show_album()
        case "darktable":
            Darktable(display, root).start()
        case "shotwell":
            Shotwell(display, root).start()
        case "gthumb":
            Gthumb(display).open(view)
        case "gwenview":
            Gwenview(display, "Rating", descending=True).open(root)


if __name__ == "__main__":
    for one in sys.argv[2:] or ["geeqie", "digikam", "darktable", "shotwell", "gthumb", "gwenview"]:
        take(one, Path(sys.argv[1]))
