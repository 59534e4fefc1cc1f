"""Keep a folder of numbered links to the photos of a library, best first: every viewer can sort by name.

The folder is described, not edited: `plan` works out the links that should stand, `apply` makes and removes
the few that differ from those that do stand. So whatever interrupts it, the next run repairs.

It must never touch what it did not make. A folder is ours if it holds our marker file; a link in it is ours
if it points into the library and bears the name that we would give it. Everything else in the folder, an
edited picture that a program put in the place of a link for example, is left alone.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from keeprate.plugin_api import (
    Change,
    JournalEntry,
    LibraryPlace,
    MarkRefusedError,
    ScoredPhoto,
    Skipped,
    UndoOutcome,
)
from keeprate.safe_files import TEMPORARY_PREFIX, FileChangedError, read_file, replace_file, sweep_temporaries
from keeprate_order.numbering import renumbered
from keeprate_order.view_names import digits_for, link_name, parts_of

FIELD = "view-folder"
MARKER_NAME = ".keeprate-view"
"""Tells keeprate and people whose folder this is; watchers leave a folder that holds it alone."""
NO_MEDIA_NAME = ".nomedia"
"""Asks galleries and indexers not to show every photo twice (Android's convention, honoured by many)."""

_MARKER_MAXIMUM_BYTES = 64 * 1024
_NO_SYMLINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}  # symlink(2) on FAT, exFAT, CIFS


