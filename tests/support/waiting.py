"""Waiting for something to become true, with a deadline; the only place in the tests that sleeps.

The deadline is for what never comes, and tells it in a sentence. It says nothing of speed: on a busy machine a process
may get no processor for ten seconds at any point. So nobody gives a shorter one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

import psutil

PATIENCE_S = 60.0
"""For whatever must come: a state, an answer, a line, the end of a process."""
COMMAND_S = 240.0
"""For a command with all that it does; pytest itself ends a test after 300 s."""
_LONGEST_NAP_S = 0.2

Line = TypeVar("Line", str, bytes)


def wait_until(predicate: Callable[[], bool], timeout_s: float = PATIENCE_S, *, what: str = "") -> None:
    """Return as soon as `predicate()` is true; fail with `what` after `timeout_s` seconds."""
    began = time.monotonic()
    deadline = began + timeout_s
    while not predicate():
        now = time.monotonic()
        if now > deadline:
            raise AssertionError(f"not true within {timeout_s:g} s: {what or predicate}")
        # Looking costs the processor that others need to get there: less often the longer it takes.
        time.sleep(min(_LONGEST_NAP_S, max(0.02, (now - began) / 20)))


def let_pass(seconds: float) -> None:
    """Wait, for nothing but time: where a clock has to move on, or where what must not happen had its chance."""
    time.sleep(seconds)


def next_line(stream: IO[Line] | None, *, what: str = "the next line") -> Line:
    """What a process says next; fails with `what` instead of waiting for ever. The process is the caller's to end."""
    assert stream is not None
    said: list[Line] = []
    reader = threading.Thread(target=lambda: said.append(stream.readline()), daemon=True)
    reader.start()
    reader.join(PATIENCE_S)
    if not said:
        raise AssertionError(f"nothing was said within {PATIENCE_S:g} s: {what}")
    return said[0]


def join(thread: threading.Thread) -> None:
    """Wait for the end of a thread; fail if it does not come."""
    thread.join(PATIENCE_S)
    assert not thread.is_alive(), f"the thread {thread.name} has not ended within {PATIENCE_S:g} s"


def halt(pid: int) -> None:
    """SIGSTOP, and a wait until all threads of the process stand: on a busy machine they go on for a while."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: _threads_stand(pid), what=f"the process {pid} stands")


def _threads_stand(pid: int) -> bool:
    if sys.platform != "linux":
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has just ended
            if (thread / "stat").read_text().rpartition(")")[2].split()[0] != "T":
                return False
    return True
