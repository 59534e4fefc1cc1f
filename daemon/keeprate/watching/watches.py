"""One folder tree watched by watchdog, and whether the system really watches all of it.

watchdog says nothing when the kernel refuses further watches, when a file system is unmounted under it, or when
one of its threads dies; all three leave it deaf. So the watches that the kernel holds for us are counted here
(`/proc/self/fdinfo`, see proc(5); Linux only), and threads are checked for life.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver
from watchdog.utils import BaseThread, platform

from keeprate.watching.mounts import fixed_devices

_EVENTS: list[type[FileSystemEvent]] = [
    # Without a choice of events, watchdog is told of the opening and closing of every folder in its own walk;
    # from some 4,000 folders on that overflows the queue, which makes it walk again, for ever.
    FileCreatedEvent,
    FileClosedEvent,
    FileAttribEvent,  # KDE keeps stars and tags in extended attributes
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]
if not platform.is_linux():
    _EVENTS.append(FileModifiedEvent)  # only inotify tells when a file is closed after writing

_LEAST_SUGGESTED_WATCHES = 524_288  # what several distributions set by default; unused ones cost nothing
_SUGGESTED_INSTANCES = 512


class EventWatch:
    """A tree of folders whose events are handed to `report`, in a thread of watchdog's, until `stop`.

    `folder` must be a real path: a watch on a symbolic link would watch the link. `report` must only put the event
    away.

    Raises:
        OSError: the folder is missing or may not be read, or the system has no inotify instance or watch left.
    """

    def __init__(self, folder: str, report: Callable[[FileSystemEvent], None]) -> None:
        self._can_be_unmounted = Path(folder).stat().st_dev not in fixed_devices()
        threads = set(threading.enumerate())
        descriptors = _inotify_descriptors()
        self._observer = _observer()
        try:
            self._observer.schedule(_Reporter(report), folder, recursive=True, event_filter=_EVENTS)
            self._observer.start()
        except BaseException:
            self._observer.stop()
            raise
        self._threads = [
            thread for thread in threading.enumerate() if isinstance(thread, BaseThread) and thread not in threads
        ]
        self._descriptors = _inotify_descriptors() - descriptors

    def fault(self) -> str | None:
        """Why no more events can be expected; None if all is well."""
        if not all(thread.is_alive() for thread in self._threads):
            return "the watcher stopped working"
        # Counting takes the kernel some 6 ms for each thousand folders: only where it can tell something.
        if self._can_be_unmounted and self.folders_held() == 0:
            return "the folder was unmounted for a while"
        return None

    def folders_held(self) -> int | None:
        """How many folders the kernel watches for us; None if the system does not tell."""
        if not self._descriptors:
            return None
        return sum(_watches_held(descriptor) for descriptor in self._descriptors)

    def stop(self) -> None:
        """End it; returns when watchdog's threads have ended."""
        self._observer.stop()
        if self._observer.is_alive():
            self._observer.join(2)


def _observer() -> BaseObserver:
    """watchdog's observer for this system; on Linux one that is told of attributes, but not of every single write.

    watchdog asks the kernel for both together only: some 8,000 events for a file of a gigabyte.
    """
    if not platform.is_linux():
        return Observer()
    from watchdog.observers.inotify import InotifyEmitter, InotifyObserver
    from watchdog.observers.inotify_c import InotifyConstants, Mask

    class Emitter(InotifyEmitter):
        def get_event_mask_from_filter(self) -> Mask:
            return Mask(super().get_event_mask_from_filter() | InotifyConstants.IN_ATTRIB)

    observer = InotifyObserver()
    observer._emitter_class = Emitter
    return observer


class _Reporter(FileSystemEventHandler):
    def __init__(self, report: Callable[[FileSystemEvent], None]) -> None:
        self._report = report

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._report(event)


def count_folders(root: str) -> int:
    """How many folders there are to watch: `root` and all readable ones beneath, links not followed."""
    count = 0
    waiting = [root]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                waiting.extend(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            continue
        count += 1
    return count


def watch_limit() -> int | None:
    """How many folders this user may have watched, all programs together; None where there is no such limit."""
    limits: list[int] = []
    for name in ("/proc/sys/fs/inotify/max_user_watches", "/proc/sys/user/max_inotify_watches"):
        try:
            limits.append(int(Path(name).read_text()))
        except (OSError, ValueError):
            continue
    return min(limits, default=None)


def watches_advice(folders: int) -> str:
    """The command that raises the limit so that `folders` more can be watched, now and after a reboot."""
    wanted = _LEAST_SUGGESTED_WATCHES
    while wanted < 2 * folders:
        wanted *= 2
    return _sysctl("max_user_watches", wanted)


def advice_for(error: OSError, folders: int) -> str:
    """The command that helps against a refused watch; empty if no limit was the reason."""
    if error.errno == errno.ENOSPC:
        return watches_advice(folders)
    if error.errno == errno.EMFILE:
        return _sysctl("max_user_instances", _SUGGESTED_INSTANCES)
    return ""


def _sysctl(name: str, value: int) -> str:
    file = f"/etc/sysctl.d/60-keeprate-{name.replace('_', '-')}.conf"
    return f"echo fs.inotify.{name}={value} | sudo tee {file} && sudo sysctl -p {file}"


def _inotify_descriptors() -> frozenset[int]:
    """The inotify instances that this process has open; none where the system does not tell."""
    found: set[int] = set()
    try:
        names = os.listdir("/proc/self/fd")  # noqa: PTH208 (names are what is wanted)
    except OSError:
        return frozenset()
    for name in names:
        try:
            target = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115 (no path, but `anon_inode:…`)
        except OSError:
            continue
        if target.endswith("inotify"):
            found.add(int(name))
    return frozenset(found)


def _watches_held(descriptor: int) -> int:
    """The watches of one inotify instance."""
    try:
        with Path(f"/proc/self/fdinfo/{descriptor}").open("rb") as lines:
            return sum(line.startswith(b"inotify wd:") for line in lines)
    except OSError:
        return 0
