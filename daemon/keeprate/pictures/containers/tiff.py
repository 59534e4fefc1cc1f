"""Read the directories of TIFF and of the many RAW formats built on it; which bytes are the picture.

The picture is, for each directory of the main chain and each sub-directory: what describes its pixels, and its
strips or tiles. Exif, GPS and maker notes are never followed here. TIFF 6.0; BigTIFF; DNG 1.7; for RW2
exiftool's PanasonicRaw.pm.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from keeprate.pictures.containers.source import ByteSource, MalformedError, PayloadDigest

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGER_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_RATIONAL_CODES = {5: "I", 10: "i"}
_MAX_DIRECTORIES = 4096
_MAX_ENTRIES = 4096
_MAX_VALUES = 1 << 20


class Tag(IntEnum):
    """The tags that are read anywhere in keeprate's core."""

    PANASONIC_JPEG = 0x2E
    SUBFILE_TYPE = 254
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    MAKE = 271
    MODEL = 272
    STRIP_OFFSETS = 273
    ORIENTATION = 274
    SAMPLES = 277
    STRIP_LENGTHS = 279
    PANASONIC_RAW_OFFSET = 280
    PLANAR = 284
    PREDICTOR = 317
    COLOUR_MAP = 320
    TILE_OFFSETS = 324
    TILE_LENGTHS = 325
    SUB_DIRECTORIES = 330
    SAMPLE_FORMAT = 339
    JPEG_TABLES = 347
    JPEG_OFFSET = 513
    JPEG_LENGTH = 514
    EXPOSURE_TIME = 33434
    F_NUMBER = 33437
    EXIF_DIRECTORY = 34665
    ISO = 34855
    TAKEN_AT = 36867
    DIGITIZED_AT = 36868
    EXPOSURE_BIAS = 37380
    SUBJECT_DISTANCE = 37382
    FOCAL_LENGTH = 37386
    TAKEN_AT_FRACTION = 37521
    DIGITIZED_AT_FRACTION = 37522
    EXPOSURE_MODE = 41986


