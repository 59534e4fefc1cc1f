"""Keep a folder of numbered links to the photos of a library, best first: every viewer can sort by name.

With sections (days, buckets) the links of each stand in a subfolder of their own, numbered for themselves.

The folder is described, not edited: `plan` works out the links that should stand, `apply` makes, moves and removes
the few that differ from those that do stand. So whatever interrupts it, the next run repairs.

It must never touch what it did not make. A folder is ours if it holds our marker file; `view_links` tells which links
are. Everything else in the folder, an edited picture that a program put in the place of a link for example, is left
alone.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from keeprate.plugin_api import Change, JournalEntry, LibraryPlace, MarkRefusedError, ScoredPhoto, Skipped, UndoOutcome
from keeprate_order.numbering import renumbered
from keeprate_order.places import missing_folder
from keeprate_order.selection import Section
from keeprate_order.view_links import (
    OurLink,
    Standing,
    is_temporary,
    look_at,
    make_link,
    move_link,
    remove_link,
    replace_link,
    temporary_name,
    tidy,
)
from keeprate_order.view_marker import MARKER_NAME, NO_MEDIA_NAME, ViewMarker, read_marker, write_marker
from keeprate_order.view_names import digits_for, link_name

FIELD = "view-folder"
_NO_SYMLINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}  # symlink(2) on FAT, exFAT, CIFS


class ViewLink(NamedTuple):
    """One link: its name in the view folder (`section/name` in a section) and the path that it holds."""

    name: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewChange(Change):
    """The view folder shall hold exactly these links of ours."""

    links: tuple[ViewLink, ...] = field(repr=False)
    standing: Standing = field(repr=False)
    """What stood when this was planned. Each link is looked at again before it is moved, replaced or removed."""


class ViewFolder:
    """One view folder of a library."""

    def __init__(self, folder: Path, library: LibraryPlace, *, relative_links: bool) -> None:
        self.folder = folder
        self._library = library
        self._relative_links = relative_links

    def plan(self, sections: Sequence[Section]) -> Iterator[ViewChange | Skipped]:
        """At most one change that brings the folder into the order of `sections`, and what is left out."""
        reason = self._reason_to_refuse()
        if reason is not None:
            yield Skipped(self.folder, reason)
            return
        marker = read_marker(self.folder)
        if marker is None and not sections:
            return
        standing = self._look(marker, *(section.name for section in sections if section.name))
        links: list[ViewLink] = []
        for photo, link in self._wanted(sections, standing):
            if link.name in standing.strangers or _section_of(link.name) in standing.strangers:
                yield Skipped(photo.path, f"{self.folder / link.name} is in the way of its link and is not ours")
            else:
                links.append(link)
        new = sum((held := standing.ours.get(link.name)) is None or held.target != link.target for link in links)
        obsolete = len(standing.ours.keys() - {link.name for link in links})
        up_to_date = marker is not None and marker.root == str(self._library.root)
        if up_to_date and not new and not obsolete and NO_MEDIA_NAME in standing.strangers:
            return
        yield ViewChange(
            path=self.folder,
            field=FIELD,
            before=marker.state.encode() if marker else None,
            after=_next_state(marker, links).encode(),
            summary=f"{len(links)} links, best first: {new} new or renamed, {obsolete} old ones removed",
            links=tuple(links),
            standing=standing,
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
        wanted = sorted({_section_of(link.name) for link in change.links} - {""})
        in_the_way = next((place for name in wanted if (place := self.folder / name).is_symlink()), None)
        if in_the_way is not None:
            raise MarkRefusedError(f"{in_the_way} is in the way and is not ours")
        created = self._take_folder() if marker is None else marker.created_folder
        earlier = [] if marker is None else [name for name in marker.sections if (self.folder / name).is_dir()]
        sections = tuple(sorted({*earlier, *wanted}))
        # The marker goes first: from here on, whatever stands in the folder can be told from the user's.
        write_marker(
            self.folder,
            ViewMarker(self._library.name, str(self._library.root), (change.after or b"").decode(), created, sections),
        )
        try:
            (self.folder / NO_MEDIA_NAME).touch()
            for name in wanted:
                (self.folder / name).mkdir(exist_ok=True)
            self._make_links(change.links, change.standing.ours)
        except OSError:
            if marker is None:  # nothing is half there that the journal does not know
                self._remove_ours(self.folder)
            raise
        tidy(self.folder, sections)

    def _make_links(self, links: Sequence[ViewLink], standing: dict[str, OurLink]) -> None:
        """Turn the links that stand into those that shall; no photo is without a link meanwhile."""
        wanted = {link.name for link in links}
        old_names: dict[str, list[str]] = {}
        for name, held in standing.items():
            if name not in wanted:
                old_names.setdefault(held.target, []).append(name)
        folder = str(self.folder)
        for link in links:
            held_there = standing.get(link.name)
            if held_there is not None and held_there.target == link.target:
                continue
            old = old_names.pop(link.target, [])
            if held_there is not None:
                replace_link(f"{folder}/{link.name}", held_there.target, link.target)
            elif old:
                move_link(f"{folder}/{old.pop()}", f"{folder}/{link.name}", link.target)
            else:
                make_link(f"{folder}/{link.name}", link.target)
            for name in old:
                remove_link(f"{folder}/{name}", link.target)
        for target, names in old_names.items():
            for name in names:
                remove_link(f"{folder}/{name}", target)

    def _wanted(self, sections: Sequence[Section], standing: Standing) -> Iterator[tuple[ScoredPhoto, ViewLink]]:
        """A link for each photo, in order, with the numbers that change the fewest names (decision 30)."""
        numbered: dict[str, list[OurLink]] = {}
        for name, link in standing.ours.items():
            numbered.setdefault(_section_of(name), []).append(link)
        real_folder = os.path.realpath(self.folder)
        for section in sections:
            links = numbered.get(section.name, [])
            digits = max([digits_for(len(section.photos)), *(link.parts.digits for link in links)])
            number_of = {link.target: link.parts.number for link in links if link.parts.digits == digits}
            start, prefix = (f"{real_folder}/{section.name}", f"{section.name}/") if section.name else (real_folder, "")
            targets = [
                os.path.relpath(photo.path, start) if self._relative_links else str(photo.path)
                for photo in section.photos
            ]
            numbers = renumbered([number_of.get(target) for target in targets], 10**digits - 1)
            for photo, target, number in zip(section.photos, targets, numbers, strict=True):
                yield photo, ViewLink(prefix + link_name(number, digits, f"{photo.score:.2f}", photo.path.name), target)

    def _look(self, marker: ViewMarker | None, *further_sections: str) -> Standing:
        """What stands in the folder, with the links of ours in it that keeprate made for this library."""
        if not self.folder.is_dir():
            return Standing()
        roots = set() if marker is None else {marker.root, str(self._library.root)}
        return look_at(self.folder, {*(marker.sections if marker else ()), *further_sections}, roots)

    def _take_folder(self) -> bool:
        """Create the folder if there is none and see that it can hold links; True if it was created."""
        created = not self.folder.exists()
        self.folder.mkdir(parents=True, exist_ok=True)
        probe = self.folder / temporary_name()
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
            return missing_folder(self.folder, self._library)
        if not folder.is_dir():
            return "a file stands where the view folder should be"
        marker = read_marker(folder)
        if marker is not None and not marker.is_of(self._library):
            return f"the folder is the view of the library {marker.library!r}; choose another one"
        if marker is None and any(not is_temporary(path.name) for path in folder.iterdir()):
            return "the folder is not empty and keeprate did not make it; choose a new or an empty one"
        return None

    def undo(self, entry: JournalEntry) -> UndoOutcome:
        """Remove our links, our files and, if we made it and nothing else is in it, the folder.

        An earlier order is not brought back: what stood before was made by us as well, and the next run makes
        the view anew.

        Raises:
            OSError: something cannot be removed; the marker stays, so that undoing can be repeated.
        """
        if not self.folder.is_dir():
            return UndoOutcome.GONE
        marker = read_marker(self.folder)
        if marker is None or not marker.is_of(self._library):
            return UndoOutcome.NOT_OURS
        nothing_left = self._remove_ours(self.folder)
        return UndoOutcome.RESTORED if nothing_left and entry.before is None else UndoOutcome.REMOVED_OURS

    def _remove_ours(self, folder: Path) -> bool:
        """Remove the view, its marker last; True if nothing of anybody's is left in the folder."""
        marker = read_marker(folder)
        for name, link in self._look(marker).ours.items():
            remove_link(f"{folder}/{name}", link.target)
        tidy(folder, marker.sections if marker else ())
        no_media = folder / NO_MEDIA_NAME
        if no_media.is_file() and not no_media.stat().st_size:
            no_media.unlink()
        (folder / MARKER_NAME).unlink()
        nothing_left = not any(folder.iterdir())
        if nothing_left and marker is not None and marker.created_folder:
            folder.rmdir()
        return nothing_left


def _section_of(name: str) -> str:
    return name.rpartition("/")[0]


def _next_state(marker: ViewMarker | None, links: Sequence[ViewLink]) -> str:
    """A short name for a set of links; the leading count makes it differ from every one before it."""
    serial = 1 if marker is None else marker.next_serial()
    digest = hashlib.sha256("\0".join(f"{link.name}\0{link.target}" for link in links).encode(errors="replace"))
    return f"{serial} {len(links)} links {digest.hexdigest()[:16]}"
