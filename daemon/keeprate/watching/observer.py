"""Be told when something may have changed in the libraries.

What comes out are hints: "this file, this folder, this library may have changed". They may come twice, or
for nothing, and the file may be gone again; whoever gets one looks for himself. A hint is never missed silently:
where events can be lost (queue overflow, unmounting, a watcher that died) a `FullScan` is asked for, and where
they cannot be had (network file systems, too many folders) one is asked for at regular intervals. That takes the
place of watchdog's PollingObserver, which keeps a second picture of the library in memory (100 MB for 100,000
files) and learns nothing that a scan does not.
"""

from __future__ import annotations

import logging
import os
import queue
import stat
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from watchdog.events import FileSystemEvent

from keeprate.watching.hints import Change, FullScan, Touched, WatchedRoot, digest
from keeprate.watching.mounts import Mount, mount_of
from keeprate.watching.watches import EventWatch, advice_for, count_folders, watch_limit, watches_advice

_log = logging.getLogger(__name__)

_GATHER_S = 0.1
"""One change makes several events: they are gathered for so long and told once."""
_MAX_QUEUED = 100_000
"""More events than this are not kept: a full scan takes their place."""
_RECOUNT_S = 3600.0
"""How often the watches held are compared with the folders that there are."""
_RECOUNTS = 5
_PATIENCE_S = 1.0


class WatchMethod(StrEnum):
    """How changes in a library are noticed."""

    EVENTS = "events"
    POLLING = "polling"
    """By a full scan at regular intervals."""
    ABSENT = "absent"
    """Not at all, until the root is there again."""


@dataclass(frozen=True, slots=True)
class WatchStatus:
    """How one library is watched, in words for a person."""

    library: str
    method: WatchMethod
    sentence: str
    advice: str = ""
    """What to do about it, a command where there is one; empty if nothing needs to be done."""


@dataclass(slots=True)
class _Watcher:
    """What is known of one root; changed only with the observer's lock held."""

    root: WatchedRoot
    status: WatchStatus
    identity: tuple[int, int] | None = None
    """(device, inode) of the root when it was last looked at; None if it was not there."""
    watch: EventWatch | None = None
    poll_at: float | None = None
    recount_at: float | None = None
    lost_events: bool = False
    """Events were lost since it was last checked."""


