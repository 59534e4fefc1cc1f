"""One library: is its folder there, may it be read and written beside, what does it lie on, where is the trash?

Nothing is written to find out: permissions are asked for, and a mount says what it is.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from keeprate.attributes.manager import AttributeManager
from keeprate.attributes.store import UNSUPPORTED
from keeprate.catalog import files, libraries
from keeprate.config.models import TRASH_BUCKET, LibraryConfig
from keeprate.doctor.finding import Finding, Patient, error, ok, warning
from keeprate.doctor.program import size
from keeprate.errors import KeeprateError
from keeprate.plugin_api import PhotoManager
from keeprate.steps.marks.managers import managers_for
from keeprate.watching.exclusions import Exclusions
from keeprate.watching.mounts import Mount, mount_of
from keeprate.watching.roots import RootReport, root_state

SAMPLE = 20
LOOK_FOR_S = 2.0
"""So long the folders of a library are looked through for permissions."""
WITHOUT_LINKS = frozenset({"exfat", "msdos", "msdosfs", "vfat"})
"""File systems that can hold neither hard nor symbolic links."""
LEAST_ROOM = 50_000_000
"""Bytes on a library's disk: thousands of sidecars."""


FindMount = Callable[[Path], Mount | None]


def look_at_library(patient: Patient, library: LibraryConfig, *, find_mount: FindMount = mount_of) -> Iterator[Finding]:
    """Everything about one library; what cannot be told while it is offline is left out."""
    report = _root(patient, library)
    if not report.online:
        advice = (
            "Plug it in or mount it: keeprate forgets and learns nothing meanwhile. If it has moved, change `root`."
        )
        yield error("library.folder", report.sentence, advice, library=library.name)
        return
    yield ok("library.folder", f"{library.name}: {report.sentence}", library=library.name)
    try:
        managers = managers_for(library)
    except KeeprateError:
        managers = {}  # the check of the config tells
    yield from _permissions(library, managers)
    yield from _mount(library, find_mount(library.root))
    yield from _abilities(library, managers, find_mount)
    yield from _trash(library)
    yield from _room(library)


def _root(patient: Patient, library: LibraryConfig) -> RootReport:
    """As a scan would see it, but nothing is remembered."""
    known, sample = None, {}
    with patient.catalog() as catalog:
        if catalog is not None:
            known = libraries.get(catalog, library.name)
            sample = files.sample(catalog, library.name, SAMPLE)
    if known is not None and known.root != str(library.root):
        sample = {str(library.root) + path.removeprefix(known.root): one for path, one in sample.items()}
    return root_state(
        library.root,
        known_device=known.device if known else None,
        known_inode=known.inode if known else None,
        sample=sample,
        exclude=Exclusions(library.exclude),
    )


@dataclass(frozen=True, slots=True)
class Folders:
    """What the folders of a library allow."""

    looked_at: int
    complete: bool
    closed: tuple[Path, ...]
    """That may not be entered or listed."""
    fixed: tuple[Path, ...]
    """That may not be written to."""


def _permissions(library: LibraryConfig, managers: dict[str, PhotoManager]) -> Iterator[Finding]:
    found = look_through(library)
    name, called = "library.permissions", library.name
    some = f"{called}: all {found.looked_at:,} folders" if found.complete else f"{called}: {found.looked_at:,} folders"
    if found.closed:
        yield error(
            name,
            f"{called}: {_several(found.closed)} may not be read: photos there are not seen.",
            f"Give yourself the right (chmod u+rx {found.closed[0]}), or leave it out with `exclude`.",
            library=called,
        )
    if found.fixed and managers:
        yield warning(
            name,
            f"{called}: nothing can be written beside the photos in {_several(found.fixed)}; keeprate marks the others "
            "and reports these.",
            f"Give yourself the right: chmod u+w {found.fixed[0]}",
            library=called,
        )
    if not found.closed and not (found.fixed and managers):
        may = "may be read" if found.fixed else "may be read and written to"
        yield ok(name, f"{some} {may}.", library=called)


def look_through(library: LibraryConfig, for_s: float = LOOK_FOR_S) -> Folders:
    """Ask for the permissions of a library's folders, those left out not looked at."""
    exclude = Exclusions(library.exclude)
    root = str(library.root)
    deadline = time.monotonic() + for_s
    count, closed, fixed = 0, [], []
    waiting = [root]
    while waiting and time.monotonic() < deadline:
        folder = waiting.pop()
        count += 1
        try:
            with os.scandir(folder) as entries:
                waiting.extend(
                    entry.path
                    for entry in entries
                    if entry.is_dir(follow_symlinks=False) and not exclude.excludes(root, entry.path)
                )
        except PermissionError:
            closed.append(Path(folder))
            continue
        except OSError:
            continue
        if not os.access(folder, os.W_OK | os.X_OK):
            fixed.append(Path(folder))
    return Folders(count, not waiting, tuple(closed), tuple(fixed))


