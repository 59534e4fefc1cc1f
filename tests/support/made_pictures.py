"""Pictures that the tests make for themselves: recognisable from any corner, the same every time."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image, ImageFilter

pillow_heif.register_heif_opener()  # so that pictures can be saved as HEIC

CORNERS = {
    "top left": (220, 40, 40),
    "top right": (40, 200, 60),
    "bottom left": (50, 60, 220),
    "bottom right": (230, 220, 50),
}
"""Colours of the four quarters of `quarters`: red, green, blue, yellow."""


def quarters(width: int = 120, height: int = 80) -> Image.Image:
    """A picture of four plain quarters: tells how it was turned, and survives any compression."""
    image = Image.new("RGB", (width, height))
    across, down = width // 2, height // 2
    boxes = [(0, 0, across, down), (across, 0, width, down), (0, down, across, height), (across, down, width, height)]
    for colour, box in zip(CORNERS.values(), boxes, strict=True):
        image.paste(colour, box)
    return image


def corners_of(image: Image.Image) -> list[str]:
    """Which of the `CORNERS` colours are seen in the four corners, in the order of `CORNERS`."""
    columns, rows = (image.width // 4, image.width * 3 // 4), (image.height // 4, image.height * 3 // 4)
    return [_nearest_corner(image.getpixel((column, row))) for row in rows for column in columns]


def _nearest_corner(pixel: Any) -> str:
    return min(CORNERS, key=lambda name: sum((a - b) ** 2 for a, b in zip(CORNERS[name], pixel, strict=True)))


def scene(width: int = 640, height: int = 480, seed: int = 0) -> Image.Image:
    """Something like a photo: shapes of all sizes, soft and hard, with some grain; another one for each seed."""
    random = np.random.default_rng(seed)
    layers = np.zeros((height, width, 3), np.float32)
    for cells, sampling in (
        (3, Image.Resampling.BICUBIC),
        (9, Image.Resampling.BICUBIC),
        (60, Image.Resampling.NEAREST),
    ):
        coarse = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        layers += np.asarray(coarse.resize((width, height), sampling), np.float32) / cells**0.3
    layers += random.normal(0, 2, layers.shape).astype(np.float32)
    layers -= layers.min()
    return Image.fromarray((layers * (255 / layers.max())).astype(np.uint8))


def encoded(image: Image.Image, picture_format: str, **options: Any) -> bytes:
    """The bytes of an image as Pillow saves it (`JPEG`, `PNG`, `WEBP`, `TIFF`, `GIF`, `HEIF`, `AVIF` …)."""
    target = io.BytesIO()
    image.save(target, picture_format, **options)
    return target.getvalue()


def saved(folder: Path, name: str, data: bytes) -> Path:
    """Bytes as a file."""
    path = folder / name
    path.write_bytes(data)
    return path


def blurred(image: Image.Image, radius: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(radius))


def jpeg_segment(marker: int, payload: bytes) -> bytes:
    """A JPEG segment: FF, marker, length, payload."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    """A PNG chunk with its CRC."""
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def tiff_raw(
    preview: bytes, *, sensor: bytes = b"\x5a" * 4000, orientation: int = 1, width: int = 6000, height: int = 4000
) -> bytes:
    """A RAW file in the way of NEF and ARW: a JPEG in the first directory, sensor data in a sub-directory."""
    make, model, time = b"NIKON CORPORATION\0", b"NIKON D750\0", b"2021:07:04 15:16:17\0"
    first, sub, detail = 8, 8 + 2 + 8 * 12 + 4, 8 + 2 + 8 * 12 + 4 + 2 + 6 * 12 + 4
    strings = detail + 2 + 12 + 4
    preview_at = strings + len(make) + len(model) + len(time)
    sensor_at = preview_at + len(preview)
    directories = [
        [
            (271, 2, len(make), strings),
            (272, 2, len(model), strings + len(make)),
            (274, 3, 1, orientation),
            (256, 4, 1, 160),
            (330, 4, 1, sub),
            (513, 4, 1, preview_at),
            (514, 4, 1, len(preview)),
            (34665, 4, 1, detail),
        ],
        [
            (256, 4, 1, width),
            (257, 4, 1, height),
            (258, 3, 1, 14),
            (259, 3, 1, 34713),
            (273, 4, 1, sensor_at),
            (279, 4, 1, len(sensor)),
        ],
        [(36867, 2, len(time), strings + len(make) + len(model))],
    ]
    data = struct.pack("<2sHI", b"II", 42, first)
    for entries in directories:
        data += struct.pack("<H", len(entries))
        data += b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return data + make + model + time + preview + sensor


def raf_raw(preview: bytes, sensor: bytes = b"\x33" * 3000) -> bytes:
    """A RAW file in the way of Fujifilm: a header of offsets, a JPEG, a table, sensor data."""
    jpeg_at, table_at = 148, 148 + len(preview)
    sensor_at = table_at + 16
    header = b"FUJIFILMCCD-RAW 0201FF383501X-T4".ljust(84, b"\0")
    header += struct.pack(">6I", jpeg_at, len(preview), table_at, 16, sensor_at, len(sensor))
    return header.ljust(148, b"\0") + preview + bytes(16) + sensor


def cr3_raw(preview: bytes, media: bytes = b"\x77" * 3000, orientation: int = 1) -> bytes:
    """A RAW file in the way of Canon's CR3: boxes with small TIFFs, a JPEG and the media data."""

    def box(kind: bytes, *parts: bytes) -> bytes:
        body = b"".join(parts)
        return struct.pack(">I4s", len(body) + 8, kind) + body

    def tiff(*entries: tuple[int, int, int, int], tail: bytes = b"") -> bytes:
        table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
        return struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + table + bytes(4) + tail

    model, time = b"Canon EOS R5\0", b"2022:02:03 04:05:06\0"
    main = tiff(
        (256, 4, 1, 8192), (257, 4, 1, 5464), (272, 2, len(model), 8 + 2 + 48 + 4), (274, 3, 1, orientation), tail=model
    )
    detail = tiff((36867, 2, len(time), 8 + 2 + 12 + 4), tail=time)
    metadata = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    preview_box = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")
    header = struct.pack(">IHHHHI", 0, 1, 1620, 1080, 1, len(preview))
    return (
        box(b"ftyp", b"crx ", struct.pack(">I", 1), b"crx isom")
        + box(b"moov", box(b"uuid", metadata, box(b"CMT1", main), box(b"CMT2", detail)))
        + box(b"uuid", preview_box, bytes(8), box(b"PRVW", header, preview))
        + box(b"mdat", media)
    )