class LibraryObserver:
    """Watches the roots of all libraries and calls `on_change` for what may have changed.

    `on_change` is called in a thread of the observer's own, never twice at a time; what it raises is logged. It
    may take its time: meanwhile events wait, and if too many wait they become a `FullScan`. To miss nothing, call
    `start` first and scan afterwards. `check_roots` belongs on a timer, every 10 to 60 seconds.

    `is_wanted` tells by its name whether a file is worth a hint: a picture, or a sidecar that speaks of one.
    `poll_every_s` is how often a library is to be scanned whose file system does not send (all) events.
    `find_mount` tells what a path lies on.
    """

    def __init__(
        self,
        roots: Iterable[WatchedRoot],
        on_change: Callable[[Change], None],
        *,
        is_wanted: Callable[[str], bool],
        poll_every_s: float = 300.0,
        find_mount: Callable[[Path], Mount | None] = mount_of,
    ) -> None:
        self._on_change = on_change
        self._is_wanted = is_wanted
        self._poll_every_s = poll_every_s
        self._find_mount = find_mount
        self._watchers = [_Watcher(root, _absent(root)) for root in roots]
        self._queue: queue.SimpleQueue[Touched | FullScan | None] = queue.SimpleQueue()
        self._flooded: set[str] = set()
        self._stopping = threading.Event()
        self._lock = threading.RLock()
        self._lost_events = _LostEvents(self._events_were_lost)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch; returns when the watches stand. A root that is not there is waited for."""
        with self._lock:
            if self._thread is not None:
                raise RuntimeError("a LibraryObserver is started once")
            self._thread = threading.Thread(target=self._tell, name="keeprate-hints", daemon=True)
            self._lost_events.attach()
            for watcher in self._watchers:
                self._begin(watcher)
            self._thread.start()

    def stop(self) -> None:
        """End watching within two seconds; afterwards `on_change` is not called again."""
        self._stopping.set()
        self._lost_events.detach()
        # A check that hangs on a dead network share must not keep us: all threads are daemons.
        if self._lock.acquire(timeout=_PATIENCE_S):
            try:
                for watcher in self._watchers:
                    self._end(watcher)
            finally:
                self._lock.release()
        self._queue.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_PATIENCE_S)

    def statuses(self) -> tuple[WatchStatus, ...]:
        """How each library is watched now."""
        return tuple(watcher.status for watcher in self._watchers)

    def check_roots(self) -> None:
        """Notice roots that vanished, came back, were replaced or became deaf; let polled ones have their turn.

        Unmounting and remounting are silent otherwise. Each such change asks for a full scan: whether the library
        is online is for whoever scans to find out (`root_state`). A library whose events were lost is scanned a
        second time here: watchdog takes its watches down and up again after it has said so, and what changes just
        then is seen neither by them nor, perhaps, by the scan that was asked for at once.
        """
        for watcher in self._watchers:
            with self._lock:
                if self._thread is None or self._stopping.is_set():
                    return
                lost = watcher.lost_events
                if lost:  # taken before the look: what is lost during it is for the next one
                    watcher.lost_events = False
                reason = self._trouble(watcher)
                if reason is not None:
                    self._begin(watcher)
                elif watcher.poll_at is not None and time.monotonic() >= watcher.poll_at:
                    watcher.poll_at = time.monotonic() + self._poll_every_s
                    reason = "it cannot be watched, so it is scanned from time to time"
                elif lost:
                    reason = "its watches were renewed after events were lost"
            if reason is not None:
                self._queue.put(FullScan(watcher.root.library, reason))

    # Watching a root. All of these are called with the lock held.

    def _trouble(self, watcher: _Watcher) -> str | None:
        """Why a root must be watched afresh; None if it need not."""
        identity = _identity(watcher.root.top)
        if identity != watcher.identity:
            if identity is None:
                return "its folder is not there any more"
            return "its folder is there again" if watcher.identity is None else "its folder is another one"
        if watcher.watch is not None and (fault := watcher.watch.fault()) is not None:
            return fault
        if watcher.recount_at is None or time.monotonic() < watcher.recount_at:
            return None
        watcher.recount_at = time.monotonic() + _RECOUNT_S
        if watcher.watch is None:
            return "perhaps it can be watched now"
        return "some of its folders are not watched" if self._is_short(watcher) else None

    def _begin(self, watcher: _Watcher) -> None:
        """Watch a root as well as it can be watched now."""
        self._end(watcher)
        watcher.identity = _identity(watcher.root.top)
        if watcher.identity is None:
            watcher.status = _absent(watcher.root)
            return
        mount = self._find_mount(watcher.root.root)
        if mount is not None and not mount.reports_changes:
            self._poll(watcher, f"lies on {mount.file_system}, which does not tell of changes made elsewhere")
            return
        watcher.recount_at = time.monotonic() + _RECOUNT_S
        folders, limit = count_folders(watcher.root.top), watch_limit()
        if limit is not None and folders > limit:
            why = f"has {folders:,} folders and the system allows {limit:,} to be watched"
            self._poll(watcher, why, watches_advice(folders))
            return
        real = os.path.realpath(watcher.root.top)
        try:
            watcher.watch = EventWatch(real, lambda event: self._receive(watcher.root, real, event))
        except OSError as error:
            self._poll(watcher, f"cannot be watched ({error.strerror or error})", advice_for(error, folders))
            return
        if self._is_short(watcher):
            watcher.watch.stop()
            watcher.watch = None
            self._poll(watcher, f"has {folders:,} folders and not all can be watched", watches_advice(folders))
            return
        watcher.status = WatchStatus(
            watcher.root.library, WatchMethod.EVENTS, f"{watcher.root.top} is watched: changes are noticed at once."
        )

    def _poll(self, watcher: _Watcher, why: str, advice: str = "") -> None:
        watcher.poll_at = time.monotonic() + self._poll_every_s
        sentence = f"{watcher.root.top} {why}: it is scanned every {self._poll_every_s:g} seconds instead."
        if watcher.status.sentence != sentence:
            _log.warning("%s%s", sentence, f" To have it watched: {advice}" if advice else "")
        watcher.status = WatchStatus(watcher.root.library, WatchMethod.POLLING, sentence, advice)

    def _is_short(self, watcher: _Watcher) -> bool:
        """Whether folders are not watched, and not just because they were made or removed this moment."""
        for _ in range(_RECOUNTS):
            held = watcher.watch.folders_held() if watcher.watch else None
            if held is None or held >= count_folders(watcher.root.top):
                return False
            if self._stopping.wait(_GATHER_S):
                return False
        return True

    def _end(self, watcher: _Watcher) -> None:
        watch, watcher.watch = watcher.watch, None
        watcher.poll_at = watcher.recount_at = None
        if watch is not None:
            watch.stop()

    # Events. `_receive` and `_events_were_lost` run in threads of watchdog's and must only put things away.

    def _receive(self, root: WatchedRoot, real: str, event: FileSystemEvent) -> None:
        for named in (event.src_path, event.dest_path):
            path = os.fsdecode(named)
            if not path.startswith(real):
                continue  # events that are no moves have no destination
            if not event.is_directory and not self._is_wanted(path[path.rfind("/") + 1 :]):
                continue
            if self._queue.qsize() < _MAX_QUEUED:
                self._queue.put(Touched(root, root.top + path[len(real) :], event.is_directory))
            else:
                self._flooded.add(root.library)

    def _events_were_lost(self, message: str) -> None:
        for watcher in self._watchers:
            if watcher.watch is not None:
                watcher.lost_events = True
                self._queue.put(FullScan(watcher.root.library, f"events were lost ({message})"))

    def _tell(self) -> None:
        """The thread of hints: gather what happens at about the same time, tell it once."""
        while True:
            batch = [self._queue.get()]
            self._stopping.wait(_GATHER_S)
            while not self._queue.empty():
                batch.append(self._queue.get())
            while self._flooded:
                batch.append(FullScan(self._flooded.pop(), "more changed than could be remembered"))
            for change in digest(item for item in batch if item is not None):
                if self._stopping.is_set():
                    return
                try:
                    self._on_change(change)
                except Exception:
                    _log.exception("A change could not be passed on: %s", change)
            if self._stopping.is_set():
                return


class _LostEvents(logging.Handler):
    """Listens to watchdog's log, the only place where it tells that events were lost or a watch broke down."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell
        self._logger = logging.getLogger("watchdog.observers")
        self._level_before = self._logger.level

    def attach(self) -> None:
        self._level_before = self._logger.level
        if not self._logger.isEnabledFor(logging.WARNING):
            self._logger.setLevel(logging.WARNING)
        self._logger.addHandler(self)

    def detach(self) -> None:
        if self in self._logger.handlers:
            self._logger.removeHandler(self)
            self._logger.setLevel(self._level_before)

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.getMessage())


def _absent(root: WatchedRoot) -> WatchStatus:
    return WatchStatus(root.library, WatchMethod.ABSENT, f"{root.top} is not there; it will be noticed when it is.")


def _identity(path: str) -> tuple[int, int] | None:
    """(device, inode) of the folder at `path`; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None
