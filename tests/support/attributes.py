"""Stores of extended attributes that live in memory and go wrong when told to."""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from pathlib import Path

import pytest

from keeprate.attributes.store import LinuxStore


class Killed(BaseException):
    """The process is gone."""


class MemoryStore:
    """Attributes by inode; `fails` says what the next writes do."""

    def __init__(self) -> None:
        self.kept: defaultdict[int, dict[str, bytes]] = defaultdict(dict)
        self.kill_in: int | None = None
        """So many writes still succeed before `Killed`."""
        self.refuse_in: int | None = None
        self.refusal = errno.EPERM
        """So many writes still succeed before one fails with this number; the later ones succeed again."""
        self.unsupported = False

    def get(self, descriptor: int, name: str) -> bytes | None:
        if self.unsupported:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        return self._of(descriptor).get(name)

    def set(self, descriptor: int, name: str, value: bytes, *, new: bool) -> None:
        self._count()
        kept = self._of(descriptor)
        if new and name in kept:
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
        assert new or name in kept
        kept[name] = value

    def remove(self, descriptor: int, name: str) -> None:
        self._count()
        del self._of(descriptor)[name]

    def at(self, path: Path) -> dict[str, bytes]:
        """What is kept for a file."""
        return self.kept[path.stat().st_ino]

    def _of(self, descriptor: int) -> dict[str, bytes]:
        return self.kept[os.fstat(descriptor).st_ino]

    def _count(self) -> None:
        if self.kill_in is not None:
            if self.kill_in == 0:
                raise Killed
            self.kill_in -= 1
        if self.refuse_in is not None:
            self.refuse_in -= 1
            if self.refuse_in < 0:
                self.refuse_in = None
                raise OSError(self.refusal, os.strerror(self.refusal))


class PrefixedStore(LinuxStore):
    """Linux's attributes under names that macOS would use: those of the user's begin with `user.`."""

    def get(self, descriptor: int, name: str) -> bytes | None:
        return super().get(descriptor, f"user.{name}")

    def set(self, descriptor: int, name: str, value: bytes, *, new: bool) -> None:
        super().set(descriptor, f"user.{name}", value, new=new)

    def remove(self, descriptor: int, name: str) -> None:
        super().remove(descriptor, f"user.{name}")


def all_attributes(path: Path) -> dict[str, bytes]:
    """Every attribute of a file, keeprate's or not."""
    return {name: os.getxattr(path, name) for name in sorted(os.listxattr(path))}


def need_attributes(folder: Path) -> None:
    """Skip where the file system of `folder`, or the system itself, keeps no attributes."""
    probe = folder / "probe"
    probe.touch()
    try:
        os.setxattr(probe, "user.keeprate.probe", b"1")
    except (OSError, AttributeError) as error:
        pytest.skip(f"no extended attributes here: {error}")
    finally:
        probe.unlink()
