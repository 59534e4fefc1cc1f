"""A folder of copies that keeprate sorted: never overwrites, and clears only what it can prove to be its own.

`.keeprate-classified.json` in the folder records every copy *before* it is made, with its SHA-256. A copy of an
earlier run that belongs elsewhere now, or whose source is gone, is removed only while it is byte for byte what was
recorded; whatever else lies in the folder is somebody's and stays.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path, PurePath, PurePosixPath

from keeprate.errors import KeeprateError
from keeprate.safe_files import (
    FileChangedError,
    copy_file,
    digest_file,
    remove_copy,
    replace_file,
    sweep_temporaries,
)

MANIFEST = ".keeprate-classified.json"
FORMAT = 1
RECORDED_AT_ONCE = 128
"""Copies that are recorded together, then made. A kill leaves some recorded and not made, which is harmless."""
FATAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""What concerns the folder, not one file of it."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy that was made, or was about to be."""

    head: str
    source: str
    """Absolute path of what was copied."""
    path: str
    """Where, relative to the folder, with slashes."""
    sha256: str


@dataclass(frozen=True, slots=True)
class Filing:
    """Where a file belongs."""

    source: str
    folder: str


@dataclass(frozen=True, slots=True)
class Filed:
    """What became of one file."""

    source: str
    path: str | None
    """Where it lies in the folder, relative; None: it could not be copied."""
    copied: bool
    """False: it lay there already."""
    reason: str = ""
    """Why it could not be copied."""


