"""Find photos that their owner put into the desktop's trash.

Only looks: nothing in a trash is ever changed, and no picture is opened. On Linux each trashed thing has a note of
where it lay (freedesktop.org Trash specification 1.0: the home trash, `.Trash/$uid` and `.Trash-$uid` at the top
of other disks). Where no note tells (macOS keeps them to itself; a photo was renamed just before), a file is recognised
by its inode, size and modification time, which a move on the same disk leaves alone; decision 0118 says when that is
certain enough.

Whatever is malformed, unreadable or planted by somebody else counts as not there.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote_to_bytes

from keeprate.watching.mounts import ReadMounts, mount_of, read_mounts
from keeprate.watching.signature import StoredSignature, signature_of

_MAX_NOTE_BYTES = 64 << 10  # a path of 4,096 bytes, each as %XX, and some keys of others
_MAX_LOOKED_AT = 100_000
"""So many files and folders that were put into a trash since the last look are looked at by inode, and no more."""
_NOTED_WITHIN_S = 2.0
"""The date in a note is cut to the second, and the file follows its note by a moment."""
_RACY_NS = 2_000_000_000
"""A folder that changed less than this ago may change again without a new time (FAT counts in two seconds)."""


@dataclass(frozen=True, slots=True)
class TrashedFile:
    """Something in a trash: a file, or a folder with all that was in it."""

    original: Path
    """Where it lay."""
    trashed_at: datetime
    """When it was put there, with a time zone. Without a note of the time: when it was last changed or moved."""
    file: Path
    """Where it lies now."""


@dataclass(frozen=True, slots=True)
class _TrashFolder:
    """One trash of ours; paths in its notes may be relative to `top`."""

    path: Path
    top: Path


@dataclass(frozen=True, slots=True)
class _Note:
    """What one `.trashinfo` says; `trashed` is None if it makes no sense."""

    written_ns: int
    trashed: TrashedFile | None


@dataclass(frozen=True, slots=True)
class _Listing:
    """What a trash held when its two folders had these modification times."""

    times_ns: tuple[int, int]
    is_final: bool
    """False if the folders may have changed since without newer times."""
    notes: dict[str, _Note]
    there: list[TrashedFile]


class DesktopTrash:
    """The trash folders of this user that may hold files from the libraries at `roots`.

    Remembers what it has read: asking again costs two `stat` a trash as long as nothing changes. Not for several
    threads at once.
    """

    def __init__(
        self, roots: Iterable[Path], *, platform: str = sys.platform, mounts: ReadMounts = read_mounts
    ) -> None:
        self._roots = tuple(roots)
        self._has_notes = platform != "darwin"
        self._mounts = mounts
        self._listings: dict[Path, _Listing] = {}

    def list_trashed(self) -> list[TrashedFile]:
        """Everything in the trash folders that has a note of where it lay; on macOS nothing has."""
        if not self._has_notes:
            return []
        return [trashed for folder in self._noted_folders() for trashed in self._listed(folder)]

    def find_trashed(
        self, vanished: Mapping[Path, StoredSignature], *, since: float | None = None
    ) -> dict[Path, TrashedFile]:
        """Which of these files (path → last known signature) are in a trash now.

        A file counts only if the trash has it with the size that it had: an older photo of the same name may
        have been trashed long ago. Of several that fit, the one trashed last is given. Files that went with their
        folder are found as well.

        What was renamed after it was last seen has a note of a name that nobody knows: such files are recognised by
        their inode among what was put into a trash after `since`, the last look at the library (unix seconds). None
        where inode numbers prove nothing (`Mount.keeps_inodes`).
        """
        if not vanished:
            return {}
        listed = self.list_trashed()
        found = _find_by_note(vanished, listed)
        left = {path: signature for path, signature in vanished.items() if path not in found}
        if since is None or not left:
            return found
        return found | _find_by_inode(left, self._put_since(since, listed))

    def _put_since(self, since: float, listed: Iterable[TrashedFile]) -> Iterator[tuple[Path, float]]:
        """What was put into a trash since then, and when at the latest; only what a file of a library can have become.

        An inode number means something on its own disk only. A note of a place outside the libraries is about another
        name of the file (hard links), if it is about that file at all.
        """
        devices = {_device(root) for root in self._roots} - {None}
        roots = {*self._roots, *(Path(os.path.realpath(root)) for root in self._roots)}
        for trash in [] if self._has_notes else self._trashes_without_notes():
            status = _status(trash)
            if status and status.st_dev in devices and status.st_mtime + _NOTED_WITHIN_S >= since:
                yield from ((entry, status.st_mtime) for entry in _entries(trash))
        for trashed in listed:
            at = trashed.trashed_at.timestamp()
            if at + _NOTED_WITHIN_S < since or not any(trashed.original.is_relative_to(root) for root in roots):
                continue
            note = _status(trashed.file.parents[1] / "info" / f"{trashed.file.name}.trashinfo")
            if note and _device(trashed.file.parent) in devices:
                yield trashed.file, min(at, note.st_mtime)  # the date may be of another time zone

    def _listed(self, folder: _TrashFolder) -> list[TrashedFile]:
        """What one trash holds, read again only if it may have changed."""
        before = self._listings.get(folder.path)
        try:
            times_ns = ((folder.path / "info").stat().st_mtime_ns, (folder.path / "files").stat().st_mtime_ns)
            if before is None or not before.is_final or before.times_ns != times_ns:
                before = _list(folder, times_ns, before.notes if before else {})
                self._listings[folder.path] = before
        except OSError:
            self._listings.pop(folder.path, None)
            return []
        return before.there

    def _noted_folders(self) -> list[_TrashFolder]:
        data = os.environ.get("XDG_DATA_HOME", "")
        data_home = Path(data) if os.path.isabs(data) else Path.home() / ".local" / "share"  # noqa: PTH117 (a str)
        folders: list[_TrashFolder] = []
        user = os.getuid()
        for top in self._tops():
            shared = _status(top / ".Trash")
            # The specification demands the sticky bit, without which others could swap our folder for theirs.
            if shared and stat.S_ISDIR(shared.st_mode) and shared.st_mode & stat.S_ISVTX:
                folders.append(_TrashFolder(top / ".Trash" / str(user), top))
            folders.append(_TrashFolder(top / f".Trash-{user}", top))
        ours = [folder for folder in folders if _is_own_folder(folder.path)]
        return [_TrashFolder(data_home / "Trash", data_home), *ours]

    def _trashes_without_notes(self) -> list[Path]:
        user = str(os.getuid())
        trashes = [Path.home() / ".Trash", *(top / ".Trashes" / user for top in self._tops())]
        return [trash for trash in trashes if _is_own_folder(trash)]

    def _tops(self) -> list[Path]:
        """The top folders of the disks that the libraries lie on, and of disks mounted within them."""
        tops: dict[str, None] = {}
        mounts = self._mounts()
        for root in self._roots:
            real = os.path.realpath(root)
            mount = mount_of(root, lambda: mounts)
            if mount is not None:
                tops[mount.point] = None
            tops |= dict.fromkeys(mount.point for mount in mounts if mount.point.startswith(real.rstrip("/") + "/"))
            while not os.path.ismount(real):  # a btrfs subvolume has a top of its own without being in the list
                real = os.path.dirname(real)
            tops[real] = None
        return [Path(top) for top in tops]


def parse_note(text: bytes, top: Path) -> tuple[Path, datetime | None] | None:
    """Where a trashed thing lay, and when it was trashed (local time; None if the note does not say).

    None if the note makes no sense. The format is that of the Trash specification: a first line `[Trash Info]`, then
    `Path=` with %XX for bytes, relative to `top` or absolute, and `DeletionDate=YYYY-MM-DDThh:mm:ss`; of several,
    the first counts.
    """
    lines = [line.strip() for line in text.splitlines()]
    if not lines or lines[0] != b"[Trash Info]":
        return None
    values: dict[bytes, bytes] = {}
    for line in lines[1:]:
        if line.startswith(b"["):
            break
        key, separator, value = line.partition(b"=")
        if separator:
            values.setdefault(key.rstrip(), value.lstrip())
    path = unquote_to_bytes(values.get(b"Path", b""))
    if not path or b"\0" in path or b".." in path.split(b"/"):
        return None
    try:
        when = datetime.fromisoformat(values[b"DeletionDate"].decode("ascii")).astimezone()
    except (KeyError, ValueError, OverflowError):
        when = None
    return top / os.fsdecode(path), when


def _list(folder: _TrashFolder, times_ns: tuple[int, int], before: Mapping[str, _Note]) -> _Listing:
    """Read the notes of one trash, those in `before` only if they were written again.

    Raises:
        OSError: the folder of notes cannot be read.
    """
    is_final = time.time_ns() - max(times_ns) > _RACY_NS
    notes: dict[str, _Note] = {}
    there: list[TrashedFile] = []
    with os.scandir(folder.path / "info") as entries:
        for entry in entries:
            if not entry.name.endswith(".trashinfo"):
                continue
            try:
                status = entry.stat(follow_symlinks=False)
                note = before.get(entry.name)
                if note is None or note.written_ns != status.st_ctime_ns:
                    note = _Note(status.st_ctime_ns, _read_note(folder, Path(entry.path), status))
            except OSError:
                continue
            notes[entry.name] = note
            if note.trashed is not None and os.path.lexists(note.trashed.file):
                there.append(note.trashed)
    return _Listing(times_ns, is_final, notes, there)


def _read_note(folder: _TrashFolder, note: Path, status: os.stat_result) -> TrashedFile | None:
    if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_NOTE_BYTES:
        return None
    parsed = parse_note(note.read_bytes(), folder.top)
    if parsed is None:
        return None
    original, when = parsed
    return TrashedFile(
        original, when or datetime.fromtimestamp(status.st_mtime, UTC), folder.path / "files" / note.stem
    )


def _find_by_note(vanished: Mapping[Path, StoredSignature], listed: Iterable[TrashedFile]) -> dict[Path, TrashedFile]:
    """Which of these files have a note of where they lay."""
    by_origin: dict[Path, list[TrashedFile]] = {}
    for trashed in listed:
        by_origin.setdefault(trashed.original, []).append(trashed)
    found: dict[Path, TrashedFile] = {}
    for path, signature in vanished.items():
        # The note may name the folder by its real path, where the library's root is a symbolic link.
        spellings = {path, Path(os.path.realpath(path.parent), path.name)}
        fitting = [
            TrashedFile(path, trashed.trashed_at, file)
            for spelling in spellings
            for origin in (spelling, *spelling.parents)
            for trashed in by_origin.get(origin, ())
            if _regular_size(file := trashed.file / spelling.relative_to(origin)) == signature[0]
        ]
        if fitting:
            found[path] = max(fitting, key=lambda trashed: trashed.trashed_at)
    return found


def _find_by_inode(
    vanished: Mapping[Path, StoredSignature], put: Iterable[tuple[Path, float]]
) -> dict[Path, TrashedFile]:
    """Which of these files are, or lie beneath, what was `put` into a trash (and when), whatever they are called there.

    A file with several names (hard links) does not count: who throws one of them away has not thrown the photo away.
    Of names that are gone by now, the change time tells: had one been removed after the other was put into the trash,
    it would be later.
    """
    names = Counter(map(_identity, vanished.values()))
    wanted = {identity: path for path, signature in vanished.items() if names[identity := _identity(signature)] == 1}
    found: dict[Path, TrashedFile] = {}
    for file, status, at in _regular_files(put):
        path = wanted.get(_identity(signature_of(status)))
        if path is not None and status.st_nlink == 1 and status.st_ctime <= at + _NOTED_WITHIN_S:
            found[path] = TrashedFile(path, datetime.fromtimestamp(status.st_ctime, UTC), file)
    return found


def _identity(signature: StoredSignature) -> tuple[int, int, int]:
    """What stays the same when a file is moved."""
    size, mtime_ns, _, inode = signature
    return size, mtime_ns, inode


def _regular_files(put: Iterable[tuple[Path, float]]) -> Iterator[tuple[Path, os.stat_result, float]]:
    """The regular files that are, or lie beneath, what was put there; up to `_MAX_LOOKED_AT`, folders counted."""
    waiting = list(put)
    for _ in range(_MAX_LOOKED_AT):
        if not waiting:
            return
        path, at = waiting.pop()
        status = _status(path)
        if status and stat.S_ISDIR(status.st_mode):
            waiting += [(below, at) for below in _entries(path)]
        elif status and stat.S_ISREG(status.st_mode):
            yield path, status, at


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _device(path: Path) -> int | None:
    try:
        return path.stat().st_dev
    except OSError:
        return None


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None


def _is_own_folder(path: Path) -> bool:
    """Whether a folder, no link, of this user's is there: nobody else shall tell us what this user deleted."""
    status = _status(path)
    return status is not None and stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()


def _regular_size(path: Path) -> int | None:
    status = _status(path)
    return status.st_size if status and stat.S_ISREG(status.st_mode) else None
