"""Waiting for something to become true, with a deadline; the only place in the tests that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(predicate: Callable[[], bool], timeout_s: float = 10.0, *, what: str = "") -> None:
    """Return as soon as `predicate()` is true; fail with `what` after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {timeout_s:g} s: {what or predicate}")
        time.sleep(0.02)
