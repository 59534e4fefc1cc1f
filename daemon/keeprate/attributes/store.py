"""Extended attributes of an open file, as the system keeps them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

UNSUPPORTED = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""What a file system without extended attributes answers."""


class AttributeStore(Protocol):
    """Attributes by name; every method takes a file descriptor and raises OSError."""

    def get(self, descriptor: int, name: str) -> bytes | None:
        """The value; None if there is none."""

    def set(self, descriptor: int, name: str, value: bytes, *, new: bool) -> None:
        """Set a value: with `new` one that must not be there yet (else FileExistsError), without one that must be."""

    def remove(self, descriptor: int, name: str) -> None:
        """Remove a value."""


class LinuxStore:
    """The calls that Python has on Linux."""

    def get(self, descriptor: int, name: str) -> bytes | None:
        try:
            return os.getxattr(descriptor, name)
        except OSError as error:
            if error.errno == errno.ENODATA:
                return None
            raise

    def set(self, descriptor: int, name: str, value: bytes, *, new: bool) -> None:
        os.setxattr(descriptor, name, value, os.XATTR_CREATE if new else os.XATTR_REPLACE)

    def remove(self, descriptor: int, name: str) -> None:
        os.removexattr(descriptor, name)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A regular file held by a descriptor, so that nothing can be put in its place meanwhile; no link is followed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
        yield descriptor
    finally:
        os.close(descriptor)
