"""The identity of a photo: a hash of what is pictured, not of what is said about it.

A photo keeps its key when it is renamed, moved, rated, tagged, or given another orientation flag; it gets
another one when a pixel changes. A key reads `SCHEME-HEX`, such as `jpeg1-9f2c…` (BLAKE2b, 128 bits).
What is malformed, cut short or of a format without a scheme is identified by the SHA-256 of the whole file
(`file1-…`): it is still one photo, only its metadata count. Changing what a scheme hashes means raising its
version, since catalogs outlive programs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from keeprate.pictures.containers.bmff import digest_cr3, digest_items
from keeprate.pictures.containers.jpeg import digest_jpeg
from keeprate.pictures.containers.png import digest_png
from keeprate.pictures.containers.raf import digest_raf
from keeprate.pictures.containers.source import (
    CHUNK_BYTES,
    ByteSource,
    FileSource,
    MalformedError,
    MemorySource,
    PayloadDigest,
    open_regular,
)
from keeprate.pictures.containers.tiff import digest_tiff
from keeprate.pictures.containers.webp import digest_webp
from keeprate.pictures.formats import SNIFF_BYTES, Format, sniff

_Scheme = tuple[str, Callable[[ByteSource, PayloadDigest], None]]
_TIFF: _Scheme = ("tiff1", digest_tiff)
_SCHEMES: dict[Format, _Scheme] = {
    Format.JPEG: ("jpeg1", digest_jpeg),
    Format.PNG: ("png1", digest_png),
    Format.WEBP: ("webp1", digest_webp),
    Format.TIFF: _TIFF,
    Format.CR2: _TIFF,
    Format.RW2: _TIFF,
    Format.ORF: _TIFF,
    Format.HEIF: ("heif1", digest_items),
    Format.AVIF: ("heif1", digest_items),
    Format.CR3: ("crx1", digest_cr3),
    Format.RAF: ("raf1", digest_raf),
}
WHOLE_FILE_SCHEME = "file1"
"""The scheme of keys that change with the metadata, too."""


def content_key(path: Path) -> str:
    """The content key of a file: reads it in pieces of 1 MiB, at about the speed of the hash.

    Raises:
        OSError: it cannot be read, or is not a regular file. A file that is broken in itself still has a key.
    """
    with open_regular(path) as stream:
        return _key(FileSource(stream))


def content_key_of(data: bytes | memoryview) -> str:
    """The content key of a picture in memory; the same as that of a file with these bytes. Never raises."""
    return _key(MemorySource(data))


def _key(source: ByteSource) -> str:
    scheme = _SCHEMES.get(sniff(source.read(0, min(SNIFF_BYTES, source.size))))
    if scheme is not None:
        name, digest_picture = scheme
        digest = PayloadDigest(source)
        try:
            digest_picture(source, digest)
        except MalformedError:
            pass  # the whole file is its identity then
        else:
            return f"{name}-{digest.hexdigest()}"
    return f"{WHOLE_FILE_SCHEME}-{_whole_file(source)}"


def _whole_file(source: ByteSource) -> str:
    """SHA-256 of everything. A file that shrinks meanwhile is hashed as far as it could be read."""
    digest = hashlib.sha256()
    try:
        for start in range(0, source.size, CHUNK_BYTES):
            digest.update(source.read(start, min(CHUNK_BYTES, source.size - start)))
    except MalformedError:
        digest.update(b"shrank while it was read")  # must not be taken for a shorter file that is whole
    return digest.hexdigest()
