"""A disk that can be taken out: a real mount of our own where we may mount, else a folder that goes away."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWNS = 0x00020000


@dataclass(slots=True)
class RemovableDisk:
    """What lies at `place` while the disk is there; `beside` keeps it meanwhile."""

    place: Path
    beside: Path
    mounted: bool
    is_there: bool = False

    @property
    def kind(self) -> str:
        return "mount" if self.mounted else "folder renamed away"

    def put_in(self) -> None:
        if self.mounted:
            subprocess.run(["mount", "--bind", self.beside, self.place], check=True)
        elif self.beside.exists():
            self.place.rmdir()
            self.beside.rename(self.place)
        self.is_there = True

    def take_out(self) -> None:
        """At once, whoever reads from it: as when a cable is pulled."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", self.place], check=True)
        else:
            self.place.rename(self.beside)
            self.place.mkdir()
        self.is_there = False


def removable_disk(place: Path) -> RemovableDisk:
    """A disk at `place`, which is in. Mounts are seen by this process and its children only, and end with them."""
    beside = place.with_name(f"{place.name} (disk)")
    place.mkdir(parents=True)
    disk = RemovableDisk(place, beside, mounted=_private_mounts())
    if disk.mounted:
        beside.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "keeprate-soak", beside], check=True)
    disk.put_in()
    return disk


def _private_mounts() -> bool:
    """Whether this process now has mounts of its own."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS) != 0:
        return False
    return subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, check=False).returncode == 0
