"""Small pictures for tests, drawn on the spot: sharp ones and blurred ones, each different from all others."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter


def draw(seed: int, *, sharp: bool = True, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A picture of coloured blocks and grain that no other seed gives."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 255, (size[1] // 10, size[0] // 10, 3), np.uint8)
    image = Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST)
    grain = random.integers(0, 60, (size[1], size[0], 3), np.uint8)
    image = Image.fromarray(np.clip(np.asarray(image, np.int16) + grain - 30, 0, 255).astype(np.uint8))
    return image if sharp else image.filter(ImageFilter.GaussianBlur(3))


def jpeg(seed: int, *, sharp: bool = True) -> bytes:
    """The bytes of such a picture as a JPEG."""
    target = io.BytesIO()
    draw(seed, sharp=sharp).save(target, "JPEG", quality=90)
    return target.getvalue()


def write_photos(folder: Path, seeds: range, *, sharp: bool = True) -> list[Path]:
    """One JPEG a seed in `folder`, made if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for seed in seeds:
        path = folder / f"IMG_{seed:04d}.jpg"
        path.write_bytes(jpeg(seed, sharp=sharp))
        paths.append(path)
    return paths
