"""A folder of copies that keeprate sorted: never overwrites, and clears only what it can prove to be its own.

`.keeprate-classified.json` in the folder records every copy *before* it is made, with its SHA-256. A copy of an
earlier run is removed only once the same bytes, read from its source, lie where they belong now, and while it still
holds them itself. A copy whose source is gone, or holds another photo by now (a memory card used again), may be the
only one left: it stays, as does whatever else lies in the folder.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
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
    """Where a file belongs, and others with it: they lie beside it under matching names."""

    source: str
    folder: str
    along: tuple[str, ...] = ()
    """Files of the same folder: a RAW, sidecars."""

    def sources(self) -> tuple[str, ...]:
        """All of its files, the first one first."""
        return (self.source, *self.along)


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
        self._earlier: dict[str, list[Copy]] = {}
        """Source → its copies by earlier runs that were not looked at yet."""
        for one in ours.values():
            self._earlier.setdefault(one.source, []).append(one)
        self._emptied: set[Path] = set()
        """Folders that a copy was removed from."""
        self.removed = 0
        """Copies of earlier runs that lay in another bucket and were removed."""
        self.orphaned = 0
        """Copies of earlier runs that stay because their source is gone or is another photo by now."""

    def file(self, filings: Sequence[Filing]) -> Iterator[Filed]:
        """Bring the folder up to date, one file after the other.

        Raises:
            OSError: the folder cannot be written to, or the disk is full. What was copied is recorded.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in {"", *(filing.folder for filing in filings)}:
            (self._folder / name).mkdir(exist_ok=True)
            sweep_temporaries(self._folder / name, minimum_age_s=0)  # nobody else fills this folder
        for start in range(0, len(filings), RECORDED_AT_ONCE):
            yield from self._file_some(filings[start : start + RECORDED_AT_ONCE])
        self._count_lost()
        if self.removed:
            self._remove_empty({filing.folder for filing in filings})
            self._record()

    def foresee(self, filings: Sequence[Filing]) -> None:
        """Set `removed` and `orphaned` to what `file` would, and change nothing."""
        for source, folder in ((source, filing.folder) for filing in filings for source in filing.sources()):
            if source in self._earlier:
                with contextlib.suppress(OSError):
                    moved = self._settle(source, folder, digest_file(Path(source)))
                    self.removed += sum(_same(self._folder / one.path, one.sha256) for one in moved)
        self._count_lost()

    def _settle(self, source: str, folder: str, sha256: str) -> list[Copy]:
        """The earlier copies of a source, which holds `sha256` now, that lie in the wrong folder; counts orphans."""
        earlier = self._earlier.pop(source, [])
        self.orphaned += sum(one.sha256 != sha256 and os.path.lexists(self._folder / one.path) for one in earlier)
        return [one for one in earlier if one.sha256 == sha256 and str(PurePosixPath(one.path).parent) != folder]

    def _count_lost(self) -> None:
        """Count as orphans the copies whose source is not there any more (not: cannot be read at the moment)."""
        for source, copies in self._earlier.items():
            if not os.path.lexists(source):
                self.orphaned += sum(os.path.lexists(self._folder / one.path) for one in copies)

    def _clear(self, source: str, path: str, sha256: str) -> None:
        """A copy of `source` lies at `path`: remove those in other folders, unless somebody has changed them."""
        for one in self._settle(source, str(PurePosixPath(path).parent), sha256):
            place = self._folder / one.path
            if not _inside(place, self._folder) or _is_one_file(place, self._folder / path):
                continue
            if remove_copy(place, sha256=one.sha256):
                self.removed += 1
                self._emptied.add(place.parent)
                del self._ours[one.path]

    def _remove_empty(self, needed: Collection[str]) -> None:
        for folder in self._emptied:
            if folder.name not in needed:
                with contextlib.suppress(OSError):  # not empty
                    folder.rmdir()

    def _file_some(self, filings: Sequence[Filing]) -> Iterator[Filed]:
        planned: list[Copy] = []
        for filing in filings:
            digests: dict[str, str] = {}
            for source in filing.sources():
                try:
                    digests[source] = digest_file(Path(source))
                except OSError as error:
                    yield Filed(source, None, copied=False, reason=_told(error))
            for (source, sha256), found in zip(digests.items(), self._places(filing.folder, digests), strict=True):
                if found.exists:
                    self._clear(source, found.path, sha256)
                    yield Filed(source, found.path, copied=False)
                else:
                    planned.append(self._plan(source, found.path, sha256))
        if planned:
            self._record()
        for copy in planned:
            filed = self._copy(copy)
            if filed.path is not None:
                self._clear(copy.source, filed.path, self._ours.get(filed.path, copy).sha256)
            yield filed

    def _plan(self, source: str, path: str, sha256: str) -> Copy:
        copy = self._ours[path] = Copy(self._head, source, path, sha256)
        return copy

    def _copy(self, copy: Copy) -> Filed:
        """Make a recorded copy; where its name was taken meanwhile (`A.jpg` and `a.jpg` on FAT), the next one."""
        try:
            copied = copy_file(Path(copy.source), self._folder / copy.path)
        except FileExistsError:
            del self._ours[copy.path]
            (found,) = self._places(str(PurePosixPath(copy.path).parent), {copy.source: copy.sha256})
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

    def _places(self, folder: str, digests: Mapping[str, str]) -> list[_Place]:
        """One for each of some files (source → SHA-256), in `folder`: under their own names, or all under those of the
        first number with which each of them is free or holds the same already.
        """
        stem = PurePath(next(iter(digests), "")).stem
        for number in count(1):
            found = [
                self._fitting(f"{folder}/{_numbered(PurePath(source), stem, number)}", source, sha256)
                for source, sha256 in digests.items()
            ]
            if None not in found:
                return [place for place in found if place is not None]
        raise AssertionError("there is always a next number")

    def _fitting(self, path: str, source: str, sha256: str) -> _Place | None:
        """`path` as a place for a copy of `source`; None if anything else lies there."""
        known = self._ours.get(path)
        if known is not None and known.source != source:
            return None
        if not os.path.lexists(self._folder / path):
            return _Place(path, exists=False)
        return _Place(path, exists=True) if _same(self._folder / path, sha256) else None

    def _record(self) -> None:
        copies = sorted((*self._others, *self._ours.values()), key=lambda one: one.path)
        text = json.dumps({"format": FORMAT, "copies": [asdict(one) for one in copies]}, indent=1)
        replace_file(self._folder / MANIFEST, text.encode())


