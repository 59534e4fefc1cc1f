"""What may have changed in the libraries, until somebody has looked: watches, and hints that wait to come to rest.

Belongs to the engine's thread, but for `wish`, which the watches call in threads of their own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from keeprate.config.models import LibraryConfig
from keeprate.pictures.formats import is_picture, is_sidecar
from keeprate.service.clocks import Clocks
from keeprate.steps.photos.scanning import exclusions_of
from keeprate.steps.session import Session
from keeprate.watching.hints import Change, Hint, WatchedRoot
from keeprate.watching.observer import LibraryObserver, WatchStatus
from keeprate.watching.signature import Signature, signature_of
from keeprate.watching.stability import StabilityTracker


@dataclass(frozen=True, slots=True)
class Part:
    """What of a library is to be looked at."""

    why: str
    whole: bool
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


class Lookout:
    """Watches all libraries of a session's config."""

    def __init__(self, session: Session, wish: Callable[[Change], None], clocks: Clocks) -> None:
        self._clocks = clocks
        quiet_s = session.config.watching.stable_after.total_seconds()
        self._trackers = {library.name: StabilityTracker(quiet_s) for library in session.config.library}
        self._full_scans: dict[str, str] = {}
        """Library → why all of it is to be looked at."""
        self._observer = LibraryObserver(
            [WatchedRoot(one.name, one.root, exclusions_of(session, one)) for one in session.config.library],
            wish,
            is_wanted=lambda name: is_picture(name) or is_sidecar(name),
        )

    def start(self) -> tuple[WatchStatus, ...]:
        """Begin to watch; returns when the watches stand."""
        self._observer.start()
        return self._observer.statuses()

    def stop(self) -> None:
        self._observer.stop()

    def check_roots(self) -> None:
        """Notice roots that came or went; may be called from any thread."""
        self._observer.check_roots()

    def take(self, change: Change) -> None:
        """Remember a hint until it has come to rest."""
        tracker = self._trackers.get(change.library)
        if tracker is None:
            return  # told just before the library was taken out of the config
        if not isinstance(change, Hint):
            self.look_at_all(change.library, because=f"because {change.reason}")
        elif change.is_folder:
            tracker.saw_folder(change.path, self._clocks.steady())
        else:
            try:
                signature = signature_of(os.stat(change.path))
            except OSError:
                signature = None
            tracker.saw(change.path, signature, self._clocks.steady())

    def look_at_all(self, library: str | None = None, *, because: str) -> None:
        """Ask for a scan of a library, or of all."""
        for name in self._trackers if library is None else (library,):
            self._full_scans.setdefault(name, because)

    def is_due(self) -> bool:
        due_at = self.next_due_at()
        return due_at is not None and due_at <= self._clocks.steady()

    def next_due_at(self) -> float | None:
        """On the steady clock; None: nothing waits."""
        if self._full_scans:
            return self._clocks.steady()
        return min((at for one in self._trackers.values() if (at := one.next_due_at()) is not None), default=None)

    def due_part(self, library: LibraryConfig) -> Part | None:
        """What of a library has come to rest; it is forgotten here: whoever fails to look asks for all of it."""
        tracker = self._trackers[library.name]
        due = tracker.due(self._clocks.steady())
        why = self._full_scans.pop(library.name, None)
        if why is not None or due.whole_library:
            tracker.forget_all()
            return Part(why or "because much has changed", whole=True)
        if not (due.files or due.folders):
            return None
        for path in (*due.files, *due.folders):
            tracker.forget(path)
        return Part("because something has changed in it", False, tuple(due.files), tuple(due.folders))

    def unsettled(self, library: str, path: str, signature: Signature) -> None:
        """A scan came upon a file that is still changing."""
        self._trackers[library].saw(path, signature, self._clocks.steady())
