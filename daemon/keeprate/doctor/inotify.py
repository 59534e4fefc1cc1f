"""Linux only: may all folders of all libraries be watched? The limits count what all programs of this user watch."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from keeprate.doctor.finding import Finding, Patient, error, ok, warning
from keeprate.steps.lock import lock_holder
from keeprate.watching.mounts import mount_of
from keeprate.watching.watches import advice_for, watch_limit, watches_advice

COUNT_FOR_S = 3.0
"""Counting folders ends after so long; more than this time's worth is said to be "more than"."""
SCARCE = 0.8
"""Of a limit: who has used as much of it will soon have used all."""


@dataclass(frozen=True, slots=True)
class Used:
    """What the processes of this user that may be looked at hold."""

    instances: int = 0
    watches: int = 0


def look_at_inotify(patient: Patient) -> Iterator[Finding]:
    """Compare the folders that there are with the limits and with what others have taken of them."""
    if not patient.config.library:
        return  # there is none, or the config makes no sense: nothing can be said of its folders
    limit = watch_limit()
    if limit is None:
        yield ok("inotify", "This system has no limit for watched folders.")
        return
    daemon = lock_holder(patient.home.daemon_lock_file)
    used = used_by_others(except_for=() if daemon is None else (daemon,))
    watched = [library for library in patient.config.library if _sends_events(library.root)]
    folders, complete = count_folders((str(library.root) for library in watched), COUNT_FOR_S)
    yield _watches(folders, complete=complete, used=used.watches, limit=limit)
    instances = _limit_of_instances()
    if instances is not None:
        yield _instances(len(watched), used.instances, instances)


def _watches(folders: int, *, complete: bool, used: int, limit: int) -> Finding:
    name = "inotify.watches"
    there = f"{folders:,} folders" if complete else f"More than {folders:,} folders"
    said = f"{there} to watch; the system allows {limit:,}, of which other programs use {used:,}"
    if folders + used > limit:
        return error(name, f"{said}: libraries are scanned instead of watched.", watches_advice(folders + used))
    if folders + used > SCARCE * limit or not complete:
        return warning(name, f"{said}.", f"To have room for more: {watches_advice(folders + used)}")
    return ok(name, f"{said}.")


def _instances(wanted: int, used: int, limit: int) -> Finding:
    name = "inotify.instances"
    said = f"{used} programs of yours watch folders; the system allows {limit}, and keeprate needs {wanted} more"
    advice = advice_for(OSError(errno.EMFILE, "too many"), 0)
    if used + wanted > limit:
        return error(name, f"{said}: libraries are scanned instead of watched.", advice)
    if used + wanted > SCARCE * limit:
        return warning(name, f"{said}.", f"To have room for more: {advice}")
    return ok(name, f"{said}.")


def _sends_events(root: Path) -> bool:
    mount = mount_of(root)
    return mount is None or mount.reports_changes


def _limit_of_instances() -> int | None:
    limits = []
    for name in ("/proc/sys/fs/inotify/max_user_instances", "/proc/sys/user/max_inotify_instances"):
        try:
            limits.append(int(Path(name).read_text()))
        except (OSError, ValueError):
            continue
    return min(limits, default=None)


def count_folders(roots: Iterable[str], for_s: float) -> tuple[int, bool]:
    """How many folders there are at and beneath `roots`, links not followed, and whether all were counted in time."""
    deadline = time.monotonic() + for_s
    count = 0
    waiting = list(roots)
    while waiting:
        if time.monotonic() > deadline:
            return count, False
        try:
            with os.scandir(waiting.pop()) as entries:
                waiting.extend(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            continue
        count += 1
    return count, True


def used_by_others(*, except_for: Iterable[int] = (), proc: Path = Path("/proc")) -> Used:
    """The inotify instances and watches of this user's other processes, as `/proc/PID/fdinfo` tells (proc(5))."""
    leave_out = {os.getpid(), *except_for}
    instances = watches = 0
    for process in proc.iterdir():
        if not process.name.isdigit() or int(process.name) in leave_out:
            continue
        try:
            if process.stat().st_uid != os.getuid():
                continue
            for descriptor in (process / "fd").iterdir():
                if os.readlink(descriptor) == "anon_inode:inotify":  # noqa: PTH115 (no path)
                    instances += 1
                    watches += _watches_of(process / "fdinfo" / descriptor.name)
        except OSError:
            continue  # it has ended meanwhile, or may not be looked at
    return Used(instances, watches)


def _watches_of(info: Path) -> int:
    with info.open("rb") as lines:
        return sum(line.startswith(b"inotify wd:") for line in lines)
