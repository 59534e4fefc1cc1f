"""How much memory a process holds, and giving back to the system what it no longer needs."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

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
