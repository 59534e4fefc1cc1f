"""Which folders and files of a library are never looked at.

A folder is left alone with everything beneath it. Three things exclude: its name (or its path within the
library), being one of our own view folders, and holding the file that marks a view folder of ours.
"""

from __future__ import annotations

import fnmatch
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

VIEW_MARKER = ".keeprate-view"
"""The file that marks a folder as a view: links that keeprate made, in the order of their scores."""

DEFAULT_PATTERNS = (
    ".*",  # hidden: caches, desktop trash, AppleDouble files, our own temporary files (.keeprate-*)
    "@eaDir",  # Synology's thumbnails, one folder a photo folder
    "#recycle",  # Synology's trash
    "#snapshot",  # Synology's older versions of everything
    "@Recycle",  # QNAP's trash
    "@Recently-Snapshot",  # QNAP's older versions of everything
    "$RECYCLE.BIN",  # the trash of Windows
    "System Volume Information",
    "lost+found",
    "*.lrdata",  # Lightroom's previews
    "*.lrcat-data",
    "*.photoslibrary",  # packages that Apple's programs manage: moving a file in them breaks their database
    "*.photolibrary",
    "*.migratedphotolibrary",
    "*.aplibrary",
)
"""Names that are always left alone."""

_CASE = re.IGNORECASE if sys.platform in ("darwin", "win32") else re.NOFLAG


class Exclusions:
    """What to leave alone in one library: `DEFAULT_PATTERNS`, the library's own patterns, view folders.

    `patterns` are shell patterns (`*`, `?`, `[…]`). Without a slash, a pattern is compared with the name of every
    folder and file at any depth; with one, with the path below the library's root (there `*` matches slashes
    too). `folders` are left alone wherever they lie; relative ones count from the current folder.
    """

    def __init__(self, patterns: Iterable[str] = (), *, folders: Iterable[Path] = ()) -> None:
        wanted = [pattern.rstrip("/") for pattern in (*DEFAULT_PATTERNS, *patterns)]
        paths = [pattern.lstrip("/") for pattern in wanted if "/" in pattern]
        self.excludes_name = _matcher(pattern for pattern in wanted if "/" not in pattern)
        """True of names that are left alone wherever they lie; the fast part, for names met in a walk."""
        self._excludes_relative = _matcher(paths)
        self.looks_at_paths = bool(paths)
        """Whether a file can be left alone for more than its name."""
        self._folders = frozenset(os.path.abspath(folder) for folder in folders)  # noqa: PTH100 (a str)

    def excludes(self, root: str, path: str) -> bool:
        """Whether `path`, in a folder that is looked at, is left alone itself. Touches no disk."""
        if self.excludes_name(path[path.rfind("/") + 1 :]) or path in self._folders:
            return True
        return self.looks_at_paths and bool(self._excludes_relative(path[len(root) :].lstrip("/")))

    def covers(self, root: str, path: str) -> bool:
        """Whether `path` or any folder between it and `root` is left alone. Touches no disk.

        A path outside `root` is covered: it is none of this library's business.
        """
        if path == root:
            return False
        prefix = root.rstrip("/") + "/"
        if not path.startswith(prefix):
            return True
        end = len(prefix)
        while end < len(path):
            end = path.find("/", end)
            end = len(path) if end < 0 else end
            if self.excludes(root, path[:end]):
                return True
            end += 1
        return False


def lies_in_view(root: str, folder: str, known: dict[str, bool]) -> bool:
    """Whether `folder` (at or beneath `root`) or a folder above it, up to `root`, is marked as a view.

    Looks for the marker on disk; `known` remembers the answers of one batch of questions.
    """
    answer = known.get(folder)
    if answer is None:
        answer = os.path.lexists(f"{folder}/{VIEW_MARKER}") or (
            len(folder) > len(root) and lies_in_view(root, folder[: folder.rfind("/")], known)
        )
        known[folder] = answer
    return answer


def _matcher(patterns: Iterable[str]) -> Callable[[str], object]:
    """A test whether a text matches any of some shell patterns, however its accents are encoded."""
    # macOS may give a name decomposed (o and ¨) that the user typed composed (ö).
    spellings = {unicodedata.normalize(form, pattern) for pattern in patterns if pattern for form in ("NFC", "NFD")}
    return re.compile("|".join(map(fnmatch.translate, sorted(spellings))) or r"(?!)", _CASE).match
