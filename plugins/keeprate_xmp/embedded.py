"""Read what a photo file says about itself, through exiv2.

Reading only: exiv2 rewrites files in place and reports no error on a full disk (Exiv2 #9482), so it must never
write one of the user's. exiv2 is not thread-safe and keeps errors of one call for the next: call from one thread,
and each failure is tried once more before it is believed. It is loaded when it is first needed: the resident daemon
asks this photo manager only for its name and settings.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from keeprate_xmp.fields import KEEPRATE, USUAL_PREFIXES

_Result = TypeVar("_Result")

_UNKNOWN_FORMAT = "unknown image type"
_RATING_TAGS = ("Exif.Image.Rating", "Exif.Image.RatingPercent", "Iptc.Application2.Urgency")
_KEYWORD_TAGS = ("Exif.Image.XPKeywords", "Iptc.Application2.Keywords")


class UnreadableError(Exception):
    """exiv2 cannot read the metadata of a file; its text says why in exiv2's words."""


@dataclass(frozen=True, slots=True)
class EmbeddedMetadata:
    """What was found inside a photo file."""

    packet: bytes | None
    """The XMP as exiv2 writes it out: every property, but neither comments nor layout. None if there is none."""
    rated: bool
    """Exif or IPTC hold a rating (0 is none)."""
    has_keywords: bool
    """Exif or IPTC hold keywords."""


@cache
def _exiv2() -> Any:
    """The module pyexiv2, set up."""
    import pyexiv2

    # Errors only: warnings would go to stdout. Never higher: exiv2 would then take files that it failed to parse.
    pyexiv2.set_log_level(3)
    pyexiv2.registerNs(KEEPRATE, USUAL_PREFIXES[KEEPRATE])
    return pyexiv2


def _open(path: Path) -> Any:
    """An image opened by the bytes of its path: names on Linux need not be UTF-8."""
    from pyexiv2.lib import exiv2api

    image = _exiv2().Image.__new__(_exiv2().Image)  # its constructor takes only text
    image._exiv2api_image = exiv2api.Image(os.fsencode(path))
    return image


def read_embedded(path: Path) -> EmbeddedMetadata:
    """The metadata inside a photo file; empty for formats that exiv2 and with it most viewers do not know.

    Raises:
        UnreadableError: exiv2 knows the format but cannot read the file.
    """

    def read() -> EmbeddedMetadata:
        with _open(path) as image:
            others = image.read_exif("latin-1") | image.read_iptc("latin-1")
            packet = image.read_raw_xmp("latin-1").encode("latin-1")
            return EmbeddedMetadata(
                packet=packet or None,
                rated=any(str(others.get(tag) or "0").strip("\0 ") not in ("", "0") for tag in _RATING_TAGS),
                has_keywords=any(others.get(tag) for tag in _KEYWORD_TAGS),
            )

    try:
        return _twice(read)
    except UnreadableError as error:
        if _UNKNOWN_FORMAT in str(error):
            return EmbeddedMetadata(packet=None, rated=False, has_keywords=False)
        raise


def xmp_values(packet: bytes) -> dict[str, Any] | None:
    """What exiv2 (and with it most viewers on Linux) understands of a packet; None if nothing."""

    def read() -> dict[str, Any]:
        with _exiv2().ImageData(packet) as image:
            return dict(image.read_xmp())

    try:
        return _twice(read)
    except UnreadableError:
        return None


def _twice(read: Callable[[], _Result]) -> _Result:
    last: Exception | None = None
    for _ in range(2):
        try:
            return read()
        except (RuntimeError, UnicodeError, ValueError, OSError) as error:
            last = error  # perhaps that of an earlier call
    raise UnreadableError(str(last)) from last
