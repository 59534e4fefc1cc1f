"""What a picture's header and Exif say about it: format, size, when and with what it was taken.

Facts come from untrusted bytes and are only ever shown or used to group photos: whatever makes no sense is left
out without a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable
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
_AUTO_BRACKET = 2


@dataclass(frozen=True, slots=True)
class Exposure:
    """How the shutter was released; None where the file does not say. Tags as in Exif 2.32 §4.6.5."""

    seconds: float | None = None
    f_number: float | None = None
    iso: float | None = None
    bias: float | None = None
    """Exposure compensation in EV."""
    bracketed: bool = False
    """The camera says that the frame belongs to an exposure series (ExposureMode 2)."""
    focal_length: float | None = None
    """In millimetres, of the lens itself."""
    subject_distance: float | None = None
    """In metres, to what is in focus."""


UNKNOWN_EXPOSURE = Exposure()


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
    exposure: Exposure = UNKNOWN_EXPOSURE
    quantisation: float | None = None
    """Of a JPEG: the mean step of its luminance table, 1 (finest) to 255; None for everything else."""


@dataclass(frozen=True, slots=True)
class Exif:
    """The Exif fields that matter here, already checked."""

    orientation: int = 1
    """1–8 as in Exif 2.32 §4.6.4 (tag 274)."""
    taken_at: datetime | None = None
    camera: str | None = None
    exposure: Exposure = UNKNOWN_EXPOSURE


UNKNOWN_EXIF = Exif()
"""Of a picture that says nothing."""


def facts_of(
    picture_format: Format, size: tuple[int, int], exif: Exif, quantisation: float | None = None
) -> PictureFacts:
    """Facts of a picture whose pixels are stored with `size` (width, height) before it is set upright."""
    width, height = reversed(size) if exif.orientation in _SIDEWAYS else size
    return PictureFacts(picture_format, width, height, exif.taken_at, exif.camera, exif.exposure, quantisation)


def mean_quantisation(image: Image.Image) -> float | None:
    """The mean step of the luminance table of a JPEG that Pillow has opened; None if it is none."""
    table = (getattr(image, "quantization", None) or {}).get(0)
    return sum(table) / len(table) if table else None


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
            exposure=exposure_of(detail.get),
        )
    except Exception:  # Pillow raises many kinds on broken Exif, struct.error and SyntaxError among them
        return UNKNOWN_EXIF


def exposure_of(value_of: Callable[[Tag], Any]) -> Exposure:
    """The exposure from a function that gives the value of an Exif tag, or None."""
    return Exposure(
        seconds=_number(value_of(Tag.EXPOSURE_TIME), above=0.0, below=1e5),
        f_number=_number(value_of(Tag.F_NUMBER), above=0.0, below=1e3),
        iso=_number(value_of(Tag.ISO), above=0.0, below=1e8),
        bias=_number(value_of(Tag.EXPOSURE_BIAS), above=-20.0, below=20.0),
        bracketed=_number(value_of(Tag.EXPOSURE_MODE), above=0.0, below=10.0) == _AUTO_BRACKET,
        focal_length=_number(value_of(Tag.FOCAL_LENGTH), above=0.0, below=1e5),
        subject_distance=_number(value_of(Tag.SUBJECT_DISTANCE), above=0.0, below=1e6),
    )


def _number(value: Any, *, above: float, below: float) -> float | None:
    """A number within limits; None for anything else (0/0, texts, lists of more than one)."""
    if isinstance(value, tuple) and value:
        value = value[0]
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if above < number < below else None


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
