"""Processes that a test has started and not ended: they would take the machine from all tests after it."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from support.waiting import let_pass

STAYING = ("support/ready.py", "multiprocessing.resource_tracker")
"""What may outlive a test: it ends with this process."""
_LOOKS = 20


def children() -> set[int]:
    """The processes that this one has started and that are not done; none where Linux does not tell."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for thread in Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError):  # it has ended
                found.update(map(int, (thread / "children").read_text().split()))
    return found


def end_new_ones(before: set[int]) -> list[str]:
    """End the children that were not there `before` and do not end by themselves; returns their commands."""
    for _ in range(_LOOKS):
        new = {pid: command for pid in children() - before if (command := _command(pid)) and not _stays(command)}
        if not new:
            return []
        let_pass(0.1)
    for pid in new:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return [f"{command} (process {pid})" for pid, command in new.items()]


def _command(pid: int) -> str:
    """Empty if it is done and only its parent has not looked yet."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _stays(command: str) -> bool:
    return any(name in command for name in STAYING)