@dataclass(frozen=True, slots=True)
class ViewLink:
    """One link: its name in the view folder and the path that it holds."""

    name: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewChange(Change):
    """The view folder shall hold exactly these links of ours."""

    links: tuple[ViewLink, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ViewMarker:
    """The content of the marker file."""

    library: str
    root: str
    """The library's root when the view was last written: links into it are ours even after it has moved."""
    state: str
    """Which links keeprate last set out to make; what the journal holds as `before` and `after`."""
    created_folder: bool
    """Whether the folder itself is ours to remove."""
    made_by: str = "keeprate"
    version: int = 1
    note: str = "keeprate makes and removes the links in this folder. Deleting the folder harms no photo."


class ViewFolder:
    """The view folder of one library."""

    def __init__(self, folder: Path, library: LibraryPlace, *, relative_links: bool) -> None:
        self.folder = folder
        self._library = library
        self._relative_links = relative_links

    def plan(self, photos: Sequence[ScoredPhoto]) -> Iterator[ViewChange | Skipped]:
        """At most one change that brings the folder into the order of `photos`, and what is left out."""
        reason = self._reason_to_refuse()
        if reason is not None:
            yield Skipped(self.folder, reason)
            return
        marker = read_marker(self.folder)
        if marker is None and not photos:
            return
        standing = self._links_of_ours(self.folder, marker)
        strangers = _names_in(self.folder) - standing.keys()
        links: list[ViewLink] = []
        for photo, link in zip(photos, self._wanted(photos, standing), strict=True):
            if link.name in strangers:
                yield Skipped(photo.path, f"{self.folder / link.name} is in the way of its link and is not ours")
            else:
                links.append(link)
        wanted = {link.name: link.target for link in links}
        if (
            marker is not None
            and marker.root == str(self._library.root)
            and NO_MEDIA_NAME in strangers
            and wanted == standing
        ):
            return
        new = sum(standing.get(name) != target for name, target in wanted.items())
        obsolete = sum(name not in wanted for name in standing)
        yield ViewChange(
            path=self.folder,
            field=FIELD,
            before=marker.state.encode() if marker else None,
            after=_next_state(marker, links).encode(),
            summary=f"{len(links)} links, best first: {new} new or renamed, {obsolete} old ones removed",
            links=tuple(links),
        )

    def apply(self, change: ViewChange) -> None:
        """Make the links of `change` stand; can be repeated after an interruption at any point.

        Raises:
            MarkRefusedError: the folder is not ours, was changed since the plan, or cannot hold links.
            OSError: the folder cannot be written; the next run goes on where this one stopped.
        """
        reason = self._reason_to_refuse()
        if reason is not None:
            raise MarkRefusedError(f"{self.folder}: {reason}")
        marker = read_marker(self.folder)
        if (marker.state.encode() if marker else None) != change.before:
            raise MarkRefusedError(f"{self.folder} has been written by another run since this was planned")
        created = self._take_folder() if marker is None else marker.created_folder
        ours = self._links_of_ours(self.folder, marker)
        # The marker goes first: from here on, whatever stands in the folder can be told from the user's.
        state = (change.after or b"").decode()
        replace_file(
            self.folder / MARKER_NAME,
            _encode(ViewMarker(self._library.name, str(self._library.root), state, created)),
        )
        try:
            (self.folder / NO_MEDIA_NAME).touch()
            self._make_links(change.links, ours)
        except OSError:
            if marker is None:  # nothing is half there that the journal does not know
                self._remove_ours(self.folder)
            raise
        _tidy(self.folder)

    def _make_links(self, links: Sequence[ViewLink], standing: dict[str, str]) -> None:
        """Turn the links that stand into those that shall, each photo's new link before its old one goes."""
        wanted = {link.name for link in links}
        old_names: dict[str, list[str]] = {}
        for name, target in standing.items():
            if name not in wanted:
                old_names.setdefault(target, []).append(name)
        for link in links:
            if standing.get(link.name) == link.target:
                continue
            if link.name in standing:
                _replace_link(self.folder / link.name, standing[link.name], link.target)
            else:
                # symlink(2) overwrites nothing, and the link is there whole or not at all.
                (self.folder / link.name).symlink_to(link.target)
            for name in old_names.pop(link.target, []):
                _remove_link(self.folder / name, link.target)
        for target, names in old_names.items():
            for name in names:
                _remove_link(self.folder / name, target)

    def _wanted(self, photos: Sequence[ScoredPhoto], standing: dict[str, str]) -> list[ViewLink]:
        """A link for each photo, in order, with the numbers that change the fewest names (decision 30)."""
        parts = [(target, parts_of(name, target)) for name, target in standing.items()]
        digits = max([digits_for(len(photos)), *(part.digits for _, part in parts if part is not None)])
        number_of = {target: part.number for target, part in parts if part is not None and part.digits == digits}
        targets = [self._target(photo.path) for photo in photos]
        numbers = renumbered([number_of.get(target) for target in targets], 10**digits - 1)
        return [
            ViewLink(link_name(number, digits, f"{photo.score:.2f}", photo.path.name), target)
            for photo, target, number in zip(photos, targets, numbers, strict=True)
        ]

    def _target(self, photo: Path) -> str:
        return os.path.relpath(photo, os.path.realpath(self.folder)) if self._relative_links else str(photo)

    def _take_folder(self) -> bool:
        """Create the folder if there is none and see that it can hold links; True if it was created."""
        created = not self.folder.exists()
        self.folder.mkdir(parents=True, exist_ok=True)
        probe = self.folder / _temporary_name()
        try:
            probe.symlink_to("probe")
            probe.unlink()
        except OSError as error:
            if created:
                self.folder.rmdir()
            if error.errno in _NO_SYMLINKS:
                raise MarkRefusedError(
                    f"{self.folder}: this disk cannot hold symbolic links; choose a folder on another one"
                ) from error
            raise
        return created

    def _reason_to_refuse(self) -> str | None:
        folder, root = Path(os.path.realpath(self.folder)), Path(os.path.realpath(self._library.root))
        if root.is_relative_to(folder):
            return "the view folder would hold the library itself; choose a folder of its own"
        if not folder.exists():
            return None
        if not folder.is_dir():
            return "a file stands where the view folder should be"
        marker = read_marker(folder)
        if marker is not None and not self._is_mine(marker):
            return f"the folder is the view of the library {marker.library!r}; choose another one"
        if marker is None and any(not _is_temporary(path) for path in folder.iterdir()):
            return "the folder is not empty and keeprate did not make it; choose a new or an empty one"
        return None

    def _is_mine(self, marker: ViewMarker) -> bool:
        return marker.library == self._library.name or marker.root == str(self._library.root)

    def _links_of_ours(self, folder: Path, marker: ViewMarker | None) -> dict[str, str]:
        """Name and target of every link in the folder that keeprate made for this library."""
        if marker is None:
            return {}
        roots = {marker.root, str(self._library.root)}
        start = os.path.realpath(folder)
        links: dict[str, str] = {}
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_symlink():
                    continue
                target = str(Path(entry.path).readlink())
                place = os.path.normpath(os.path.join(start, target))
                inside = any(place.startswith(root.rstrip("/") + "/") for root in roots)
                if inside and parts_of(entry.name, target) is not None:
                    links[entry.name] = target
        return links

    def undo(self, entry: JournalEntry) -> UndoOutcome:
        """Remove our links, our files and, if we made it and nothing else is in it, the folder.

        An earlier order is not brought back: what stood before was made by us as well, and the next run makes
        the view anew.

        Raises:
            OSError: something cannot be removed; the marker stays, so that undoing can be repeated.
        """
        folder = entry.path
        if not folder.is_dir():
            return UndoOutcome.GONE
        marker = read_marker(folder)
        if marker is None or not self._is_mine(marker):
            return UndoOutcome.NOT_OURS
        nothing_left = self._remove_ours(folder)
        return UndoOutcome.RESTORED if nothing_left and entry.before is None else UndoOutcome.REMOVED_OURS

    def _remove_ours(self, folder: Path) -> bool:
        """Remove the view, its marker last; True if nothing of anybody's is left in the folder."""
        marker = read_marker(folder)
        for name, target in self._links_of_ours(folder, marker).items():
            _remove_link(folder / name, target)
        _tidy(folder)
        no_media = folder / NO_MEDIA_NAME
        if no_media.is_file() and not no_media.stat().st_size:
            no_media.unlink()
        (folder / MARKER_NAME).unlink()
        nothing_left = not any(folder.iterdir())
        if nothing_left and marker is not None and marker.created_folder:
            folder.rmdir()
        return nothing_left


def read_marker(folder: Path) -> ViewMarker | None:
    """The marker of a view folder; None if there is none that keeprate wrote."""
    path = folder / MARKER_NAME
    if path.is_symlink():
        return None
    try:
        data, _ = read_file(path, maximum_bytes=_MARKER_MAXIMUM_BYTES)
        content = json.loads(data)
    except (OSError, FileChangedError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.get("made_by") != "keeprate":
        return None
    library, root, state = (content.get(key) for key in ("library", "root", "state"))
    if not (isinstance(library, str) and isinstance(root, str) and isinstance(state, str)):
        return None
    return ViewMarker(library, root, state, content.get("created_folder") is True)


def standing_state(folder: Path) -> bytes | None:
    """Which view of ours stands in `folder`, encoded as in `ViewChange.before`."""
    marker = read_marker(folder)
    return marker.state.encode() if marker else None


def _encode(marker: ViewMarker) -> bytes:
    return json.dumps(asdict(marker), indent=1).encode("ascii")


def _next_state(marker: ViewMarker | None, links: Sequence[ViewLink]) -> str:
    """A short name for a set of links; the leading count makes it differ from every one before it."""
    serial = 1
    if marker is not None:
        with suppress(ValueError):
            serial = int(marker.state.split(" ", 1)[0]) + 1
    digest = hashlib.sha256("\0".join(f"{link.name}\0{link.target}" for link in links).encode(errors="replace"))
    return f"{serial} {len(links)} links {digest.hexdigest()[:16]}"


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _temporary_name() -> str:
    return f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}.tmp"


def _replace_link(link: Path, target_seen: str, target: str) -> None:
    temporary = link.parent / _temporary_name()
    temporary.symlink_to(target)
    if not _holds(link, target_seen):
        temporary.unlink()
        return  # somebody put something else there a moment ago; the next run sees it
    temporary.replace(link)


def _remove_link(link: Path, target_seen: str) -> None:
    if _holds(link, target_seen):
        link.unlink()


def _holds(link: Path, target: str) -> bool:
    return link.is_symlink() and str(link.readlink()) == target


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(TEMPORARY_PREFIX) and path.name.endswith(".tmp")


def _tidy(folder: Path) -> None:
    """Remove temporary links and files that a killed run left; in our own folder, however young they are."""
    for path in folder.iterdir():
        if path.is_symlink() and _is_temporary(path):
            path.unlink()
    sweep_temporaries(folder, minimum_age_s=0)
