"""The calls of macOS's C library, answered by a stand-in that checks them and keeps Linux's attributes."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keeprate_finder.mac_store import MacStore
from support.attributes import all_attributes, need_attributes

_NO_ATTRIBUTE = 93
"""macOS's ENOATTR."""


class MacLibrary:
    """fgetxattr and its kin as the manual page xattr(2) of macOS describes them."""

    def fgetxattr(self, file: int, name: bytes, buffer: object, size: int, position: int, options: int) -> int:
        assert (position, options) == (0, 0)

        def get() -> int:
            value = os.getxattr(file, b"user." + name)
            if buffer is not None:
                if len(value) > size:
                    raise OSError(errno.ERANGE, "too small")
                ctypes.memmove(buffer, value, len(value))  # type: ignore[arg-type]
            return len(value)

        return self._answer(get)

    def fsetxattr(self, file: int, name: bytes, value: bytes, size: int, position: int, options: int) -> int:
        assert (position, size) == (0, len(value))
        flags = {0x2: os.XATTR_CREATE, 0x4: os.XATTR_REPLACE}[options]
        return self._answer(lambda: os.setxattr(file, b"user." + name, value, flags))

    def fremovexattr(self, file: int, name: bytes, options: int) -> int:
        assert options == 0
        return self._answer(lambda: os.removexattr(file, b"user." + name))

    def _answer(self, call: Callable[[], object]) -> int:
        try:
            answer = call()
        except OSError as error:
            ctypes.set_errno(_NO_ATTRIBUTE if error.errno == errno.ENODATA else error.errno or 0)
            return -1
        return answer if isinstance(answer, int) else 0


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    need_attributes(tmp_path)
    descriptor = os.open(tmp_path / "a.jpg", os.O_CREAT | os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_values_come_back_and_go(descriptor: int, tmp_path: Path) -> None:
    store = MacStore(MacLibrary())
    assert store.get(descriptor, "tags") is None
    store.set(descriptor, "tags", b"bplist\0\xff", new=True)
    assert store.get(descriptor, "tags") == b"bplist\0\xff"
    store.set(descriptor, "tags", b"", new=False)
    assert store.get(descriptor, "tags") == b""
    store.remove(descriptor, "tags")
    assert all_attributes(tmp_path / "a.jpg") == {}


def test_failures_are_told_with_their_number(descriptor: int) -> None:
    store = MacStore(MacLibrary())
    with pytest.raises(OSError) as missing:
        store.set(descriptor, "tags", b"1", new=False)
    assert missing.value.errno == _NO_ATTRIBUTE
    store.set(descriptor, "tags", b"1", new=True)
    with pytest.raises(FileExistsError):
        store.set(descriptor, "tags", b"2", new=True)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        store.get(100_000, "tags")


def test_a_value_that_grows_while_it_is_read_is_read_again(descriptor: int) -> None:
    library = MacLibrary()
    store = MacStore(library)
    store.set(descriptor, "tags", b"1", new=True)
    original, asked = library.fgetxattr, 0

    def growing(file: int, name: bytes, buffer: object, size: int, position: int, options: int) -> int:
        nonlocal asked
        asked += 1
        if asked == 2:
            os.setxattr(file, b"user." + name, b"much longer")
        return original(file, name, buffer, size, position, options)

    library.fgetxattr = growing  # type: ignore[method-assign]
    assert store.get(descriptor, "tags") == b"much longer"
