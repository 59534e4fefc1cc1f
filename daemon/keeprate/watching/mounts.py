"""Which file system a folder lies on, and what can be expected of it."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

# fmt: off
_REMOTE = frozenset({
    "9p", "afp", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "davfs2", "glusterfs", "lustre",
    "ncpfs", "nfs", "nfs3", "nfs4", "ocfs2", "orangefs", "prl_fs", "smb2", "smb3", "smbfs", "vboxsf",
    "virtiofs", "vmhgfs", "webdav",
})
"""File systems that others can change without this machine's kernel noticing."""

_NUMBERED_AFRESH = frozenset({
    "9p", "cifs", "davfs", "davfs2", "exfat", "msdos", "msdosfs", "prl_fs", "smb2", "smb3", "smbfs",
    "vboxsf", "vfat", "webdav",
})
"""File systems that store no inode numbers (or may not), so that the kernel makes them up at every mount."""
# fmt: on


@dataclass(frozen=True, slots=True)
class Mount:
    """A file system in its place."""

    point: str
    """The folder that it is mounted at."""
    file_system: str
    """Its type as the system calls it: `ext4`, `nfs4`, `fuse.sshfs` …"""

    @property
    def reports_changes(self) -> bool:
        """Whether every change raises an event here; on network and FUSE mounts those made elsewhere do not.

        `fuseblk` (NTFS and exFAT disks by way of FUSE) is a local disk that only this machine changes.
        """
        return not (self.file_system in _REMOTE or self.file_system.startswith(("fuse.", "macfuse", "osxfuse")))

    @property
    def keeps_inodes(self) -> bool:
        """Whether a file has the same inode number after the next mount."""
        return not (self.file_system in _NUMBERED_AFRESH or self.file_system.startswith("fuse"))


ReadMounts = Callable[[], Sequence[Mount]]


def read_mounts() -> list[Mount]:
    """All mounts, in the order that they were made; an empty list where the system does not tell."""
    try:
        return parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())
    except OSError:
        pass
    try:
        return [Mount(part.mountpoint, part.fstype) for part in psutil.disk_partitions(all=True)]
    except OSError:
        return []


def parse_mountinfo(text: bytes) -> list[Mount]:
    """The mounts in `/proc/PID/mountinfo`, whose format is described in proc(5); broken lines are left out."""
    mounts: list[Mount] = []
    for line in text.splitlines():
        before, separator, after = line.partition(b" - ")
        fields = before.split(b" ")
        if separator and len(fields) >= 5 and after:
            mounts.append(Mount(_unescape(fields[4]), os.fsdecode(after.split(b" ", 1)[0])))
    return mounts


def mount_of(path: Path, read: ReadMounts = read_mounts) -> Mount | None:
    """The mount that `path`, which need not exist, lies on (links followed); None if the system does not tell."""
    real = os.path.realpath(path)
    best: Mount | None = None
    for mount in read():
        prefix = mount.point.rstrip("/") + "/"
        # Of two mounts in one place, the later one hides the earlier.
        if f"{real}/".startswith(prefix) and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def fixed_devices() -> set[int]:
    """`st_dev` of the disks that cannot go away while keeprate runs: those of the system and of the home folder."""
    devices: set[int] = set()
    for place in ("/", "~"):
        with contextlib.suppress(OSError, RuntimeError):  # no such folder; no home
            devices.add(Path(place).expanduser().stat().st_dev)
    return devices


def _unescape(field: bytes) -> str:
    """The kernel writes space, tab, newline and backslash as three octal digits."""
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8) & 0xFF]), field))
