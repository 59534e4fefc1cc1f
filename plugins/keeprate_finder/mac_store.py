"""Extended attributes on macOS, by the system's C library: Python has calls for them on Linux only.

The functions are those of <sys/xattr.h>: like Linux's, with a position (always 0 here) and options besides.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from typing import Any

_CREATE, _REPLACE = 0x0002, 0x0004
"""XATTR_CREATE and XATTR_REPLACE of <sys/xattr.h>."""
_NO_ATTRIBUTE = 93
"""ENOATTR of macOS's <sys/errno.h>."""


class MacStore:
    """The calls of macOS's C library; `library` takes its place in tests."""

    def __init__(self, library: Any = None) -> None:
        self._library = library or ctypes.CDLL(None, use_errno=True)
        if library is None:
            self._declare()

    def get(self, descriptor: int, name: str) -> bytes | None:
        while True:
            size = self._library.fgetxattr(descriptor, os.fsencode(name), None, 0, 0, 0)
            if size < 0:
                if ctypes.get_errno() in (_NO_ATTRIBUTE, errno.ENODATA):
                    return None
                raise _error()
            buffer = ctypes.create_string_buffer(max(size, 1))
            got = self._library.fgetxattr(descriptor, os.fsencode(name), buffer, size, 0, 0)
            if got >= 0:
                return buffer.raw[:got]
            if ctypes.get_errno() not in (errno.ERANGE, _NO_ATTRIBUTE):  # else it changed in between: ask again
                raise _error()

    def set(self, descriptor: int, name: str, value: bytes, *, new: bool) -> None:
        options = _CREATE if new else _REPLACE
        if self._library.fsetxattr(descriptor, os.fsencode(name), value, len(value), 0, options) != 0:
            raise _error()

    def remove(self, descriptor: int, name: str) -> None:
        if self._library.fremovexattr(descriptor, os.fsencode(name), 0) != 0:
            raise _error()

    def _declare(self) -> None:
        """Sizes are 64 bits wide: without this, ctypes would take them for C's `int`."""
        descriptor, name, data = ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p
        size, position, options = ctypes.c_size_t, ctypes.c_uint32, ctypes.c_int
        self._library.fgetxattr.argtypes = [descriptor, name, data, size, position, options]
        self._library.fgetxattr.restype = ctypes.c_ssize_t
        self._library.fsetxattr.argtypes = [descriptor, name, ctypes.c_char_p, size, position, options]
        self._library.fremovexattr.argtypes = [descriptor, name, options]


def system_store() -> MacStore | None:
    """The store of this system; None where there is no Finder."""
    return MacStore() if sys.platform == "darwin" else None


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
