"""Boxes of ISO base media files (HEIC, AVIF, CR3); which of their bytes are the picture.

HEIC and AVIF: every item but Exif, XMP and URIs, by number and type. CR3: the media data. Boxes: ISO/IEC
14496-12; items: §8.11; CR3: github.com/lclevy/canon_cr3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keeprate.pictures.containers.source import ByteSource, MalformedError, PayloadDigest

_MAX_BOXES = 4096
_MAX_ITEMS = 1 << 16
_MAX_EXTENTS = 1 << 18
_TALK = frozenset({b"Exif", b"mime", b"uri "})


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its type (of a `uuid` box, the type is `uuid` and the body starts with the 16 bytes) and body."""

    kind: bytes
    start: int
    end: int


def boxes(source: ByteSource, start: int, end: int) -> Iterator[Box]:
    """The boxes between two offsets, not what is inside them.

    Raises:
        MalformedError: one reaches beyond `end` or is shorter than its own header.
    """
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        head = source.read(start, 8)
        length, header = int.from_bytes(head[:4], "big"), 8
        if length == 1:
            length, header = int.from_bytes(source.read(start + 8, 8), "big"), 16
        elif length == 0:
            length = end - start
        if length < header or start + length > end:
            raise MalformedError("a box reaches beyond the end")
        yield Box(head[4:], start + header, start + length)
        start += length
    raise MalformedError("too many boxes")


def find_box(source: ByteSource, start: int, end: int, kind: bytes) -> Box | None:
    """The first box of a type between two offsets."""
    return next((box for box in boxes(source, start, end) if box.kind == kind), None)


def digest_cr3(source: ByteSource, digest: PayloadDigest) -> None:
    """Hash the media data of a CR3.

    Raises:
        MalformedError: it is cut short or holds no media data.
    """
    has_data = False
    for box in boxes(source, 0, source.size):
        if box.kind == b"mdat":
            digest.note(box.end - box.start)
            digest.payload(box.start, box.end - box.start)
            has_data = True
    if not has_data:
        raise MalformedError("no media data")


def digest_items(source: ByteSource, digest: PayloadDigest) -> None:
    """Hash the items of a HEIC or AVIF that are part of the picture.

    Raises:
        MalformedError: it is cut short, holds no such item, or stores one in a way that is not known.
    """
    meta = find_box(source, 0, source.size, b"meta")
    if meta is None:
        raise MalformedError("no items")
    found = {box.kind: box for box in boxes(source, meta.start + 4, meta.end)}
    if b"iinf" not in found or b"iloc" not in found:
        raise MalformedError("no table of items")
    types = _item_types(source, found[b"iinf"])
    has_data = False
    for item, extents in sorted(_item_extents(source, found[b"iloc"], found.get(b"idat")).items()):
        kind = types.get(item)
        if kind is None:
            raise MalformedError("an item without a type")
        if kind in _TALK:
            continue
        digest.note(item, kind, sum(length for _, length in extents))
        for offset, length in extents:
            digest.payload(offset, length)
        has_data = True
    if not has_data:
        raise MalformedError("no picture among the items")


class _Fields:
    """Reads big-endian numbers one after the other from the body of a box."""

    def __init__(self, source: ByteSource, box: Box) -> None:
        self._data = source.read(box.start, box.end - box.start)
        self._position = 0

    def number(self, width: int) -> int:
        field = self._data[self._position : self._position + width]
        if len(field) != width:
            raise MalformedError("a table ends too early")
        self._position += width
        return int.from_bytes(field, "big")


def _item_types(source: ByteSource, box: Box) -> dict[int, bytes]:
    """Item number to item type, from `iinf` (§8.11.6)."""
    version = source.read(box.start, 1)[0]
    types: dict[int, bytes] = {}
    for entry in boxes(source, box.start + (6 if version == 0 else 8), box.end):
        fields = _Fields(source, Box(entry.kind, entry.start, min(entry.end, entry.start + 16)))
        entry_version = fields.number(1)
        fields.number(3)
        if entry.kind != b"infe" or entry_version not in (2, 3):
            raise MalformedError("an item entry of an unknown version")
        item = fields.number(2 if entry_version == 2 else 4)
        fields.number(2)
        types[item] = fields.number(4).to_bytes(4, "big")
    return types


def _item_extents(source: ByteSource, box: Box, idat: Box | None) -> dict[int, list[tuple[int, int]]]:
    """Item number to (absolute offset, length) of its pieces, from `iloc` (§8.11.3)."""
    fields = _Fields(source, box)
    version = fields.number(1)
    fields.number(3)
    if version > 2:
        raise MalformedError("an item table of an unknown version")
    widths = fields.number(2)
    offset_width, length_width, base_width = widths >> 12, widths >> 8 & 15, widths >> 4 & 15
    index_width = widths & 15 if version else 0
    number_width = 4 if version == 2 else 2
    items = fields.number(number_width)
    if items > _MAX_ITEMS:
        raise MalformedError("too many items")
    table: dict[int, list[tuple[int, int]]] = {}
    pieces_left = _MAX_EXTENTS
    for _ in range(items):
        item = fields.number(number_width)
        method = fields.number(2) & 15 if version else 0
        fields.number(2)  # the file that holds the data; 0 is this one
        base = fields.number(base_width)
        pieces = fields.number(2)
        pieces_left -= pieces
        if pieces_left < 0:
            raise MalformedError("too many pieces")
        if method == 1 and idat is not None:
            base += idat.start
        elif method != 0:
            raise MalformedError("items built from other items")
        extents = []
        for _ in range(pieces):
            fields.number(index_width)
            offset, length = fields.number(offset_width), fields.number(length_width)
            if length == 0:
                raise MalformedError("a piece that reaches to an unnamed end")
            extents.append((base + offset, length))
        table[item] = extents
    return table
