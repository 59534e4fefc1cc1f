"""How slow this machine is just now: for the few tests of what a person waits for, on machines of any speed."""

from __future__ import annotations

import subprocess
import sys
import time


def slowness() -> float:
    """Seconds that an interpreter takes which does nothing: 0.02 where nobody else computes, whole seconds at worst."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-S", "-c", ""], check=True)
    return time.monotonic() - began


def within_s(seconds: float) -> float:
    """A deadline of so many seconds on a machine that has nothing else to do."""
    return seconds + 10 * slowness()
