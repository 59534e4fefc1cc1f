"""The two renames that Python does not have: never over anything, and two names swapped. Standard library only.

Linux has both in one system call, renameat2(2). Elsewhere, and on file systems that do not know it, they say so.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

_CURRENT_FOLDER = -100
"""AT_FDCWD of <fcntl.h>."""
_NO_REPLACE = 1
"""RENAME_NOREPLACE of <linux/fs.h>."""
_EXCHANGE = 2
"""RENAME_EXCHANGE of <linux/fs.h>."""


def rename_new(source: Path | str, target: Path | str) -> bool:
    """Rename without ever replacing anything (renameat2(2), RENAME_NOREPLACE); False where there is no such thing.

    A symbolic link is renamed itself.

    Raises:
        FileExistsError: something bears the name `target` already.
        OSError: it cannot be renamed.
    """
    return _rename_with(_NO_REPLACE, source, target)


def exchange(one: Path | str, other: Path | str) -> bool:
    """Swap the names of two files in one step (RENAME_EXCHANGE); False where there is no such thing.

    Raises:
        OSError: they cannot be renamed, or one is not there.
    """
    return _rename_with(_EXCHANGE, one, other)


def _rename_with(flag: int, source: Path | str, target: Path | str) -> bool:
    """renameat2(2) with one flag; False where the system or the file system does not know it."""
    renameat2 = _renameat2()
    if renameat2 is None:
        return False
    if renameat2(_CURRENT_FOLDER, os.fsencode(source), _CURRENT_FOLDER, os.fsencode(target), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), os.fspath(target))


@cache
def _renameat2() -> Callable[..., int] | None:
    """The function of the C library; None where it has none."""
    try:
        function: Callable[..., int] = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return None
    return function
