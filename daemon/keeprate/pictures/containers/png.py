"""Which bytes of a PNG are the picture: header, palette, transparency, image data and animation frames.

How the data are cut into chunks does not count, nor do text, Exif, times, colour-space and gamma chunks.
Chunks: W3C PNG specification, third edition, §5 and §11.
"""

from __future__ import annotations

from keeprate.pictures.containers.source import ByteSource, MalformedError, PayloadDigest

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_STRUCTURE = frozenset({b"IHDR", b"PLTE", b"tRNS", b"acTL"})
_MAX_CHUNKS = 1_000_000


def digest_png(source: ByteSource, digest: PayloadDigest) -> None:
    """Hash the picture of a PNG or APNG.

    Raises:
        MalformedError: it is cut short, holds no image data, or is no PNG.
    """
    if source.read(0, 8) != SIGNATURE:
        raise MalformedError("no PNG signature")
    position, stream, stream_length, has_data = 8, b"", 0, False
    for _ in range(_MAX_CHUNKS):
        head = source.read(position, 8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        body = position + 8
        position = body + length + 4  # the CRC
        if position > source.size:
            raise MalformedError("a chunk reaches beyond the end of the file")
        if stream and kind != stream:
            digest.note(stream_length)  # the streams' lengths keep them apart in the hash
            stream, stream_length = b"", 0
        if kind in (b"IDAT", b"fdAT"):
            skipped = 0 if kind == b"IDAT" else _after_sequence_number(length)
            if not stream:
                digest.note(kind)
            stream, stream_length = kind, stream_length + length - skipped
            digest.payload(body + skipped, length - skipped)
            has_data = True
        elif kind in _STRUCTURE:
            digest.note(kind, length)
            digest.payload(body, length)
        elif kind == b"fcTL":
            skipped = _after_sequence_number(length)
            digest.note(kind, length - skipped)
            digest.payload(body + skipped, length - skipped)
        elif kind == b"IEND":
            if not has_data:
                raise MalformedError("no image data")
            return
    raise MalformedError("too many chunks")


def _after_sequence_number(length: int) -> int:
    """Animation chunks start with a running number, which depends on how the data are cut: 4 bytes, left out."""
    if length < 4:
        raise MalformedError("an animation chunk without its number")
    return 4
