"""What tells an unchanged file from a changed one without reading it."""

from __future__ import annotations

import os
from typing import NamedTuple

StoredSignature = tuple[int, int, int, int]
"""A signature as it comes back from a database row: the same four numbers without their names."""

_INODE_LIMIT = 1 << 63


class Signature(NamedTuple):
    """Size in bytes, modification and change time in nanoseconds since 1970, inode number.

    The device number is left out on purpose: it changes over reboots and re-plugging. The inode is signed (some
    network file systems use all 64 bits), so that SQLite can hold it.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def signature_of(status: os.stat_result) -> Signature:
    """The signature of the file that `status` describes."""
    inode = status.st_ino
    if inode >= _INODE_LIMIT:
        inode -= _INODE_LIMIT << 1
    return Signature(status.st_size, status.st_mtime_ns, status.st_ctime_ns, inode)
