"""How much memory a process holds, and giving back to the system what it no longer needs."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

ALLOCATION = {"PYTHONMALLOC": "malloc", "MALLOC_ARENA_MAX": "1"}
"""In the environment of a process that stays. Python's own allocator gives back a megabyte only when nothing in it is
used any more, so that a look at 50,000 files leaves 10 MB for good; glibc's gives back pages of 4 kB wherever they lie.
"""
_BEGAN_ANEW = "KEEPRATE_BEGAN_ANEW"
SOON_S = 10.0
_soon = threading.Lock()
_timers: list[threading.Timer] = []
"""The one that runs, if one does."""


def resident_bytes(pid: int | None = None) -> int:
    """Resident memory of a process, this one by default; 0 if there is no such process any more.

    Linux is asked directly: psutil would cost the resident process a megabyte.
    """
    if sys.platform == "linux":
        try:
            pages = Path(f"/proc/{pid or 'self'}/statm").read_text("ascii").split()[1]
        except OSError:
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    else:  # noqa: RET505 (told apart by mypy only so)
        import psutil

        try:
            return int(psutil.Process(pid).memory_info().rss)
        except psutil.Error:
            return 0


def begin_anew_frugally() -> None:
    """Have this process begin once more, with an allocation of memory that fits one which stays. Not to be noticed.

    It keeps its process id, arguments and open files, and its environment: what the other allocation needs is taken
    out again, so that no process that it starts is slowed down by it. Nothing happens where it would not help (no
    glibc), where the environment says how memory is to be allocated, or in a process that somebody else started, such
    as a test.
    """
    if has_begun_anew():
        for name in (_BEGAN_ANEW, *ALLOCATION):
            os.environ.pop(name, None)
        return
    if sys.platform != "linux" or _trim() is None or not sys.executable:
        return
    if os.environ.keys() & ALLOCATION.keys() or not _is_ours(Path(sys.argv[0])):
        return
    arguments = [sys.executable, *sys.orig_argv[1:]]
    with contextlib.suppress(OSError):  # then it goes on as it is
        os.execve(sys.executable, arguments, {**os.environ, **ALLOCATION, _BEGAN_ANEW: "1"})  # noqa: S606 (ourselves)


def has_begun_anew() -> bool:
    """Whether this process is one that was to stay when it began, and has not come to `begin_anew_frugally` again."""
    return _BEGAN_ANEW in os.environ


def _is_ours(program: Path) -> bool:
    """Whether Python was started for keeprate: by its script, or as a module."""
    return program.name == "keeprate" or program.parts[-2:] == ("keeprate", "__main__.py")


def give_back() -> None:
    """Free what nothing refers to, and have the C library return its empty pages: it keeps them for later otherwise."""
    gc.collect()
    if (trim := _trim()) is not None:
        trim(0)


def give_back_soon() -> None:
    """The same once in a while, for who does small things now and then: any number of calls make for one."""
    with _soon:
        if _timers:
            return
        timer = threading.Timer(SOON_S, _give_back_now)
        timer.daemon = True
        _timers.append(timer)
    timer.start()


def _give_back_now() -> None:
    with _soon:
        _timers.clear()
    give_back()


@cache
def _trim() -> Any:
    """glibc's `malloc_trim`; None where the C library is another."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
