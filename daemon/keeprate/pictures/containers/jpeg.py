"""Which bytes of a JPEG are the picture: everything up to the first EOI but APP0–APP15 and COM segments.

Quantisation and Huffman tables belong to it (the same scan data mean another picture with other tables);
what follows the first EOI does not (MPF and gain-map images, motion-photo films, maker trailers).
Segments: ITU-T T.81, annex B.
"""

from __future__ import annotations

import numpy as np

from keeprate.pictures.containers.source import CHUNK_BYTES, ByteSource, MalformedError, PayloadDigest

_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_RESTARTS = range(0xD0, 0xD8)
_APPLICATION = range(0xE0, 0xF0)
_MAX_SEGMENTS = 10_000


def digest_jpeg(source: ByteSource, digest: PayloadDigest) -> None:
    """Hash the picture of a JPEG.

    Raises:
        MalformedError: it is cut short, holds no scan, or is no JPEG.
    """
    if source.read(0, 2) != b"\xff\xd8":
        raise MalformedError("no SOI marker")
    position, has_scan = 2, False
    for _ in range(_MAX_SEGMENTS):
        marker, position = _next_marker(source, position)
        if marker == _EOI:
            if not has_scan:
                raise MalformedError("no scan before the end of the image")
            return
        if marker < 0xC0 or marker == _SOI or marker in _RESTARTS:
            raise MalformedError(f"marker FF{marker:02X} where a segment should start")
        length = int.from_bytes(source.read(position, 2), "big")
        if length < 2:
            raise MalformedError(f"a segment of length {length}")
        end = position + length
        if marker not in _APPLICATION and marker != _COM:
            digest.note(marker)
            digest.payload(position, length)
        if marker == _SOS:
            has_scan = True
            scan_end = _end_of_scan(source, end)
            digest.payload(end, scan_end - end)
            end = scan_end
        position = end
    raise MalformedError("too many segments")


def _next_marker(source: ByteSource, position: int) -> tuple[int, int]:
    """The marker code at `position` and where its segment's length stands; fill bytes (FF) may come before."""
    head = source.read(position, 2)
    if head[0] != 0xFF:
        raise MalformedError("no marker where a segment should start")
    position += 2
    code = head[1]
    while code == 0xFF:
        code = source.read(position, 1)[0]
        position += 1
    return code, position


def _end_of_scan(source: ByteSource, start: int) -> int:
    """Where the entropy-coded data from `start` end: at the first FF that is neither stuffed nor a restart."""
    position = start
    while position < source.size - 1:
        length = min(CHUNK_BYTES, source.size - position)
        data = np.frombuffer(source.read(position, length), np.uint8)
        escapes = np.flatnonzero(data[:-1] == 0xFF)
        codes = data[escapes + 1]
        ends = np.flatnonzero((codes != 0) & (codes & 0xF8 != 0xD0) & (codes != 0xFF))
        if ends.size:
            return position + int(escapes[ends[0]])
        position += length - 1  # the last byte again: it may be the FF of a pair
    raise MalformedError("the scan never ends")
