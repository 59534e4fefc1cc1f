"""Walk a library and say which pictures lie where, fast enough to do it again and again.

Only names and `stat` are looked at: no file is opened. What cannot be read becomes a `WalkProblem` and stops
nothing; whoever compares must not take what lies there for gone (`reconcile` does not).

Symbolic links
    A link to a picture counts as a file under the link's own path, but each real file counts once: a link to
    a picture that the walk meets under its own name, or that another link led to, is passed over. A link to a
    folder is followed under the same rule: not into the library itself (its folders are walked anyway), not
    into a folder that contains the library, and not twice into the same one. Links come after everything
    else and in the order of their paths, so that the real name wins and every walk decides alike.
"""

# A Path object for each of a hundred thousand files would double the time of a walk.
# ruff: noqa: PTH100, PTH119, PTH208

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from keeprate.watching.exclusions import VIEW_MARKER, Exclusions, lies_in_view
from keeprate.watching.signature import Signature, signature_of

IsPicture = Callable[[str], bool]
"""Whether a file of this name is a picture."""

_NOT_THERE = "the library's folder is not there"
_REPLACED = "the library's folder was replaced or unmounted during the scan"


@dataclass(frozen=True, slots=True)
class FoundFolder:
    """The pictures that lie in one folder: (path, signature). A hundred thousand objects would be too slow."""

    path: str
    files: list[tuple[str, Signature]]


@dataclass(frozen=True, slots=True)
class WalkProblem:
    """A folder or a link that could not be looked at: what lies there, and beneath, is unknown."""

    path: str
    reason: str


def walk_library(
    root: Path, *, exclude: Exclusions, is_picture: IsPicture, start: str | None = None
) -> Iterator[FoundFolder | WalkProblem]:
    """Every picture of the library at `root`, folder by folder, in no particular order.

    With `start`, a folder beneath `root`, only what lies there; a `start` that does not exist holds nothing,
    whereas a `root` that does not exist is a problem. Errors are yielded, never raised.
    """
    return _Walk(os.path.abspath(root), exclude, is_picture).run(start)