class RecordedCopies:
    """Which files are copies that `classify` sorted, also for another home: what the records beside and above say.

    Records are read once: make a new one for each batch of questions.
    """

    def __init__(self) -> None:
        self.damaged: dict[str, str] = {}
        """Record that cannot be read → why."""
        self._records: dict[str, frozenset[str] | None] = {}
        """Folder → paths of the copies, relative to it; None: what it recorded cannot be read."""
        self._above: dict[str, list[tuple[frozenset[str] | None, str]]] = {}
        """Folder → the records that could name files in it, and the way to it from each of them."""

    def names(self, path: str) -> bool | None:
        """Whether a record names the file at `path` (absolute) as a copy; None: one that might cannot be read."""
        folder, name = os.path.split(path)
        if folder not in self._above:
            self._above[folder] = list(self._records_for(folder))
        answers = [None if record is None else f"{way}{name}" in record for record, way in self._above[folder]]
        return True if True in answers else None if None in answers else False

    def _records_for(self, folder: str) -> Iterator[tuple[frozenset[str] | None, str]]:
        real = Path(os.path.realpath(folder))
        for above in (real, *real.parents):
            record = self._record_in(str(above))
            if record is None or record:
                way = real.relative_to(above).as_posix()
                yield record, "" if way == "." else f"{way}/"

    def _record_in(self, folder: str) -> frozenset[str] | None:
        if folder not in self._records:
            path = Path(folder, MANIFEST)
            try:
                self._records[folder] = frozenset(one.path for one in _load(path))
            except (OSError, KeeprateError) as error:
                self._records[folder] = None
                self.damaged[str(path)] = error.what if isinstance(error, KeeprateError) else str(error)
        return self._records[folder]


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    exists: bool


def _numbered(name: PurePath, stem: str, number: int) -> str:
    """The name of a file that belongs to a picture called `stem`: `A.jpg.xmp` becomes `A (2).jpg.xmp` beside
    `A (2).jpg`.
    """
    if number == 1:
        return name.name
    if name.name[: len(stem)].casefold() != stem.casefold():
        stem = name.stem
    return f"{name.name[: len(stem)]} ({number}){name.name[len(stem) :]}"


def _same(place: Path, sha256: str) -> bool:
    try:
        return digest_file(place) == sha256
    except OSError:
        return False  # a folder, a broken link: somebody's


def _is_one_file(one: Path, other: Path) -> bool:
    """Whether two names lead to one file: a folder may be a link to the other, or a disk not tell `a` from `A`."""
    try:
        return one.samefile(other)
    except OSError:
        return False


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
