"""How the journal keeps what stood at a place: one line that says what it is, then the bytes themselves.

`keeprate-xmp 1 sidecar` is followed by the whole sidecar, `keeprate-xmp 1 embedded-xmp` by the XMP packet of a JPEG
(without the segment's marker, length and signature). A place where nothing stands is None.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

_VERSION = b"keeprate-xmp 1 "


class PlaceKind(StrEnum):
    """The `field` of our journal entries."""

    SIDECAR = "sidecar"
    EMBEDDED = "embedded-xmp"


def display_name(path: Path) -> str:
    """The name of a file, printable even if its bytes are no UTF-8."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def encode(kind: PlaceKind, content: bytes | None) -> bytes | None:
    """What goes into the journal for `content`."""
    return None if content is None else _VERSION + kind.encode() + b"\n" + content


def decode(kind: PlaceKind, entry: bytes | None) -> bytes | None:
    """The content of a journal entry.

    Raises:
        ValueError: it was written by something else.
    """
    if entry is None:
        return None
    header = _VERSION + kind.encode() + b"\n"
    if not entry.startswith(header):
        raise ValueError("this journal entry was not written by this version of the XMP photo manager")
    return entry[len(header) :]
