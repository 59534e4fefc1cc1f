"""Turn the many events of one change into few hints, and leave out what is none of our business.

Looks at the disk for one thing only: whether a folder is marked as a view of ours.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from keeprate.watching.exclusions import Exclusions, lies_in_view


@dataclass(frozen=True, slots=True)
class Hint:
    """Something may have changed at `path`: a file of a wanted name, or a folder with everything beneath it."""

    library: str
    path: str
    is_folder: bool


@dataclass(frozen=True, slots=True)
class FullScan:
    """The whole library needs a scan; `reason` says why, for the log."""

    library: str
    reason: str


Change = Hint | FullScan


@dataclass(frozen=True, slots=True)
class WatchedRoot:
    """A library to watch."""

    library: str
    root: Path
    exclude: Exclusions = field(default_factory=Exclusions)

    @property
    def top(self) -> str:
        """The root as a text, as all paths of the library begin."""
        return os.path.abspath(self.root)  # noqa: PTH100 (a str)


@dataclass(frozen=True, slots=True)
class Touched:
    """A path that an event named: a folder, or a file of a wanted name."""

    root: WatchedRoot
    path: str
    is_folder: bool


def digest(batch: Iterable[Touched | FullScan]) -> list[Change]:
    """What a batch of events comes down to: nothing twice, nothing excluded, nothing beneath something else."""
    scans: dict[str, FullScan] = {}
    hints: dict[Hint, None] = {}  # a set that keeps the order of events
    views: dict[str, bool] = {}
    for item in batch:
        if isinstance(item, FullScan):
            scans.setdefault(item.library, item)
            continue
        library, top = item.root.library, item.root.top
        if item.path == top:
            scans.setdefault(library, FullScan(library, "its folder was moved or removed"))
            continue
        folder = item.path if item.is_folder else item.path[: item.path.rfind("/")]
        if not (item.root.exclude.covers(top, item.path) or lies_in_view(top, folder, views)):
            hints[Hint(library, item.path, item.is_folder)] = None
    folders = {(hint.library, hint.path) for hint in hints if hint.is_folder}
    kept = [hint for hint in hints if hint.library not in scans and not (folders and _beneath(hint, folders))]
    return [*scans.values(), *kept]


def _beneath(hint: Hint, folders: set[tuple[str, str]]) -> bool:
    """Whether a folder above what `hint` names has a hint itself."""
    end = hint.path.rfind("/")
    while end > 0:
        if (hint.library, hint.path[:end]) in folders:
            return True
        end = hint.path.rfind("/", 0, end)
    return False