def look_at(
    root: Path, paths: Iterable[str], *, exclude: Exclusions, is_picture: IsPicture
) -> Iterator[FoundFolder | WalkProblem]:
    """Those of `paths` (files beneath `root`) that are pictures now, like `walk_library` but without a walk.

    Names are compared with the folder's listing: where `a.jpg` and `A.JPG` are one file, only the spelling that
    the file system gives back is found, as in a walk. Symbolic links are left to the walk, which alone knows
    whether their targets count already: each is yielded as a problem, so that it counts as neither there nor gone.
    """
    top = os.path.abspath(root)
    by_folder: dict[str, list[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        by_folder.setdefault(folder, []).append(name)
    before = _identity(top)
    if before is None:
        yield WalkProblem(top, _NOT_THERE)
        return
    views: dict[str, bool] = {}
    for folder, names in by_folder.items():
        if exclude.covers(top, folder) or lies_in_view(top, folder, views):
            continue
        wanted = [name for name in names if is_picture(name) and not exclude.excludes(top, f"{folder}/{name}")]
        yield from _look_into(folder, wanted)
    if _identity(top) != before:
        yield WalkProblem(top, _REPLACED)


def _look_into(folder: str, names: list[str]) -> Iterator[FoundFolder | WalkProblem]:
    """Those of `names` that are regular files in `folder`."""
    try:
        present = frozenset(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        yield WalkProblem(folder, _reason(error))
        return
    files: list[tuple[str, Signature]] = []
    for name in names:
        spelling = _spelling_on_disk(name, present)
        if spelling is None:
            continue
        path = f"{folder}/{spelling}"
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            yield WalkProblem(path, _reason(error))
            continue
        if stat.S_ISLNK(status.st_mode):
            yield WalkProblem(path, "a symbolic link, left to the next full scan")
        elif stat.S_ISREG(status.st_mode):
            files.append((path, signature_of(status)))
    yield FoundFolder(folder, files)


def _spelling_on_disk(name: str, present: frozenset[str]) -> str | None:
    """`name` as its folder lists it: macOS may report ö in one Unicode form and list it in the other."""
    if name in present or name.isascii():
        return name if name in present else None
    composed = unicodedata.normalize("NFC", name)
    return next((other for other in present if unicodedata.normalize("NFC", other) == composed), None)


class _Walk:
    """One walk: what is still to do, and which links must wait for the end."""

    def __init__(self, root: str, exclude: Exclusions, is_picture: IsPicture) -> None:
        self._root = root
        self._real_root = os.path.realpath(root)
        self._exclude = exclude
        self._is_picture = is_picture
        self._links: list[str] = []
        self._counted: set[tuple[int, int]] = set()
        """(device, inode) of folders and files outside the library that links have led to."""

    def run(self, start: str | None) -> Iterator[FoundFolder | WalkProblem]:
        first = start or self._root
        before = _identity(self._root)
        if before is None:
            yield WalkProblem(self._root, _NOT_THERE)
            return
        if self._exclude.covers(self._root, first) or lies_in_view(self._root, first, {}):
            return
        yield from self._walk(first, linked=False)
        yield from self._follow_links()
        if _identity(self._root) != before:
            # Unmounted meanwhile: what was not found may well be there.
            yield WalkProblem(self._root, _REPLACED)

    def _walk(self, first: str, *, linked: bool) -> Iterator[FoundFolder | WalkProblem]:
        waiting = [first]
        while waiting:
            folder = waiting.pop()
            if linked and not self._counts(folder):
                continue
            found = self._read(folder, waiting)
            if found is not None:
                yield found

    def _read(self, folder: str, waiting: list[str]) -> FoundFolder | WalkProblem | None:
        """The pictures of one folder; its folders go to `waiting`, its links to the end of the walk."""
        folders: list[str] = []
        links: list[str] = []
        files: list[tuple[str, Signature]] = []
        root, exclude, is_picture = self._root, self._exclude, self._is_picture
        excludes_name, looks_at_paths = exclude.excludes_name, exclude.looks_at_paths
        prefix = folder if folder.endswith("/") else folder + "/"
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = entry.name
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(prefix + name)
                    elif entry.is_symlink():
                        links.append(prefix + name)
                    elif is_picture(name):
                        path = prefix + name
                        if excludes_name(name) or (looks_at_paths and exclude.excludes(root, path)):
                            continue
                        try:
                            status = entry.stat(follow_symlinks=False)
                        except FileNotFoundError:  # deleted or renamed since the folder was listed
                            continue
                        if stat.S_ISREG(status.st_mode):
                            files.append((path, signature_of(status)))
                    elif name == VIEW_MARKER:
                        return None
        except (FileNotFoundError, NotADirectoryError):  # deleted or renamed since its parent was listed
            return None
        except OSError as error:
            return WalkProblem(folder, _reason(error))
        waiting.extend(path for path in folders if not exclude.excludes(root, path))
        self._links.extend(path for path in links if not exclude.excludes(root, path))
        return FoundFolder(folder, files)

    def _follow_links(self) -> Iterator[FoundFolder | WalkProblem]:
        """Links to folders first, so that a link to a picture in one of them is known to be a second name."""
        to_files: list[str] = []
        while self._links:
            links, self._links = sorted(self._links), []  # following them may add further ones
            for link in links:
                try:
                    mode = os.stat(link).st_mode
                except OSError as error:
                    yield WalkProblem(link, f"a symbolic link that leads nowhere: {_reason(error)}")
                    continue
                if stat.S_ISREG(mode) and self._is_picture(os.path.basename(link)):
                    to_files.append(link)
                elif stat.S_ISDIR(mode) and not self._walked_anyway(os.path.realpath(link)):
                    yield from self._walk(link, linked=True)
        for link in sorted(to_files):
            found = self._linked_file(link)
            if found is not None:
                yield FoundFolder(os.path.dirname(link), [found])

    def _linked_file(self, link: str) -> tuple[str, Signature] | None:
        target = os.path.realpath(link)
        folder, name = os.path.split(target)
        found_by_its_own_name = (
            self._is_picture(name)
            and not self._exclude.excludes_name(name)
            and (self._walked_anyway(target) or _identity(folder) in self._counted)
        )
        if found_by_its_own_name or not self._counts(target):
            return None
        try:
            return link, signature_of(os.stat(link))
        except OSError:
            return None

    def _walked_anyway(self, target: str) -> bool:
        """Whether a real path is met in the library without following links, or contains the library."""
        if target == self._real_root or f"{self._real_root}/".startswith(f"{target.rstrip('/')}/"):
            return True
        return not self._exclude.covers(self._real_root, target)

    def _counts(self, path: str) -> bool:
        """Whether no link has led to this folder or file before; from now on one has."""
        identity = _identity(path)
        if identity is None or identity in self._counted:
            return False
        self._counted.add(identity)
        return True


def _identity(path: str) -> tuple[int, int] | None:
    """(device, inode) of what lies at `path`, links followed; None if nothing can be found there."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
