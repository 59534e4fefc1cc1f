"""Take the pictures of docs/how-to/page.md anew: `python -m support.page_screenshots TARGET` in tests.

The library is of the demo's drawn pictures, and the daemon that shows it is a real one.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from PIL import Image

from keeprate.demo.pictures import make_pictures
from support.browser import browser, visit
from support.commands import answer, daemon, keeprate
from support.waiting import wait_until

DRAWN = 90
SIZE = (1100, 760)


def make(folder: Path) -> None:
    """A library of drawn pictures, half of them sorted."""
    root = folder / "Pictures"
    pictures = make_pictures(root / "2026", DRAWN)
    keeprate("init", root)
    for picture in pictures[: DRAWN // 2]:
        picture.path.rename(root / ("keep" if picture.good else "delete") / picture.path.name)
    config = folder / "keeprate" / "config.toml"
    config.write_text(config.read_text() + "\n[jobs]\nwhile_busy = true\n")
    keeprate("sync", "--quiet")


def take(folder: Path, target: Path) -> None:
    """One picture of each page."""
    make(folder)
    with daemon(folder / "log"), browser(folder) as started:
        wait_until(lambda: len(list((folder / "keeprate" / "cache" / "thumbnails").rglob("*.webp"))) >= DRAWN)
        with visit(started, answer("web")["url"], width=SIZE[0], height=SIZE[1]) as visited:
            page = visited.page
            page.wait_for_selector("text=Idle")
            page.screenshot(path=folder / "page-status.png")
            page.click("nav a:text('Review')")
            page.wait_for_load_state("networkidle")
            page.keyboard.press("ArrowRight")
            for key in "kd":
                page.keyboard.press(key)
            page.wait_for_selector("#message:text('Noted: delete.')")
            page.screenshot(path=folder / "page-review.png")
    for picture in folder.glob("page-*.png"):
        with Image.open(picture) as image:
            image.convert("RGB").quantize(128).save(target / picture.name, optimize=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="keeprate-page-") as name:
        os.environ |= {"HOME": name, "KEEPRATE_HOME": f"{name}/keeprate", "XDG_RUNTIME_DIR": name}
        take(Path(name), Path(sys.argv[1]).resolve())
