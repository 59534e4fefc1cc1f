"""What a picture's header and Exif say about it: format, size, when and with what it was taken.

Facts come from untrusted bytes and are only ever shown or used to group photos: whatever makes no sense is left
out without a word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from PIL import Image

from keeprate.pictures.containers.tiff import Tag
from keeprate.pictures.formats import Format

_EXIF_TIME = re.compile(r"(\d{4})[:/-](\d\d)[:/-](\d\d)[ T](\d\d):(\d\d):(\d\d)", re.ASCII)
_FIRST_YEAR = 1900  # clocks that were never set say 0000 or 1601; nothing digital is older
_MAX_CAMERA_LETTERS = 80
_SIDEWAYS = range(5, 9)


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is known of a picture without looking at it."""

    format: Format
    width: int
    """Pixels of the full picture when it stands upright, not of the reduced copy that was decoded."""
    height: int
    taken_at: datetime | None
    """When the shutter was released (or the film scanned), in the camera's own time, without a zone."""
    camera: str | None
    """Maker and model, such as `Canon EOS 7D` or `NIKON D70`."""


@dataclass(frozen=True, slots=True)
class Exif:
    """The Exif fields that matter here, already checked."""

    orientation: int = 1
    """1–8 as in Exif 2.32 §4.6.4 (tag 274)."""
    taken_at: datetime | None = None
    camera: str | None = None


UNKNOWN_EXIF = Exif()
"""Of a picture that says nothing."""


def facts_of(picture_format: Format, size: tuple[int, int], exif: Exif) -> PictureFacts:
    """Facts of a picture whose pixels are stored with `size` (width, height) before it is set upright."""
    width, height = reversed(size) if exif.orientation in _SIDEWAYS else size
    return PictureFacts(picture_format, width, height, exif.taken_at, exif.camera)


def read_exif(image: Image.Image) -> Exif:
    """The Exif of an image that Pillow has loaded. Never raises: broken Exif is no reason to refuse a photo."""
    try:
        main = image.getexif()
        detail = main.get_ifd(Tag.EXIF_DIRECTORY)
        return Exif(
            orientation=valid_orientation(main.get(Tag.ORIENTATION)) or 1,
            taken_at=parse_time(detail.get(Tag.TAKEN_AT), detail.get(Tag.TAKEN_AT_FRACTION))
            or parse_time(detail.get(Tag.DIGITIZED_AT), detail.get(Tag.DIGITIZED_AT_FRACTION)),
            camera=camera_name(main.get(Tag.MAKE), main.get(Tag.MODEL)),
        )
    except Exception:  # Pillow raises many kinds on broken Exif, struct.error and SyntaxError among them
        return UNKNOWN_EXIF


def valid_orientation(value: object) -> int | None:
    """The orientation flag if it is one of 1–8, else None."""
    return value if isinstance(value, int) and 1 <= value <= 8 else None


def parse_time(text: Any, fraction: Any = None) -> datetime | None:
    """An Exif time (`2019:08:25 12:34:56`) with its fraction of a second (`SubSecTime`), or None."""
    found = _EXIF_TIME.match(_words(text))
    if found is None:
        return None
    digits = re.match(r"\d*", _words(fraction), re.ASCII)
    microsecond = int(((digits.group() if digits else "") + "000000")[:6])
    try:
        year, month, day, hour, minute, second = map(int, found.groups())
        moment = datetime(year, month, day, hour, minute, second, microsecond)
    except ValueError:
        return None
    return moment if moment.year >= _FIRST_YEAR else None


def camera_name(make: Any, model: Any) -> str | None:
    """Maker and model in one, the maker only once; None if both are empty."""
    maker, name = _words(make), _words(model)
    first_word = maker.split(" ", 1)[0].lower()
    if first_word and not name.lower().startswith(first_word):
        name = f"{maker} {name}"
    return name.strip()[:_MAX_CAMERA_LETTERS].strip() or None


def _words(value: Any) -> str:
    """Text as printable words with single blanks; empty for anything that is no text."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    text = value.split("\0", 1)[0]
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
