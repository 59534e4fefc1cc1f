"""Reasons to leave a file alone, found out before anything is written."""

from __future__ import annotations

import os
import time
from pathlib import Path

from keeprate.safe_files import FileState

_DATALESS_FLAG = 0x40000000
"""macOS, `SF_DATALESS` in <sys/stat.h>: the content lies in the cloud."""
_SURELY_ON_DISK_BYTES = 64 * 1024
"""Smaller files may live in the inode and take no block of their own."""
_CLOCK_SKEW_S = 60.0
"""A change time in the near future is that of a file server whose clock runs ahead; it is young all the same."""

TOO_YOUNG = "it changed a moment ago"
"""The one reason that goes away by itself."""
MOUNTED_READ_ONLY = "it lies on a file system that is mounted read-only"


def reason_to_leave(path: Path, state: FileState, *, root: Path, minimum_age_s: float) -> str | None:
    """Why the file at `path` must not be rewritten; None if it may. `root` has its links resolved."""
    if state.link_count > 1:
        return "it has several names (hard links), and a rewrite would part them"
    if not state.mode & 0o222:
        return "it is write-protected"
    if os.geteuid() not in (0, state.owner):
        return "it belongs to another user, and a rewrite would make it ours"
    if not lies_within(path, root):
        return "it is a link out of the library"
    # The change time alone: no program can set it, and every write moves it.
    age_s = time.time() - state.ctime_ns / 1e9
    if minimum_age_s > 0 and -_CLOCK_SKEW_S < age_s < minimum_age_s:
        return TOO_YOUNG
    return None


def reason_to_leave_folder(folder: Path) -> str | None:
    """Why nothing can be written into a folder; None if it can be tried."""
    if is_mounted_read_only(folder):
        return MOUNTED_READ_ONLY
    return None if os.access(folder, os.W_OK) else "keeprate may not write into this folder"


def is_mounted_read_only(folder: Path) -> bool:
    """Whether nobody can write where `folder` lies."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False  # it is gone: whoever looks for its files says so


def is_placeholder(path: Path) -> bool:
    """Whether only the name is here and the content would be fetched from a cloud as soon as it is read."""
    try:
        information = path.stat()
    except OSError:
        return False
    if getattr(information, "st_flags", 0) & _DATALESS_FLAG:
        return True
    return information.st_size >= _SURELY_ON_DISK_BYTES and information.st_blocks == 0


def lies_within(path: Path, root: Path) -> bool:
    """Whether the file that `path` leads to, links followed, lies in `root`, which has its links resolved."""
    return Path(os.path.realpath(path)).is_relative_to(root)
