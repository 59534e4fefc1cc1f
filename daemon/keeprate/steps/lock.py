"""One process at a time works on a home: a kernel lock, gone with its holder however that dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from keeprate.errors import BusyError, KeeprateError
from keeprate.paths import make_own_folder

UNKNOWN = 0
"""The pid of a holder that nobody can name."""
LOCKS = Path("/proc/locks")
_ATTEMPTS, _MOST_ATTEMPTS = 10, 500
"""To take a lock that somebody holds, or only looks at: 0.2 and 10 seconds."""
ADVICE = (
    "Wait until it is done: one command works at a time, and there is one daemon for each home. "
    "`keeprate status` says how things stand."
)


@contextlib.contextmanager
def hold_lock(path: Path, *, advice: str = ADVICE) -> Iterator[None]:
    """Hold the lock at `path` within the block; the file then names our pid.

    Raises:
        BusyError: another process holds it; names its pid, and gives the `advice`.
        KeeprateError: the lock file cannot be made.
    """
    try:
        make_own_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise KeeprateError(f"The lock file cannot be opened: {error.strerror}.", path=path) from error
    try:
        if not _take(handle):
            pid = _holder(handle)
            named = f" (process {pid})" if pid != UNKNOWN else ""
            raise BusyError(f"Another keeprate is at work here{named}.", advice=advice, path=path)
        with contextlib.suppress(OSError):  # the pid is for people; on a full disk the lock holds without it
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    """Take the lock, with patience for those who only look: `lock_holder` holds it shared meanwhile.

    They look for microseconds, but on a busy machine one may be put aside just then, for seconds.
    """
    for attempt in range(_MOST_ATTEMPTS):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt >= _ATTEMPTS and "READ" not in _locks_on(handle):
                return False
            time.sleep(0.02)
        else:
            return True
    return False


def lock_holder(path: Path) -> int | None:
    """The pid of the process that holds the lock, `UNKNOWN` if it cannot be told, or None: it is free."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(handle)
    finally:
        os.close(handle)
    return None


def _holder(handle: int) -> int:
    """Who holds the lock: by what the file says, or where it could not be written (a full disk), by the kernel."""
    text = os.pread(handle, 20, 0)
    if text.isdigit():
        return int(text)
    return _locks_on(handle).get("WRITE", UNKNOWN)


def _locks_on(handle: int) -> dict[str, int]:
    """The kinds of lock on a file as the kernel tells them, `READ` for those who look, each with the pid of one."""
    file = os.fstat(handle)
    place = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    found: dict[str, int] = {}
    with contextlib.suppress(OSError):  # not on Linux
        for line in LOCKS.read_text(encoding="ascii").splitlines():
            match line.split():
                case [_, "FLOCK", _, kind, pid, where, *_] if where == place and int(pid) > 0:
                    found[kind] = int(pid)
    return found
