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
from keeprate_xmp.jpeg import JpegError, is_jpeg, read_layout, read_packet

_Result = TypeVar("_Result")

_UNKNOWN_FORMAT = "unknown image type"


class UnreadableError(Exception):
    """exiv2 cannot read the metadata of a file; its text says why in exiv2's words."""


@dataclass(frozen=True, slots=True)
class EmbeddedMetadata:
    """What was found inside a photo file."""

    packet: bytes | None = None
    """A JPEG's XMP as it stands; of other formats as exiv2 writes it out: every property, but neither comments nor
    layout. None if there is none."""
    rating: str | None = None
    """Exif 0x4746 (Windows: 0 to 5 stars)."""
    rating_percent: str | None = None
    """Exif 0x4749 (Windows: 0 to 99)."""
    urgency: str | None = None
    """IPTC: some programs show it as a rating, which it is not."""
    keywords: tuple[str, ...] = ()
    """Those of IPTC and of Exif's XPKeywords."""


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
        UnreadableError: the format is known but the file cannot be read, or it is a JPEG with two XMP packets.
    """
    jpeg, packet = _jpeg_packet(path)

    def read() -> EmbeddedMetadata:
        with _open(path) as image:
            exif, iptc = image.read_exif("latin-1"), image.read_iptc("latin-1")
            found = packet if jpeg else image.read_raw_xmp("latin-1").encode("latin-1")
            return EmbeddedMetadata(
                packet=found or None,
                rating=_text(exif.get("Exif.Image.Rating")),
                rating_percent=_text(exif.get("Exif.Image.RatingPercent")),
                urgency=_text(iptc.get("Iptc.Application2.Urgency")),
                keywords=_keywords(exif, iptc),
            )

    try:
        return _twice(read)
    except UnreadableError as error:
        if _UNKNOWN_FORMAT in str(error):
            return EmbeddedMetadata()
        raise


def _jpeg_packet(path: Path) -> tuple[bool, bytes | None]:
    """Whether a file is a JPEG, and the XMP in it as it stands: exiv2 takes malformed XMP for none at all."""
    try:
        with path.open("rb") as file:
            if not is_jpeg(file.read(3)):
                return False, None
            return True, read_packet(file, read_layout(file))
    except (JpegError, OSError) as error:
        raise UnreadableError(str(error)) from error


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _keywords(exif: dict[str, Any], iptc: dict[str, Any]) -> tuple[str, ...]:
    found = [_decoded(keyword) for keyword in iptc.get("Iptc.Application2.Keywords", ())]
    found += (_text(exif.get("Exif.Image.XPKeywords")) or "").split(";")
    return tuple(keyword for one in found if (keyword := one.strip("\0 ")))


def _decoded(text: str) -> str:
    """IPTC does not always say its encoding; UTF-8 that is read as Latin-1 gives itself away."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


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
