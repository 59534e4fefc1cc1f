"""What happens, under names that stay: to the log, to whoever listens (the api's event stream), and kept for a while.

Names are `subject.verb` in the past, such as `head.promoted`; docs/reference/events.md lists them. A script may rely on
a name and on the keys of its data; the sentence is for people and may change.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

log = logging.getLogger("keeprate")

KEPT = 1000
"""Events that a listener who was away for a moment can still get."""
PASSING = frozenset({"job.progress"})
"""Of use only while they happen: not kept, for they would push out what matters."""
LISTENER_HOLDS = 10_000
"""Events that wait for a slow listener; older ones are dropped then."""

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `at` in unix seconds; `id` counts up from 1 in each run of the daemon."""

    id: int
    name: str
    at: float
    sentence: str
    data: dict[str, Value] = field(default_factory=dict)


class Events:
    """Takes events from any thread and hands them on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._listeners: list[Callable[[Event], None]] = []
        self._last_id = 0

    def tell(self, name: str, sentence: str, *, level: int = logging.INFO, **data: Value) -> Event:
        """Record an event, log it at `level` (0: not at all) and hand it to all listeners."""
        with self._lock:
            self._last_id += 1
            event = Event(self._last_id, name, time.time(), sentence, data)
            if name not in PASSING:
                self._kept.append(event)
            for listener in self._listeners:
                listener(event)
        if level:
            log.log(level, "%s", sentence, extra={"event": name, "data": data})
        return event

    @contextmanager
    def heard_by(self, listener: Callable[[Event], None], *, after: int | None = None) -> Iterator[None]:
        """Call `listener` with what is still kept with an id greater than `after`, and with all that happens.

        It is called in the thread in which things happen, one event at a time: it returns at once and raises nothing.
        """
        with self._lock:
            if after is not None:
                for event in self._kept:
                    if event.id > after:
                        listener(event)
            self._listeners.append(listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(listener)