class FiledCopies:
    """The copies in one folder that belong to one head and come from one source folder."""

    def __init__(self, folder: Path, head: str, source_folder: Path) -> None:
        """Reads what earlier runs recorded.

        Raises:
            KeeprateError: the record is damaged.
        """
        self._folder, self._head = folder, head
        recorded = _load(folder / MANIFEST)
        ours = {one.path: one for one in recorded if one.head == head and Path(one.source).parent == source_folder}
        self._ours = ours
        self._others = [one for one in recorded if one is not ours.get(one.path)]
        """Copies by other heads or from other folders: none of this run's business."""
        self.removed = 0
        """Stale copies that were removed."""

    def file(self, filings: Sequence[Filing]) -> Iterator[Filed]:
        """Bring the folder up to date, one file after the other; stale copies went by the time of the first one.

        Raises:
            OSError: the folder cannot be written to, or the disk is full. What was copied is recorded.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in {"", *(filing.folder for filing in filings)}:
            (self._folder / name).mkdir(exist_ok=True)
            sweep_temporaries(self._folder / name, minimum_age_s=0)  # nobody else fills this folder
        self._clear_stale(filings)
        for start in range(0, len(filings), RECORDED_AT_ONCE):
            yield from self._file_some(filings[start : start + RECORDED_AT_ONCE])

    def stale(self, filings: Sequence[Filing]) -> list[Copy]:
        """Recorded copies that belong elsewhere now, or whose source is gone (not: cannot be read at the moment)."""
        folders = {filing.source: filing.folder for filing in filings}

        def is_stale(one: Copy) -> bool:
            if one.source in folders:
                return folders[one.source] != str(PurePosixPath(one.path).parent)
            return not os.path.lexists(one.source)

        return [one for one in self._ours.values() if is_stale(one)]

    def _clear_stale(self, filings: Sequence[Filing]) -> None:
        """Remove stale copies that nobody has changed, and folders that are empty by that."""
        stale = self.stale(filings)
        needed = {filing.folder for filing in filings}
        for one in stale:
            del self._ours[one.path]
            place = self._folder / one.path
            if _inside(place, self._folder) and remove_copy(place, sha256=one.sha256):
                self.removed += 1
                if place.parent.name not in needed:
                    with contextlib.suppress(OSError):  # not empty
                        place.parent.rmdir()
        if stale:
            self._record()

    def _file_some(self, filings: Sequence[Filing]) -> Iterator[Filed]:
        planned: list[Copy] = []
        for filing in filings:
            try:
                sha256 = digest_file(Path(filing.source))
                found = self._place(filing, sha256)
            except OSError as error:
                yield Filed(filing.source, None, copied=False, reason=_told(error))
                continue
            if found.exists:
                yield Filed(filing.source, found.path, copied=False)
                continue
            planned.append(self._plan(filing.source, found.path, sha256))
        if planned:
            self._record()
        for copy in planned:
            yield self._copy(copy)

    def _plan(self, source: str, path: str, sha256: str) -> Copy:
        copy = self._ours[path] = Copy(self._head, source, path, sha256)
        return copy

    def _copy(self, copy: Copy) -> Filed:
        """Make a recorded copy; where its name was taken meanwhile (`A.jpg` and `a.jpg` on FAT), the next one."""
        try:
            copied = copy_file(Path(copy.source), self._folder / copy.path)
        except FileExistsError:
            del self._ours[copy.path]
            found = self._place(Filing(copy.source, str(PurePosixPath(copy.path).parent)), copy.sha256)
            if found.exists:
                return Filed(copy.source, found.path, copied=False)
            again = self._plan(copy.source, found.path, copy.sha256)
            self._record()
            return self._copy(again)
        except (OSError, FileChangedError) as error:
            del self._ours[copy.path]  # what the file says until the next record is harmless
            if isinstance(error, OSError) and error.errno in FATAL:
                raise
            return Filed(copy.source, None, copied=False, reason=_told(error))
        if copied != copy.sha256:  # the source was written to between the two readings
            self._plan(copy.source, copy.path, copied)
            self._record()
        return Filed(copy.source, copy.path, copied=True)

    def _place(self, filing: Filing, sha256: str) -> _Place:
        """The file's own name in its folder, or the first numbered one that is free or holds the same already."""
        name = PurePath(filing.source)
        for number in count(1):
            path = f"{filing.folder}/{name.name if number == 1 else f'{name.stem} ({number}){name.suffix}'}"
            place = self._folder / path
            known = self._ours.get(path)
            if known is not None and known.source != filing.source:
                continue
            if not os.path.lexists(place):
                return _Place(path, exists=False)
            if _same(place, sha256):
                return _Place(path, exists=True)
            if known is not None and remove_copy(place, sha256=known.sha256):  # the source was edited since
                return _Place(path, exists=False)
        raise AssertionError("there is always a next number")

    def _record(self) -> None:
        copies = sorted((*self._others, *self._ours.values()), key=lambda one: one.path)
        text = json.dumps({"format": FORMAT, "copies": [asdict(one) for one in copies]}, indent=1)
        replace_file(self._folder / MANIFEST, text.encode())


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    exists: bool


def _same(place: Path, sha256: str) -> bool:
    try:
        return digest_file(place) == sha256
    except OSError:
        return False  # a folder, a broken link: somebody's


def _inside(place: Path, folder: Path) -> bool:
    """Whether `place` really lies in `folder`: the record could say `../`, and folders could have become links."""
    return folder.resolve() in place.parent.resolve().parents


def _load(path: Path) -> list[Copy]:
    try:
        return _parsed(path.read_bytes())
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise KeeprateError(
            f"The record of what was copied into this folder cannot be read: {error}.",
            path=path,
            advice="Choose another --dest; or remove this file: everything in the folder is then yours and stays.",
        ) from error


def _parsed(text: bytes) -> list[Copy]:
    values = json.loads(text)
    if values["format"] > FORMAT:
        raise ValueError("a newer keeprate wrote it")
    copies = [Copy(**one) for one in values["copies"]]
    if not all(isinstance(value, str) for one in copies for value in asdict(one).values()):
        raise TypeError("something in it is no text")
    return copies


def _told(error: Exception) -> str:
    return f"it could not be copied: {error.strerror or error}" if isinstance(error, OSError) else str(error)
