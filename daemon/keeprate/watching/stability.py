"""Decide when a changed file or folder has come to rest.

Pure: takes signatures and a clock, returns paths. Looking, reading and storing happen elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from keeprate.watching.signature import Signature

MAX_WAITING = 20_000
"""More paths than this are not worth remembering one by one: a scan of the library finds them faster."""


@dataclass(frozen=True, slots=True)
class Due:
    """What has been quiet long enough; the caller looks again before trusting it, and then forgets it."""

    files: list[str]
    folders: list[str]
    """Folders that may have changed anywhere beneath."""
    whole_library: bool = False
    """So much changed that the whole library is to be scanned; the lists are empty then."""


class StabilityTracker:
    """Remembers what changed in one library until it has been quiet for `quiet_s` seconds.

    `now` is any clock in seconds that only moves forward (`time.monotonic()`), the same one for all calls.
    At most `max_waiting` paths are kept; beyond that the tracker only remembers to scan the whole library, which
    is due when nothing has changed for `quiet_s`, or `patience_s` after the first of the changes: somebody who
    copies photos for an hour is not kept waiting for an hour (`is_settled` then tells which files to leave).
    """

    def __init__(self, quiet_s: float, *, max_waiting: int = MAX_WAITING, patience_s: float = 60.0) -> None:
        self._quiet_s = quiet_s
        self._max_waiting = max_waiting
        self._patience_s = patience_s
        self._files: dict[str, tuple[Signature | None, float]] = {}
        self._folders: dict[str, float] = {}
        self._flood: tuple[float, float] | None = None
        """(first, last) time of a change since there were too many."""

    def __len__(self) -> int:
        """How many subjects wait; 1 for the whole library."""
        return 1 if self._flood else len(self._files) + len(self._folders)

    def saw(self, path: str, signature: Signature | None, now: float) -> None:
        """A file may have changed and has this signature now; None if no file is there."""
        known = self._files.get(path)
        if known is None or known[0] != signature:
            self._keep(now)
            if self._flood is None:
                self._files[path] = (signature, now)  # any change restarts the clock

    def saw_folder(self, path: str, now: float) -> None:
        """A folder was made, moved or removed: anything beneath it may have changed."""
        self._keep(now)
        if self._flood is None:
            self._folders[path] = now

    def due(self, now: float) -> Due:
        """What has been quiet long enough; it stays due until it is forgotten or changes again."""
        if self._flood is not None:
            return Due([], [], whole_library=now >= self._flood_due_at(self._flood))
        return Due(
            [path for path, (_, since) in self._files.items() if now - since >= self._quiet_s],
            [path for path, since in self._folders.items() if now - since >= self._quiet_s],
        )

    def next_due_at(self) -> float | None:
        """When `due` will first have something to say; None if nothing waits."""
        if self._flood is not None:
            return self._flood_due_at(self._flood)
        times = [*(since for _, since in self._files.values()), *self._folders.values()]
        return min(times) + self._quiet_s if times else None

    def forget(self, path: str) -> None:
        """A file or folder was dealt with; files within a folder are their own subjects and stay."""
        self._files.pop(path, None)
        self._folders.pop(path, None)

    def forget_all(self) -> None:
        """The whole library was dealt with."""
        self._files.clear()
        self._folders.clear()
        self._flood = None

    def _keep(self, now: float) -> None:
        """Make room for one more subject, or turn everything into one scan of the library."""
        if self._flood is not None:
            self._flood = (self._flood[0], now)
        elif len(self._files) + len(self._folders) >= self._max_waiting:
            self._files.clear()
            self._folders.clear()
            self._flood = (now, now)

    def _flood_due_at(self, flood: tuple[float, float]) -> float:
        first, last = flood
        return min(last + self._quiet_s, first + self._patience_s)


def is_settled(signature: Signature, *, now_ns: int, quiet_s: float) -> bool:
    """Whether a file that a scan came upon has been left alone for `quiet_s` seconds.

    `now_ns` is the wall clock (`time.time_ns()`). The change time tells, because no program can set it; it may
    lie somewhat ahead where a file server keeps the time. A file that is not settled goes to `saw`.
    """
    return abs(now_ns - signature.ctime_ns) >= quiet_s * 1e9