def _several(folders: tuple[Path, ...]) -> str:
    return str(folders[0]) if len(folders) == 1 else f"{len(folders):,} folders, such as {folders[0]},"


def _mount(library: LibraryConfig, mount: Mount | None) -> Iterator[Finding]:
    name, called = "library.mount", library.name
    if mount is None:
        yield ok(name, f"{called}: the system does not tell what it lies on.", library=called)
        return
    said = f"{called}: on {mount.point} ({mount.file_system})"
    if not mount.reports_changes:
        yield ok(
            name,
            f"{said}, which tells nothing of changes made elsewhere: it is scanned every few minutes instead.",
            library=called,
        )
    elif not mount.keeps_inodes:
        yield ok(name, f"{said}, which is watched; renamed photos are read again there.", library=called)
    else:
        yield ok(name, f"{said}, which is watched.", library=called)


def _abilities(library: LibraryConfig, managers: dict[str, PhotoManager], find_mount: FindMount) -> Iterator[Finding]:
    """Can the file systems hold what the photo managers of this library make?"""
    called = library.name
    for name, manager in managers.items():
        if isinstance(manager, AttributeManager) and keeps_attributes(library.root) is False:
            yield error(
                "library.attributes",
                f"{called}: its disk keeps no extended attributes, which marks.{name} needs.",
                "Choose another way of marking: `keeprate profile` lists them",
                library=called,
            )
        for folder in manager.own_folders():
            mount = find_mount(folder)
            if mount is not None and mount.file_system in WITHOUT_LINKS:
                yield warning(  # a contact sheet needs none
                    "library.links",
                    f"{called}: {folder} lies on {mount.file_system}, which cannot hold links: marks.{name} cannot "
                    "make a folder of links there.",
                    "Choose a folder on another disk for it.",
                    library=called,
                )


def keeps_attributes(folder: Path) -> bool | None:
    """Whether files in `folder` can have extended attributes of the user's; None: cannot be told here."""
    if not hasattr(os, "getxattr"):
        return None
    try:
        os.getxattr(folder, "user.keeprate.doctor")
    except OSError as problem:
        return problem.errno not in UNSUPPORTED if problem.errno in {errno.ENODATA, *UNSUPPORTED} else None
    return True


def _trash(library: LibraryConfig) -> Iterator[Finding]:
    """Where does the desktop put what is deleted here, and may we look there?"""
    if not any(TRASH_BUCKET in folders for head in library.heads.values() for folders in head.buckets.values()):
        return
    name, called = "library.trash", library.name
    place = trash_of(library.root)
    if place is None:
        yield warning(
            name,
            f"{called}: its disk has no trash and none can be made there: what you delete is gone and teaches nothing.",
            "Move such photos into a folder that means delete instead.",
            library=called,
        )
    elif place.exists() and not os.access(place, os.R_OK | os.X_OK):
        yield error(
            name,
            f"{called}: the trash {place} may not be read: what you delete teaches nothing.",
            f"Give yourself the right: chmod u+rx {place}",
            library=called,
        )
    else:
        there = "is there" if place.exists() else "is made by the desktop at the first deletion"
        yield ok(name, f"{called}: deleted photos are looked for in {place}, which {there}.", library=called)


def trash_of(root: Path) -> Path | None:
    """The trash for files below `root`, by the freedesktop.org specification; None: none, and none can be made."""
    if sys.platform == "darwin":
        return Path.home() / ".Trash"  # other disks have theirs too; macOS makes it by itself
    data = os.environ.get("XDG_DATA_HOME", "")
    home = Path(data) if Path(data).is_absolute() else Path.home() / ".local" / "share"
    if _device(home) == _device(root):
        return home / "Trash"
    top = root.resolve()
    while not top.is_mount():
        top = top.parent
    user = os.getuid()
    shared = top / ".Trash"
    if shared.is_dir() and shared.stat().st_mode & 0o1000:
        return shared / str(user)
    own = top / f".Trash-{user}"
    return own if own.is_dir() or os.access(top, os.W_OK | os.X_OK) else None


def _device(path: Path) -> int | None:
    """That of the nearest folder above `path` that exists."""
    while True:
        try:
            return path.stat().st_dev
        except OSError:
            if path == path.parent:
                return None
            path = path.parent


def _room(library: LibraryConfig) -> Iterator[Finding]:
    disk = os.statvfs(library.root)
    name, called, free = "library.room", library.name, disk.f_bavail * disk.f_frsize
    if disk.f_flag & os.ST_RDONLY:
        yield ok(name, f"{called}: its disk is read only.", library=called)
    elif free < LEAST_ROOM or (disk.f_files and disk.f_favail < 1000):
        left = f"{size(free)} and {disk.f_favail:,} files" if disk.f_files else size(free)
        yield warning(
            name, f"{called}: there is room for {left} only: marks may not fit.", "Make room.", library=called
        )
    else:
        yield ok(name, f"{called}: {size(free)} are free.", library=called)
