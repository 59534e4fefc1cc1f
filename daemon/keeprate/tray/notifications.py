"""What is worth a notification on the desktop: few things, and each of them seldom.

Pure: an event and the time in, a sentence or nothing out.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from keeprate.service.events import Event

TITLES = {
    "head.promoted": "A better head is in use",
    "library.offline": "A folder is offline",
    "disk.full": "A disk is full",
}
"""Events that are told, and the headline."""
FIRST_HEAD = "A head has learned for the first time"
"""Instead of "better", where there was none before."""
SAME_AGAIN_S = 3600.0
"""The same thing of the same library or head is not told again within this time: a disk with a loose cable."""
AT_MOST, WITHIN_S = 3, 600.0


class Notifications:
    """Decides which events are told."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._told_at: dict[tuple[str, str], float] = {}
        self._times: deque[float] = deque(maxlen=AT_MOST)

    def title(self, event: Event) -> str | None:
        """The headline under which the event's sentence is told; None: it is not told."""
        title = TITLES.get(event.name)
        if title is None:
            return None
        if event.name == "head.promoted" and event.data.get("version") == 1:
            title = FIRST_HEAD
        now = self._now()
        subject = (event.name, str(event.data.get("library") or event.data.get("head") or event.data.get("path") or ""))
        last = self._told_at.get(subject)
        if last is not None and now - last < SAME_AGAIN_S:
            return None
        if len(self._times) == AT_MOST and now - self._times[0] < WITHIN_S:
            return None
        self._told_at[subject] = now
        self._times.append(now)
        return title
