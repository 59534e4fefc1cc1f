"""Bounded access to untrusted bytes, on disk or in memory.

Files are read with ordinary reads, not mapped: a photo that shrinks while it is mapped (a copy that is started
over) would kill the process with SIGBUS, a short read is merely an error.
"""

from __future__ import annotations

import errno
import os
import stat
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Protocol

CHUNK_BYTES = 1 << 20
MAX_PIECE_BYTES = 64 << 20
"""The most that is ever read in one piece: far more than any header, table or embedded preview needs."""


class MalformedError(Exception):
    """The bytes are not what their format says: truncated, contradictory, or of an unknown variant."""


class ByteSource(Protocol):
    """Some bytes of known length that can be read from anywhere."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`.

        Raises:
            MalformedError: they are not all there, or are more than `MAX_PIECE_BYTES`.
            OSError: reading failed.
        """


class MemorySource:
    """Bytes in memory."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data).cast("B")
        self.size = len(self._data)

    def read(self, offset: int, length: int) -> bytes:
        _check_range(self.size, offset, length)
        return bytes(self._data[offset : offset + length])


class FileSource:
    """An open file. Its size is taken once; what is not there any more when it is read is an error.

    Reads move the stream's position, so one stream serves one reader at a time.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size = os.fstat(stream.fileno()).st_size

    def read(self, offset: int, length: int) -> bytes:
        _check_range(self.size, offset, length)
        self._stream.seek(offset)
        data = self._stream.read(length)
        if len(data) != length:
            raise MalformedError("the file became shorter while it was read")
        return data


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading without ever blocking on a pipe, a socket or a device.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    stream = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    return stream


class PayloadDigest:
    """Hashes the picture's bytes out of a source, and refuses to hash more than there are.

    The budget keeps a hostile file that names one strip a million times from costing hours.
    """

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._hash = blake2b(digest_size=16)
        self._budget = source.size

    def note(self, *facts: int | bytes) -> None:
        """Hash structure: numbers as 8 bytes, bytes as they are."""
        for fact in facts:
            self._hash.update((fact & (1 << 64) - 1).to_bytes(8, "big") if isinstance(fact, int) else fact)

    def payload(self, offset: int, length: int) -> None:
        """Hash `length` bytes of the source from `offset`.

        Raises:
            MalformedError: they are not all there, or more has been hashed than the source holds.
        """
        _check_range(self._source.size, offset, length)
        self._budget -= length
        if self._budget < 0:
            raise MalformedError("the same bytes are named again and again")
        for start in range(offset, offset + length, CHUNK_BYTES):
            self._hash.update(self._source.read(start, min(CHUNK_BYTES, offset + length - start)))

    def hexdigest(self) -> str:
        """32 hexadecimal digits (BLAKE2b-128)."""
        return self._hash.hexdigest()


def _check_range(size: int, offset: int, length: int) -> None:
    if offset < 0 or length < 0 or offset + length > size:
        raise MalformedError(f"{length} bytes at {offset} are named, but the file ends at {size}")
