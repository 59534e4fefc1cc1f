"""The XMP segment of a JPEG: find it, and swap it for another one with every other byte kept.

Bytes in, bytes out; knows the file format (ITU T.81 annex B; XMP specification part 3, 1.1.3) and nothing of
what XMP says. It never re-encodes a picture and never moves another segment relative to its neighbours.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

XMP_SIGNATURE = b"http://ns.adobe.com/xap/1.0/\0"
MAXIMUM_PACKET_BYTES = 65_502
"""What fits into one segment beside its length and signature."""
_EXIF_SIGNATURE = b"Exif\0"
_MPF_SIGNATURE = b"MPF\0"
_SOI, _EOI, _SOS, _APP0, _APP1, _APP2 = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xE2
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_MAXIMUM_SEGMENTS = 10_000
_LONGEST_SIGNATURE = len(XMP_SIGNATURE)


class JpegError(ValueError):
    """The JPEG cannot be changed safely; the text says why."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment before the picture data; offsets into the file, end exclusive."""

    marker: int
    start: int
    end: int
    signature: bytes
    """The first bytes of the payload, enough to tell what it is."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The segments of a JPEG up to its first scan."""

    segments: tuple[Segment, ...]
    scan_start: int
    xmp: Segment | None
    insert_at: int
    """Where an XMP segment goes if there is none: after the leading JFIF and Exif segments."""
    multi_picture: Segment | None
    """The MPF index (CIPA DC-007), whose offsets count from its own place."""

    @property
    def fixed_length(self) -> bool:
        """Whether the XMP must keep its length: it lies after an index that counts bytes from its own place."""
        return self.xmp is not None and self.multi_picture is not None and self.xmp.start > self.multi_picture.start


def is_jpeg(start: bytes) -> bool:
    """Whether the first bytes of a file are those of a JPEG."""
    return start[:3] == b"\xff\xd8\xff"


def read_layout(file: BinaryIO) -> Layout:
    """Walk the segments of an open JPEG, reading headers only.

    Raises:
        JpegError: no JPEG, cut off, damaged, without picture data, or with two XMP packets.
    """
    file.seek(0)
    if file.read(2) != bytes((0xFF, _SOI)):
        raise JpegError("it is no JPEG")
    segments: list[Segment] = []
    position = 2
    for _ in range(_MAXIMUM_SEGMENTS):
        file.seek(position)
        head = file.read(4 + _LONGEST_SIGNATURE)
        if len(head) < 4 or head[0] != 0xFF:
            raise JpegError("its segments are damaged or cut off")
        marker = head[1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == _SOS:
            return _layout(tuple(segments), position)
        if marker in (_EOI, _SOI, 0x00):
            raise JpegError("it holds no picture")
        length = 0 if marker in _WITHOUT_LENGTH else int.from_bytes(head[2:4], "big")
        if marker not in _WITHOUT_LENGTH and length < 2:
            raise JpegError("its segments are damaged")
        end = position + 2 + length
        segments.append(Segment(marker, position, end, head[4 : min(len(head), end - position)]))
        position = end
    raise JpegError("it has too many segments")


def read_packet(file: BinaryIO, layout: Layout) -> bytes | None:
    """The XMP packet of an open JPEG; None if it has none."""
    if layout.xmp is None:
        return None
    file.seek(layout.xmp.start + 4 + len(XMP_SIGNATURE))
    return file.read(layout.xmp.end - file.tell())


def splice(data: bytes, packet: bytes | None) -> bytes:
    """The JPEG `data` with `packet` as its XMP, replaced or put in; None takes the XMP segment out.

    Raises:
        JpegError: the packet is too long, or changing its length would break the file, or the file is cut off.
    """
    layout = read_layout(io.BytesIO(data))
    if data.find(b"\xff\xd9", layout.scan_start) < 0:
        raise JpegError("it has no end: still being copied, or cut off")
    segment = b""
    if packet is not None:
        if len(packet) > MAXIMUM_PACKET_BYTES:
            raise JpegError(f"the XMP would be longer than {MAXIMUM_PACKET_BYTES} bytes")
        payload = XMP_SIGNATURE + packet
        segment = bytes((0xFF, _APP1)) + (len(payload) + 2).to_bytes(2, "big") + payload
    start, end = (layout.xmp.start, layout.xmp.end) if layout.xmp else (layout.insert_at, layout.insert_at)
    if layout.fixed_length and len(segment) != end - start:
        raise JpegError("its XMP lies behind the index of further pictures (MPF), which a new length would break")
    changed = data[:start] + segment + data[end:]
    _verify(data, changed)
    return changed


def _layout(segments: tuple[Segment, ...], scan_start: int) -> Layout:
    packets = [segment for segment in segments if _is(segment, _APP1, XMP_SIGNATURE)]
    if len(packets) > 1:
        raise JpegError("it has two XMP packets")
    insert_at = 2
    for segment in segments:
        if segment.marker != _APP0 and not _is(segment, _APP1, _EXIF_SIGNATURE):
            break
        insert_at = segment.end
    return Layout(
        segments=segments,
        scan_start=scan_start,
        xmp=packets[0] if packets else None,
        insert_at=insert_at,
        multi_picture=next((found for found in segments if _is(found, _APP2, _MPF_SIGNATURE)), None),
    )


def _is(segment: Segment, marker: int, signature: bytes) -> bool:
    return segment.marker == marker and segment.signature.startswith(signature)


def _verify(before: bytes, after: bytes) -> None:
    """Everything but the XMP segment must be the same bytes in the same order."""
    parts = []
    for data in (before, after):
        layout = read_layout(io.BytesIO(data))
        others = [data[segment.start : segment.end] for segment in layout.segments if segment is not layout.xmp]
        parts.append((others, data[layout.scan_start :]))
    if parts[0] != parts[1]:
        raise JpegError("the edit would change more than the XMP")
