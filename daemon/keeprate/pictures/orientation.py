"""How a picture has to be turned, from its header alone: no pixel is decoded."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from keeprate.pictures.containers.source import open_regular
from keeprate.pictures.decoding import silence_pillow
from keeprate.pictures.facts import read_exif

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
"""What any program that uses Pillow without further plugins can read."""


def lies_upright(path: Path) -> bool | None:
    """Whether the pixels are stored as they are to be seen; None: the header cannot be read, or is another format's."""
    silence_pillow()  # broken Exif is no news here
    try:
        with open_regular(path) as stream, Image.open(stream, formats=FORMATS) as image:
            return read_exif(image).orientation == 1
    except Exception:  # Pillow raises whatever comes; nobody has to know why
        return None
