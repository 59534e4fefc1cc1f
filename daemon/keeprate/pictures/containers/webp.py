"""Which bytes of a WebP are the picture: its bitstreams, alpha and animation chunks.

VP8X is left out: its flags tell whether there are metadata. Chunks: RFC 9649, §2.
"""

from __future__ import annotations

from keeprate.pictures.containers.source import ByteSource, MalformedError, PayloadDigest

_PICTURE = frozenset({b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"})
_BITSTREAMS = frozenset({b"VP8 ", b"VP8L", b"ANMF"})
_MAX_CHUNKS = 1_000_000


def digest_webp(source: ByteSource, digest: PayloadDigest) -> None:
    """Hash the picture of a WebP.

    Raises:
        MalformedError: it is cut short, holds no bitstream, or is no WebP.
    """
    head = source.read(0, 12)
    if head[:4] != b"RIFF" or head[8:] != b"WEBP":
        raise MalformedError("no WebP header")
    end = 8 + int.from_bytes(head[4:8], "little")
    if end > source.size:
        raise MalformedError("the file is shorter than its header says")
    position, has_data = 12, False
    for _ in range(_MAX_CHUNKS):
        if position + 8 > end:
            break
        chunk = source.read(position, 8)
        kind, length = chunk[:4], int.from_bytes(chunk[4:], "little")
        if kind in _PICTURE:
            digest.note(kind, length)
            digest.payload(position + 8, length)
            has_data = has_data or kind in _BITSTREAMS
        position += 8 + length + (length & 1)
    else:
        raise MalformedError("too many chunks")
    if not has_data:
        raise MalformedError("no image data")
