"""Files as cameras and editors make them of one shot: JPEG, RAW, edited copy."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageEnhance

from support.made_pictures import tiff_raw
from support.photos import draw

RAW_TIME = "2021:07:04 15:16:17"
"""When every RAW of `tiff_raw` was taken."""


def jpeg_of(image: Image.Image, taken_at: str | None = None) -> bytes:
    exif = Image.Exif()
    if taken_at is not None:
        exif.get_ifd(34665)[36867] = taken_at
    target = io.BytesIO()
    image.save(target, "JPEG", quality=90, exif=exif)
    return target.getvalue()


def write_shot(
    folder: Path, name: str, seed: int, *, sharp: bool = True, taken_at: str | None = RAW_TIME
) -> list[Path]:
    """`name`.JPG and `name`.NEF, of one picture; `taken_at` is the JPEG's."""
    folder.mkdir(parents=True, exist_ok=True)
    image = draw(seed, sharp=sharp)
    jpeg, raw = folder / f"{name}.JPG", folder / f"{name}.NEF"
    jpeg.write_bytes(jpeg_of(image, taken_at))
    preview = image.resize((4 * image.width, 4 * image.height), Image.Resampling.NEAREST)
    raw.write_bytes(tiff_raw(jpeg_of(preview), sensor=str(seed).encode() * 900))
    return [jpeg, raw]


def write_edit(path: Path, seed: int, *, sharp: bool = True, taken_at: str | None = RAW_TIME) -> Path:
    """The picture of `write_shot`, brighter."""
    path.write_bytes(jpeg_of(ImageEnhance.Brightness(draw(seed, sharp=sharp)).enhance(1.3), taken_at))
    return path
