"""Make sample photos: several shoots of drawn scenes, some pictures good, some spoiled, as on a memory card.

Good is sharp and well exposed, bad is a spoiled rendering; some bad ones are hardly spoiled and some good ones
are dark, foggy or noisy, so that telling them apart must be learned. Bursts show one scene several times, with
good and bad frames: what is learned from one frame must not be tested on its sister.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from keeprate.demo.faults import spoil
from keeprate.demo.scenes import HEIGHT, KINDS, WIDTH, Random, draw_scene, shifted_grain

SIZE = (1200, 900)
"""Width and height of the photos in pixels."""
GOOD_PART = 0.45
PER_SHOOT = 15
_FIRST_DAY = datetime(2026, 4, 11, 9, 30)
_CAMERAS = (("Example", "Example One"), ("Example", "Example Zoom 24-70"), ("Sample", "Sample Phone 5"))
# Exif 2.32: Make, Model, DateTime, the Exif IFD; in it DateTimeOriginal, DateTimeDigitized, ISO
_MAKE, _MODEL, _DATE_TIME, _EXIF_IFD = 0x010F, 0x0110, 0x0132, 0x8769
_ORIGINAL, _DIGITIZED, _ISO = 0x9003, 0x9004, 0x8827


@dataclass(frozen=True, slots=True)
class SamplePicture:
    """One sample photo and the truth about it."""

    path: Path
    good: bool
    burst: int
    """The same for the frames of one burst, ascending in the order of capture."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """One photo to be made."""

    path: Path
    kind: str
    scene: tuple[int, ...]
    """Seed of the scene; the frames of a burst share it."""
    seed: tuple[int, ...]
    taken_at: datetime
    camera: tuple[str, str]


def make_pictures(folder: Path, count: int, seed: int = 0) -> list[SamplePicture]:
    """Write `count` JPEG photos into folders below `folder`, one folder a shoot; some 0.1 s each.

    The same `count` and `seed` make the same photos.

    Raises:
        FileExistsError: one of the files is there already; nothing is overwritten.
        OSError: a photo cannot be written.
    """
    return [_make(frame) for frame in _frames(folder, count, seed)]


def _frames(folder: Path, count: int, seed: int) -> list[_Frame]:
    """What to make: shoots on different days, in each some bursts of one to three frames."""
    rng = np.random.default_rng((seed, 0))
    kinds = list(KINDS)
    frames: list[_Frame] = []
    day, number, burst = _FIRST_DAY, 1, 0
    while len(frames) < count:
        kind = kinds[(len(frames) // PER_SHOOT) % len(kinds)]
        camera = _CAMERAS[int(rng.integers(len(_CAMERAS)))]
        shoot = folder / f"{day:%Y-%m-%d} {kind}"
        taken_at = day
        for _ in range(PER_SHOOT):
            if burst == 0:
                burst = int(rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2]))
                scene = number
                taken_at += timedelta(seconds=int(rng.integers(8, 400)))
            frames.append(
                _Frame(shoot / f"IMG_{number:04d}.jpg", kind, (seed, 1, scene), (seed, 2, number), taken_at, camera)
            )
            burst -= 1
            number += 1
            taken_at += timedelta(seconds=1)
        burst = 0
        day += timedelta(days=int(rng.integers(1, 9)), minutes=int(rng.integers(0, 400)))
    return frames[:count]


def _make(frame: _Frame) -> SamplePicture:
    rng = np.random.default_rng(frame.seed)
    good = bool(rng.random() < GOOD_PART)
    picture = _photographed(draw_scene(frame.kind, frame.scene), rng)
    if not good:
        picture = spoil(picture, rng)
    frame.path.parent.mkdir(parents=True, exist_ok=True)
    with frame.path.open("xb") as file:
        picture.save(file, "JPEG", quality=int(rng.integers(82, 92)), exif=_exif(frame, rng))
    return SamplePicture(frame.path, good, frame.scene[-1])


def _photographed(scene: Image.Image, rng: Random) -> Image.Image:
    """A part of the scene as a camera sees it: framed by hand, a little lighter or darker, a little noise."""
    zoom = rng.uniform(0.9, 0.98)
    left, top = rng.uniform(0, 1 - zoom) * WIDTH, rng.uniform(0, 1 - zoom) * HEIGHT
    box = (left, top, left + zoom * WIDTH, top + zoom * HEIGHT)
    framed = scene.resize(SIZE, Image.Resampling.HAMMING, box=box)
    light = rng.uniform(0.85, 1.12)
    framed = framed.point([min(255, round(value * light)) for value in range(256)] * 3)
    grain = (shifted_grain(rng, SIZE) * np.int16(rng.integers(2, 12))) >> 6
    pixels = np.asarray(framed, dtype=np.int16) + grain[:, :, None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _exif(frame: _Frame, rng: Random) -> Image.Exif:
    exif = Image.Exif()
    when = frame.taken_at.strftime("%Y:%m:%d %H:%M:%S")
    exif[_MAKE], exif[_MODEL] = frame.camera
    exif[_DATE_TIME] = when
    exif[_EXIF_IFD] = {_ORIGINAL: when, _DIGITIZED: when, _ISO: int(rng.choice([100, 200, 400, 800]))}
    return exif
