"""A library to be looked at: every picture in a colour of its own, so that a screenshot tells which is where.

The pictures are scored by keeprate's own way from folder to head: a patch in each is more or less sharp, and a second
library, which no viewer sees, teaches that sharp is good. Names, times and scores are in three different orders.
"""

from __future__ import annotations

import colorsys
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from support.commands import answer, keeprate
from support.waiting import wait_until

SIZE = (640, 480)
SHARPNESS = (5, 9, 1, 7, 3, 0, 8, 2, 6, 4)
"""How sharp the patch of photo 0, 1, 2 … is; the photo's name is its place in this list."""
AGE = (3, 0, 6, 9, 4, 1, 7, 2, 8, 5)
"""Hours that photo 0, 1, 2 … is old: an order that is neither that of names nor that of scores."""
NOON = 1_760_000_000
_TAUGHT = 12


@dataclass(slots=True)
class ShownLibrary:
    """The library that viewers see, and the one that teaches."""

    root: Path
    view: Path
    taught: Path
    _listed: list[str] = field(default_factory=list)

    def photos(self) -> list[Path]:
        return sorted(path for path in self.root.iterdir() if path.suffix == ".jpg")

    def listed(self) -> list[str]:
        """Names of the photos as `keeprate list` has them, best first."""
        if not self._listed:
            self._listed = [Path(photo["path"]).name for photo in answer("list", "--library", "Photos")]
        return self._listed

    def stars(self) -> dict[str, int]:
        """Name -> stars that the percentile of the score means (docs/how-it-works.md)."""
        names = self.listed()
        ranks = {name: 1 - place / (len(names) - 1) for place, name in enumerate(names)}
        return {name: 1 + sum(rank >= limit for limit in (0.25, 0.5, 0.75, 0.9)) for name, rank in ranks.items()}

    def change_taste(self) -> None:
        """From now on blurred is good: what was kept is deleted and the other way round; everything is re-scored."""
        before = self.listed()
        keep, delete, aside = (self.taught / name for name in ("keep", "delete", "aside"))
        keep.rename(aside)
        delete.rename(keep)
        aside.rename(delete)
        outcome = answer("sync")
        assert outcome["train"][0]["promoted"], outcome["train"]
        mark_the_rest()
        self._listed = []
        assert before != self.listed()


def by_stars(names: list[str], stars: dict[str, int]) -> bool:
    """Whether these are all photos, those with more stars first; viewers order equal ones as they like."""
    shown = [stars.get(name, 0) for name in names]
    return sorted(names) == sorted(stars) and shown == sorted(shown, reverse=True)


def mark_the_rest() -> None:
    """Photos that changed a few seconds ago are left for later: wait until there is none."""
    wait_until(lambda: answer("write")["postponed"] == 0, 60, what="every photo is marked")


def colour_of(number: int) -> tuple[int, int, int]:
    """What is seen most of in photo `number`; colours are 36 degrees of hue apart."""
    red, green, blue = colorsys.hsv_to_rgb(number / len(SHARPNESS), 0.6, 0.8)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw(colour: tuple[int, int, int], sharpness: float, seed: int) -> Image.Image:
    """A plain picture with a grey pattern in its middle; sharpness 0-9."""
    image = Image.new("RGB", SIZE, colour)
    width, height = SIZE[0] // 2, SIZE[1] // 2
    random = np.random.default_rng(seed)
    cells = random.integers(0, 256, (height // 8, width // 8), dtype=np.uint8)
    patch = Image.fromarray(cells).resize((width, height), Image.Resampling.NEAREST)
    patch = patch.filter(ImageFilter.GaussianBlur(0.8 * (9 - sharpness)))
    image.paste(patch.convert("RGB"), (width // 2, height // 2))
    return image


def name_of(number: int) -> str:
    return f"photo-{number}.jpg"


def make_library(folder: Path, viewer: str, *options: str, settings: Iterable[str] = ()) -> ShownLibrary:
    """Draw, teach, score and mark, as `keeprate init --viewer VIEWER` and `keeprate sync` do it."""
    root, taught = folder / "Photos", folder / "Taught"
    root.mkdir(parents=True)
    for number, (level, age) in enumerate(zip(SHARPNESS, AGE, strict=True)):
        path = root / name_of(number)
        draw(colour_of(number), level, seed=number).save(path, quality=92)
        os.utime(path, (NOON - 3600 * age,) * 2)
    for place in range(2 * _TAUGHT):
        bucket, sharpness = ("keep", 9 - place / 8) if place % 2 else ("delete", place / 8)
        (taught / bucket).mkdir(parents=True, exist_ok=True)
        grey = (90 + 3 * place,) * 3
        draw(grey, sharpness, seed=100 + place).save(taught / bucket / f"{place}.jpg", quality=92)
    keeprate("init", taught, "--view-folder", folder / "taught-view")
    keeprate("init", root, "--viewer", viewer, *options)
    for empty in ("keep", "delete"):
        (root / empty).rmdir()  # nothing but the photos is to be seen
    config = Path(keeprate("config", "path").strip())
    text = config.read_text()
    config.write_text(text + "\n" + "\n".join(settings) + "\n")
    answer("sync")
    mark_the_rest()
    library = ShownLibrary(root, root.with_name("Photos by score"), taught)
    names = [path.name for path in library.photos()]
    by_time = sorted(names, key=lambda name: (root / name).stat().st_mtime)
    listed = library.listed()
    assert sorted(listed) == names
    assert len({tuple(order) for order in (names, by_time, by_time[::-1], listed, listed[::-1])}) == 5
    return library
