"""Fill the demo's library with photos of which the demo knows the truth: drawn ones, or copies of somebody's own.

The truth of somebody's own photos is what they sorted themselves, if there are folders that say so; it is never
guessed. Without such folders half of the copies are spoiled, and the truth is which half. The photos themselves
are only read.
"""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from keeprate.demo.faults import spoil
from keeprate.demo.pictures import SamplePicture, make_pictures
from keeprate.errors import UsageError

DRAWN = 120
"""So many sample photos are drawn."""
COPIES = 120
"""So many photos of one's own are copied at most."""
FEWEST = 24
"""With fewer there is nothing to see."""
_SORTED_FOLDERS = (("keep", "delete"), ("keep", "reject"), ("good", "bad"), ("yes", "no"), ("picks", "rejects"))
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"}
_LONGEST_SIDE = 1200


class Truth(StrEnum):
    """Where the demo knows from which photos are good."""

    DRAWN = "drawn"
    """The demo drew them, good and spoiled ones."""
    SORTED = "sorted"
    """Their owner has sorted them into two folders."""
    SPOILED = "spoiled"
    """The demo spoiled half of the copies."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The photos in the demo's library and where their truth comes from."""

    pictures: tuple[SamplePicture, ...]
    truth: Truth

    def halves(self) -> tuple[list[SamplePicture], list[SamplePicture]]:
        """The photos that the demo sorts, and those it leaves: of each folder the first bursts and the later ones.

        No burst lies on both sides: recognising a sister frame would be no proof of having learned anything.
        """
        by_folder: dict[Path, list[SamplePicture]] = {}
        for picture in sorted(self.pictures, key=lambda picture: (picture.burst, picture.path)):
            by_folder.setdefault(picture.path.parent, []).append(picture)
        sorted_, left = [], []
        for pictures in by_folder.values():
            middle = pictures[(len(pictures) - 1) // 2].burst
            sorted_ += [picture for picture in pictures if picture.burst <= middle]
            left += [picture for picture in pictures if picture.burst > middle]
        return sorted_, left


def fill(library: Path, photos: Path | None) -> Samples:
    """Put photos into the folder `library`: drawn ones, or copies of those in `photos`.

    Raises:
        UsageError: `photos` is no folder, or holds fewer than `FEWEST` photos that can be read.
        OSError: a photo cannot be written.
    """
    if photos is None:
        return Samples(tuple(make_pictures(library, DRAWN)), Truth.DRAWN)
    if not photos.is_dir():
        raise UsageError("There is no such folder.", path=photos, advice="Name a folder that holds photos.")
    folders = _sorted_folders(photos)
    if folders is None:
        copies = _half_spoiled(_chosen(photos, COPIES), library / "inbox")
        samples = Samples(tuple(copies), Truth.SPOILED)
    else:
        found = [(path, folder == folders[0]) for folder in folders for path in _chosen(folder, COPIES // 2)]
        samples = Samples(tuple(_copied(found, library / "inbox")), Truth.SORTED)
    if len(samples.pictures) < FEWEST:
        raise UsageError(
            f"Only {len(samples.pictures)} photos were found; the demo needs {FEWEST}.",
            path=photos,
            advice="Name a folder with more photos, or leave it out to see the demo on sample photos.",
        )
    return samples


def _sorted_folders(photos: Path) -> tuple[Path, Path] | None:
    """The folder of good and that of bad photos, if there are such."""
    for good, bad in _SORTED_FOLDERS:
        if (photos / good).is_dir() and (photos / bad).is_dir():
            return photos / good, photos / bad
    return None


def _chosen(folder: Path, count: int) -> list[Path]:
    """At most `count` photos from everywhere below `folder`, in an order that is no order, the same each time."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    return random.Random(0).sample(paths, min(count, len(paths)))  # noqa: S311 - no secret


def _copied(found: list[tuple[Path, bool]], folder: Path) -> list[SamplePicture]:
    random.Random(1).shuffle(found)  # noqa: S311 - no secret
    folder.mkdir(parents=True)
    copies = []
    for number, (path, good) in enumerate(found):
        copy = folder / f"{number:04d}{path.suffix.lower()}"
        shutil.copyfile(path, copy)
        copies.append(SamplePicture(copy, good, number))
    return copies


def _half_spoiled(found: list[Path], folder: Path) -> list[SamplePicture]:
    """Reduced copies, every other one spoiled; all are written alike, so that only the fault tells them apart."""
    folder.mkdir(parents=True)
    copies: list[SamplePicture] = []
    for path in found:
        number = len(copies)
        try:
            with Image.open(path) as image:
                image.draft("RGB", (_LONGEST_SIDE, _LONGEST_SIDE))
                picture = ImageOps.exif_transpose(image).convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue  # not for the demo to judge
        picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
        good = number % 2 == 0
        if not good:
            picture = spoil(picture, np.random.default_rng((2, number)))
        copy = folder / f"{number:04d}.jpg"
        picture.save(copy, quality=90)
        copies.append(SamplePicture(copy, good, number))
    return copies
