"""Whether a library's root is there and is the folder that the catalog knows.

A root that vanishes, is empty or has become another folder means an unplugged disk or a share that is not
mounted far more often than deleted photos. Such a library is offline: nothing of it is forgotten or learned.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from keeprate.watching.exclusions import Exclusions
from keeprate.watching.mounts import fixed_devices
from keeprate.watching.signature import StoredSignature


class RootState(StrEnum):
    """What became of a library's root; only an online one may be scanned."""

    ONLINE = "online"
    MISSING = "missing"
    EMPTY = "empty"
    REPLACED = "replaced"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class RootReport:
    """The state of a root, and a sentence that tells a person why and what to do."""

    state: RootState
    sentence: str
    device: int | None = None
    """`st_dev` of the root now; None if it cannot be looked at. To be remembered when online."""
    inode: int | None = None
    """`st_ino` of the root now, likewise."""

    @property
    def online(self) -> bool:
        return self.state is RootState.ONLINE


def root_state(
    root: Path,
    *,
    known_device: int | None,
    known_inode: int | None,
    sample: Mapping[str, StoredSignature],
    exclude: Exclusions,
) -> RootReport:
    """Look at `root` and say whether it may be scanned.

    `known_device` and `known_inode` are what the last online report said (None: never seen, any folder will do).
    `sample` holds some files (20 to 50, path → signature) that the catalog believes to be there; an empty one
    says that the catalog knows none, and then an empty root is fine.

    Numbers prove little: those of devices change over reboots and re-plugging (USB, btrfs, NFS), and two memory
    cards in one reader have the same one, with the same inode for their top folders. So only on the disk of the
    system or of the home folder do known numbers suffice. Elsewhere the sample decides: the same place has at
    least one of the files with size and modification time unchanged, or half of them with their size (times
    shift when a disk is copied).
    """
    try:
        status = root.stat()
        if not stat.S_ISDIR(status.st_mode):
            return RootReport(RootState.MISSING, f"{root} is not a folder.")
        with os.scandir(root) as entries:
            is_empty = all(exclude.excludes_name(entry.name) for entry in entries)
    except PermissionError:
        return RootReport(RootState.DENIED, f"{root} cannot be read: permission denied.")
    except (FileNotFoundError, NotADirectoryError):
        return RootReport(RootState.MISSING, f"{root} is not there. Is its disk plugged in, its share mounted?")
    except OSError as error:
        return RootReport(RootState.MISSING, f"{root} cannot be read: {error.strerror or error}.")
    device, inode = status.st_dev, status.st_ino
    if sample and is_empty:
        sentence = f"{root} is empty, although it held photos. Is its disk plugged in, its share mounted?"
        return RootReport(RootState.EMPTY, sentence, device, inode)
    is_same_folder = (device, inode) == (known_device, known_inode) and device in fixed_devices()
    if known_device is None or is_same_folder or not sample or _holds_known_files(sample):
        return RootReport(RootState.ONLINE, f"{root} is there.", device, inode)
    sentence = f"{root} is another folder than before: none of the known photos is in it. Was another disk mounted?"
    return RootReport(RootState.REPLACED, sentence, device, inode)


def _holds_known_files(sample: Mapping[str, StoredSignature]) -> bool:
    same_size = 0
    for path, (size, mtime_ns, _, _) in sample.items():
        try:
            status = os.stat(path)
        except OSError:
            continue
        if status.st_size == size:
            if status.st_mtime_ns == mtime_ns:
                return True
            same_size += 1
    return same_size * 2 >= len(sample)
