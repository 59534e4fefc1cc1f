"""Follow the daemon: what it is doing, now and whenever that changes, through its restarts and its absence.

Two threads. One waits for events, and for the daemon to come back; the other asks for the state when something has
happened, which it does once for many events. Neither wakes up while nothing happens.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from keeprate.errors import KeeprateError
from keeprate.service.control import Live
from keeprate.service.events import Event
from keeprate.service.status import Status

log = logging.getLogger("keeprate.tray")

PASSING = frozenset({"job.progress", "daemon.changed"})
"""Events that say nothing of photos and labels: what is live tells all there is."""
SHORTEST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0
"""Between two attempts to find the daemon."""
HELD_S = 5.0
"""A connection that lasted so long was a good one."""
GATHER_S = 0.3
"""Events that come together are answered by one question."""
REST_FACTOR = 10
"""After a question, so many times as long as it took passes without one: the daemon has other things to do."""
SHORTEST_REST_S, LONGEST_REST_S = 1.0, 30.0
"""The least and the most of that; also of what passes before one that could not answer is asked again."""


class Client(Protocol):
    """What is needed of `keeprate.api.client.DaemonClient`."""

    def status(self) -> Status: ...

    def live(self) -> Live: ...

    def events(self, after: int | None = None) -> Iterator[Event]: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the daemon at a moment."""

    status: Status | None
    """None: there is none, or it does not answer."""
    trouble: str = ""
    """Why it does not answer, if that is known."""


class Follower:
    """Calls `changed` whenever there is something new to show, and `told` for every event since the start."""

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[Client] | None],
        changed: Callable[[Seen], None],
        told: Callable[[Event], None],
    ) -> None:
        self._connect = connect
        self._changed = changed
        self._told = told
        self._news: queue.SimpleQueue[str] = queue.SimpleQueue()
        """Names of events; an empty one when the daemon has come or gone."""
        self._hurry = threading.Event()
        self._told_until = time.time()
        """Events up to this moment have been told."""
        self._status: Status | None = None
        self._is_heard = False
        """Whether there is a daemon that tells its events."""

    def start(self) -> None:
        for work in (self._listen, self._ask):
            threading.Thread(target=work, name=f"keeprate-tray{work.__name__}", daemon=True).start()

    def hurry(self) -> None:
        """Look for the daemon at once: it has probably just been started."""
        self._hurry.set()

    def _listen(self) -> None:
        wait_s = SHORTEST_WAIT_S
        self._news.put("")
        while True:
            began = time.monotonic()
            if self._news_until_it_goes():
                self._news.put("")
            if time.monotonic() - began >= HELD_S:
                wait_s = SHORTEST_WAIT_S
            if self._hurry.wait(wait_s):
                self._hurry.clear()
                wait_s = SHORTEST_WAIT_S
            else:
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _news_until_it_goes(self) -> bool:
        """Returns whether there was a daemon at all."""
        try:
            connection = self._connect()
            if connection is None:
                return False
            with connection as client:
                self._is_heard = True
                self._news.put("")
                # from the first one that is still kept: nothing is missed between asking for the state and listening
                for event in client.events(after=0):
                    self._news.put(event.name)
                    if event.at > self._told_until:
                        self._told_until = event.at
                        self._told(event)
        except KeeprateError as error:
            log.debug("the daemon went away: %s", error.what)
        except Exception:  # the icon outlives whatever the connection does
            log.exception("following the daemon failed; it is tried again")
        finally:
            self._is_heard = False
        return True

    def _ask(self) -> None:
        again_s: float | None = None
        while True:
            try:
                names = {self._news.get(True, again_s)}
            except queue.Empty:
                names = {""}
            time.sleep(GATHER_S)
            while not self._news.empty():
                names.add(self._news.get())
            began = time.monotonic()
            seen = self._seen(only_live=names <= PASSING)
            self._status = seen.status
            try:
                self._changed(seen)
            except Exception:  # an icon that shows nothing new any more would be worse than one that missed something
                log.exception("what is new cannot be shown")
            took_s = time.monotonic() - began
            time.sleep(min(LONGEST_REST_S, max(SHORTEST_REST_S, REST_FACTOR * took_s)))
            if seen.status is None and self._is_heard:
                # it is there, and had no time to answer or met an error: nothing else may happen for hours
                again_s = min(LONGEST_REST_S, SHORTEST_REST_S if again_s is None else 2 * again_s)
            else:
                again_s = None

    def _seen(self, *, only_live: bool) -> Seen:
        try:
            connection = self._connect()
            if connection is None:
                return Seen(None)
            with connection as client:
                if only_live and self._status is not None:
                    live = client.live()
                    return Seen(replace(self._status, live=live, jobs=live.jobs))
                return Seen(client.status())
        except KeeprateError as error:
            return Seen(None, error.what)
        except Exception as error:
            log.exception("asking the daemon failed")
            return Seen(None, f"The daemon does not answer: {error}")
