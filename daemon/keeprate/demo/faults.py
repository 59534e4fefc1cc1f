"""Spoil a picture the way photos get spoiled: out of focus, moved, too dark, too bright, noisy, squashed, tilted.

Each takes a picture and a strength from 0 (hardly to be seen) to 1 (hopeless) and gives a picture of the same
size; the original is not changed.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from keeprate.demo.scenes import Random, shifted_grain


def out_of_focus(picture: Image.Image, strength: float, _rng: Random) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(0.9 + 7.5 * strength))


def moved(picture: Image.Image, strength: float, rng: Random) -> Image.Image:
    """Camera shake: the average of the picture along a short way."""
    length, angle = 6 + 48 * strength, rng.uniform(0, math.pi)
    steps = 8
    total = np.zeros((picture.height, picture.width, 3), dtype=np.uint16)
    for step in range(steps):
        way = (step / (steps - 1) - 0.5) * length
        shift = (1, 0, way * math.cos(angle), 0, 1, way * math.sin(angle))
        total += np.asarray(picture.transform(picture.size, Image.Transform.AFFINE, shift))
    averaged = Image.fromarray((total // steps).astype(np.uint8))
    edge = length / 2 + 1  # what has moved in from outside
    box = (edge, edge, picture.width - edge, picture.height - edge)
    return averaged.resize(picture.size, Image.Resampling.BILINEAR, box=box)


def too_dark(picture: Image.Image, strength: float, _rng: Random) -> Image.Image:
    light = 0.68 - 0.55 * strength
    return picture.point([round(255 * light * (value / 255) ** 1.15) for value in range(256)] * 3)


def too_bright(picture: Image.Image, strength: float, _rng: Random) -> Image.Image:
    light = 1.3 + 1.85 * strength
    return picture.point([min(255, round(value * light + 18)) for value in range(256)] * 3)


def noisy(picture: Image.Image, strength: float, rng: Random) -> Image.Image:
    """A photo taken in the dark and pulled up: dull, and grain of its own in each colour."""
    loudness = 14 + 100 * strength
    pixels = np.asarray(picture.point([round(30 + value * 0.72) for value in range(256)] * 3), dtype=np.int16)
    grain = np.stack([shifted_grain(rng, picture.size) for _ in range(3)], axis=-1)
    grain = (grain * np.int16(loudness)) >> 6
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))


def squashed(picture: Image.Image, strength: float, _rng: Random) -> Image.Image:
    """Sent through a messenger: small, and compressed without mercy."""
    part = 0.65 - 0.4 * strength
    small = picture.resize((round(picture.width * part), round(picture.height * part)), Image.Resampling.BILINEAR)
    squeezed = io.BytesIO()
    small.save(squeezed, "JPEG", quality=round(34 - 28 * strength))
    with Image.open(squeezed) as blocky:
        return blocky.convert("RGB").resize(picture.size, Image.Resampling.BILINEAR)


def tilted(picture: Image.Image, strength: float, rng: Random) -> Image.Image:
    """Shot from the hip: askew, too close, and not quite still."""
    angle = (7 + 28 * strength) * rng.choice([-1, 1])
    turned = picture.rotate(float(angle), Image.Resampling.BILINEAR)
    part = 0.6 - 0.3 * strength
    left, top = rng.uniform(0.15, 0.85 - part) * picture.width, rng.uniform(0.15, 0.85 - part) * picture.height
    box = (left, top, left + part * picture.width, top + part * picture.height)
    return turned.resize(picture.size, Image.Resampling.BILINEAR, box=box)


FAULTS: tuple[Callable[[Image.Image, float, Random], Image.Image], ...] = (
    out_of_focus,
    moved,
    too_dark,
    too_bright,
    noisy,
    squashed,
    tilted,
)


def spoil(picture: Image.Image, rng: Random) -> Image.Image:
    """`picture` with one fault, seldom two; one in four is so mild that a person could disagree."""
    first, second = (int(place) for place in rng.permutation(len(FAULTS))[:2])
    strength = rng.uniform(0.0, 0.1) if rng.random() < 1 / 4 else rng.uniform(0.1, 1.0)
    spoilt = FAULTS[first](picture, float(strength), rng)
    if rng.random() < 0.15:
        spoilt = FAULTS[second](spoilt, float(rng.uniform(0, 0.5)), rng)
    return spoilt