_PIXEL_FACTS = (
    Tag.WIDTH,
    Tag.HEIGHT,
    Tag.BITS,
    Tag.COMPRESSION,
    Tag.PHOTOMETRIC,
    Tag.SAMPLES,
    Tag.PLANAR,
    Tag.PREDICTOR,
    Tag.SAMPLE_FORMAT,
    Tag.COLOUR_MAP,
    Tag.JPEG_TABLES,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a directory: where its values lie (absolute) and how they are typed."""

    kind: int
    count: int
    offset: int
    length: int


class Directory:
    """One image file directory: its entries, read when asked for."""

    def __init__(self, tiff: TiffFile, entries: dict[int, Entry], next_offset: int) -> None:
        self._tiff = tiff
        self.base = tiff.base
        self.entries = entries
        self.next_offset = next_offset

    def __contains__(self, tag: Tag) -> bool:
        return tag in self.entries

    def integers(self, tag: Tag) -> tuple[int, ...]:
        """All values of an integer field; empty if it is absent.

        Raises:
            MalformedError: it holds no integers, too many of them, or reaches beyond the end.
        """
        entry = self.entries.get(tag)
        if entry is None:
            return ()
        code = _INTEGER_CODES.get(entry.kind)
        if code is None or entry.count > _MAX_VALUES:
            raise MalformedError(f"tag {tag} holds no reasonable number of integers")
        data = self._tiff.source.read(entry.offset, entry.length)
        return struct.unpack(f"{self._tiff.order}{entry.count}{code}", data)

    def integer(self, tag: Tag, default: int = 0) -> int:
        """The first value of an integer field, or `default` if it is absent or empty."""
        values = self.integers(tag)
        return values[0] if values else default

    def number(self, tag: Tag) -> float | None:
        """The first value of an integer or rational field; None if it is absent, no number, or a division by zero.

        Raises:
            MalformedError: it reaches beyond the end.
        """
        entry = self.entries.get(tag)
        if entry is None or entry.count == 0:
            return None
        code = _RATIONAL_CODES.get(entry.kind)
        if code is None:
            return float(self.integer(tag)) if entry.kind in _INTEGER_CODES else None
        above, below = struct.unpack(f"{self._tiff.order}2{code}", self._tiff.source.read(entry.offset, 8))
        return above / below if below else None

    def text(self, tag: Tag, max_bytes: int = 256) -> str:
        """An ASCII field up to its first NUL, without blanks around it; empty if absent or not text."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in (2, 7):
            return ""
        data = self._tiff.source.read(entry.offset, min(entry.length, max_bytes))
        return data.split(b"\0", 1)[0].decode("utf-8", "replace").strip()


class TiffFile:
    """A TIFF structure that starts at `base` of a source; offsets inside it count from there."""

    def __init__(self, source: ByteSource, base: int = 0) -> None:
        """Read the header.

        Raises:
            MalformedError: it is no TIFF.
        """
        head = source.read(base, min(16, max(8, source.size - base)))
        if head[:2] not in (b"II", b"MM"):
            raise MalformedError("no TIFF byte order")
        self.source = source
        self.base = base
        self.order = "<" if head[:2] == b"II" else ">"
        # RAW formats put their own number where TIFF has 42: only BigTIFF's 43 changes the layout.
        self._big = struct.unpack(f"{self.order}H", head[2:4])[0] == 43
        if self._big and len(head) < 16:
            raise MalformedError("no BigTIFF header")
        where = head[8:16] if self._big else head[4:8]
        self.first_offset: int = struct.unpack(f"{self.order}{'Q' if self._big else 'I'}", where)[0]

    def directory(self, offset: int) -> Directory:
        """The directory at `offset`.

        Raises:
            MalformedError: it reaches beyond the end, or has more entries than any real one.
        """
        start = self.base + offset
        count_code, entry_code, count_bytes, entry_bytes = ("Q", "HHQ8s", 8, 20) if self._big else ("H", "HHI4s", 2, 12)
        (count,) = struct.unpack(f"{self.order}{count_code}", self.source.read(start, count_bytes))
        if not 0 < count <= _MAX_ENTRIES:
            raise MalformedError(f"a directory of {count} entries")
        table = self.source.read(start + count_bytes, count * entry_bytes)
        entries = {}
        for index, (tag, kind, values, inline) in enumerate(struct.iter_unpack(self.order + entry_code, table)):
            length = _TYPE_BYTES.get(kind, 0) * values
            if not length:
                continue
            if length <= len(inline):
                where = start + count_bytes + index * entry_bytes + entry_bytes - len(inline)
            else:
                where = self.base + struct.unpack(f"{self.order}{'Q' if self._big else 'I'}", inline)[0]
            entries[tag] = Entry(kind, values, where, length)
        return Directory(self, entries, self._next_offset(start + count_bytes + len(table)))

    def _next_offset(self, where: int) -> int:
        """The offset behind a directory; 0 if the file ends there, as some writers leave it out."""
        width = 8 if self._big else 4
        if where + width > self.source.size:
            return 0
        (offset,) = struct.unpack(f"{self.order}{'Q' if self._big else 'I'}", self.source.read(where, width))
        return int(offset)

    def directories(self) -> Iterator[Directory]:
        """The main chain and all sub-directories, each once, in file order.

        Raises:
            MalformedError: one of them is broken, or there are too many.
        """
        seen: set[int] = set()
        waiting = [self.first_offset]
        while waiting:
            offset = waiting.pop(0)
            if offset == 0 or offset in seen:
                continue
            if len(seen) >= _MAX_DIRECTORIES:
                raise MalformedError("too many directories")
            seen.add(offset)
            directory = self.directory(offset)
            yield directory
            if Tag.SUB_DIRECTORIES in directory:
                waiting.extend(directory.integers(Tag.SUB_DIRECTORIES)[:_MAX_DIRECTORIES])
            waiting.append(directory.next_offset)


def image_data(directory: Directory) -> Iterator[tuple[int, int]]:
    """(absolute offset, length) of a directory's strips or tiles, in order; none if it holds no pixels.

    Raises:
        MalformedError: offsets and lengths do not match.
    """
    for offsets_tag, lengths_tag in (
        (Tag.STRIP_OFFSETS, Tag.STRIP_LENGTHS),
        (Tag.TILE_OFFSETS, Tag.TILE_LENGTHS),
    ):
        offsets, lengths = directory.integers(offsets_tag), directory.integers(lengths_tag)
        if len(offsets) != len(lengths):
            raise MalformedError("strips or tiles without offsets or lengths")
        for offset, length in zip(offsets, lengths, strict=True):
            yield directory.base + offset, length


def digest_tiff(source: ByteSource, digest: PayloadDigest) -> None:
    """Hash the pictures of a TIFF, or of a RAW format built on it.

    Raises:
        MalformedError: it is cut short, holds no strips or tiles, or is no TIFF.
    """
    has_data = False
    for directory in TiffFile(source).directories():
        pieces = list(_pieces(directory, source))
        if not pieces:
            continue
        for tag in _PIXEL_FACTS:
            values = directory.integers(tag)
            digest.note(tag, len(values), *values)
        for offset, length in pieces:
            digest.note(length)
            digest.payload(offset, length)
        has_data = True
    if not has_data:
        raise MalformedError("no image data")


def _pieces(directory: Directory, source: ByteSource) -> Iterator[tuple[int, int]]:
    """Like `image_data`, but knows where Panasonic keeps its pixels: from an offset of their own to the end."""
    offset = directory.integer(Tag.PANASONIC_RAW_OFFSET)
    if Tag.PANASONIC_JPEG in directory and offset:
        yield offset, source.size - offset
    else:
        yield from image_data(directory)
