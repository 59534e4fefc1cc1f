"""Keep a contact sheet: static pages of small pictures in the order of the scores, for any browser.

`index.html` gets a folder `index_files` beside it with the further pages and the thumbnails, and our marker file. Like
the view folder it is described, not edited: `apply` writes what differs, and the next run repairs what was interrupted.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from keeprate.plugin_api import (
    Change,
    JournalEntry,
    LibraryPlace,
    MarkRefusedError,
    Opening,
    ScoredPhoto,
    Skipped,
    UndoOutcome,
)
from keeprate.safe_files import FileChangedError, read_file, remove_file, replace_file, sweep_temporaries
from keeprate_order import thumbnails
from keeprate_order.places import missing_folder
from keeprate_order.selection import Section
from keeprate_order.settings import SHEET_MAXIMUM_PHOTOS
from keeprate_order.sheet_pages import OURS, THUMBNAILS, Sheet, pages_of
from keeprate_order.view_links import is_temporary
from keeprate_order.view_marker import MARKER_NAME, NO_MEDIA_NAME, ViewMarker, read_marker, write_marker

FIELD = "contact-sheet"
_THUMBNAIL_NAME = re.compile(rf"[0-9a-f]{{32}}{re.escape(thumbnails.SUFFIX)}")
_PAGE_NAME = re.compile(r"page-[0-9]{1,6}\.html")


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetChange(Change):
    """The sheet shall have these pages, and thumbnails of these photos."""

    pages: dict[Path, bytes] = field(repr=False)
    photos: tuple[ScoredPhoto, ...] = field(repr=False)
    opening: Opening = field(repr=False)


def files_folder(page: Path) -> Path:
    """The folder that belongs to a page, named as browsers name it when they save one."""
    return page.with_name(f"{page.stem}_files")


class ContactSheet:
    """One contact sheet of a library."""

    def __init__(self, page: Path, library: LibraryPlace, *, relative_paths: bool) -> None:
        self.page = page
        self.files = files_folder(page)
        self._library = library
        self._relative_paths = relative_paths

    def plan(self, sections: Sequence[Section], subtitle: str, opening: Opening) -> Iterator[SheetChange | Skipped]:
        """At most one change that brings the sheet up to date."""
        reason = self._reason_to_refuse()
        if reason is not None:
            yield Skipped(self.page, reason)
            return
        shown = _first(sections, SHEET_MAXIMUM_PHOTOS)
        photos = tuple(photo for section in shown for photo in section.photos)
        marker = read_marker(self.files)
        if marker is None and not photos:
            return
        title = f"{self._library.name}: {len(photos):,} photos"
        pages = pages_of(Sheet(title, subtitle, self.page, self.files, self._relative_paths), shown)
        wanted = {thumbnails.file_name(photo) for photo in photos}
        stale = [path for path, content in pages.items() if _page_content(path) != content]
        standing = self._names_of_ours()
        missing = wanted - standing
        if marker is not None and not stale and not missing and not standing - wanted - {path.name for path in pages}:
            return
        serial = 1 if marker is None else marker.next_serial()
        digest = hashlib.sha256(b"\0".join(pages.values())).hexdigest()[:16]
        yield SheetChange(
            path=self.page,
            field=FIELD,
            before=marker.state.encode() if marker else None,
            after=f"{serial} {len(photos)} photos {digest}".encode(),
            summary=f"contact sheet of {len(photos)} photos: {len(stale)} of {len(pages)} pages anew, "
            f"{len(missing)} thumbnails to make",
            pages=pages,
            photos=photos,
            opening=opening,
        )

    def apply(self, change: SheetChange) -> None:
        """Write what differs from `change`; can be repeated after an interruption at any point.

        Raises:
            MarkRefusedError: the place is not ours, or was written by another run since the plan.
            OSError: something cannot be written; the next run goes on where this one stopped.
        """
        reason = self._reason_to_refuse()
        if reason is not None:
            raise MarkRefusedError(f"{self.page}: {reason}")
        marker = read_marker(self.files)
        if (marker.state.encode() if marker else None) != change.before:
            raise MarkRefusedError(f"{self.page} has been written by another run since this was planned")
        created = not self.files.exists() if marker is None else marker.created_folder
        self.files.mkdir(parents=True, exist_ok=True)
        state = (change.after or b"").decode()
        write_marker(self.files, ViewMarker(self._library.name, str(self._library.root), state, created))
        try:
            self._write(change)
        except OSError:
            if marker is None:  # nothing is half there that the journal does not know
                self._remove_ours(created)
            raise

    def _write(self, change: SheetChange) -> None:
        (self.files / NO_MEDIA_NAME).touch()
        small = self.files / THUMBNAILS
        small.mkdir(exist_ok=True)
        thumbnails.make_missing(small, change.photos, change.opening)
        for path, content in reversed(change.pages.items()):  # the first page last: it links to the others
            if _page_content(path) != content:
                _write_page(path, content)
        keep = {thumbnails.file_name(photo) for photo in change.photos} | {path.name for path in change.pages}
        self._remove_but(keep)

    def undo(self, entry: JournalEntry) -> UndoOutcome:
        """Remove our pages and thumbnails and, if we made it and nothing else is in it, the folder beside the page.

        Raises:
            MarkRefusedError: a page changed this moment.
            OSError: something cannot be removed; the marker stays, so that undoing can be repeated.
        """
        marker = read_marker(self.files)
        if marker is None or not marker.is_of(self._library):
            return UndoOutcome.NOT_OURS if self.files.is_dir() else UndoOutcome.GONE
        nothing_left = self._remove_ours(marker.created_folder)
        return UndoOutcome.RESTORED if nothing_left and entry.before is None else UndoOutcome.REMOVED_OURS

    def _remove_ours(self, created_folder: bool) -> bool:
        """Remove the sheet, its marker last; True if nothing of anybody's is left in its places."""
        first = _page_content(self.page)
        if first is not None:
            _remove_page(self.page, first)
        self._remove_but(set())
        with suppress(OSError):  # something of the user's is in it, or there is none
            (self.files / THUMBNAILS).rmdir()
        no_media = self.files / NO_MEDIA_NAME
        if no_media.is_file() and not no_media.stat().st_size:
            no_media.unlink()
        (self.files / MARKER_NAME).unlink()
        nothing_left = not any(self.files.iterdir())
        if nothing_left and created_folder:
            self.files.rmdir()
        return nothing_left and not os.path.lexists(self.page)

    def _reason_to_refuse(self) -> str | None:
        reason = missing_folder(self.page.parent, self._library)
        if reason is not None:
            return reason
        if os.path.lexists(self.page) and _page_content(self.page) is None:
            return "this page was not made by keeprate; choose another file name"
        if not os.path.lexists(self.files):
            return None
        if self.files.is_symlink() or not self.files.is_dir():
            return f"{self.files} is in the way and is not ours"
        marker = read_marker(self.files)
        if marker is not None and not marker.is_of(self._library):
            return f"the contact sheet is that of the library {marker.library!r}; choose another file name"
        if marker is None and any(not is_temporary(path.name) for path in self.files.iterdir()):
            return f"{self.files} is not empty and keeprate did not make it; choose another file name"
        return None

    def _names_of_ours(self) -> set[str]:
        """The thumbnails and further pages that stand, by name."""
        return {path.name for path in self._ours()}

    def _ours(self) -> list[Path]:
        found: list[Path] = []
        for folder, pattern in ((self.files, _PAGE_NAME), (self.files / THUMBNAILS, _THUMBNAIL_NAME)):
            if folder.is_dir() and not folder.is_symlink():
                found += [folder / name for name in os.listdir(folder) if pattern.fullmatch(name)]  # noqa: PTH208
        return found

    def _remove_but(self, keep: set[str]) -> None:
        for path in self._ours():
            if path.name not in keep and not path.is_symlink():
                if path.suffix == thumbnails.SUFFIX:
                    path.unlink()
                elif (content := _page_content(path)) is not None:
                    _remove_page(path, content)
        for folder in (self.page.parent, self.files, self.files / THUMBNAILS):
            sweep_temporaries(folder, minimum_age_s=60 if folder == self.page.parent else 0)


def _first(sections: Sequence[Section], count: int) -> list[Section]:
    """The first `count` photos, in their sections."""
    shown: list[Section] = []
    for section in sections:
        if count <= 0:
            break
        shown.append(replace(section, photos=section.photos[:count]))
        count -= len(section.photos)
    return shown


def _page_content(path: Path) -> bytes | None:
    """The content of a page of ours; None if there is none, or if it is somebody else's."""
    if path.is_symlink() or not path.is_file():
        return None
    try:
        content, _ = read_file(path)
    except FileChangedError as error:
        raise MarkRefusedError(f"{path} is being changed by another program") from error
    return content if content.startswith(OURS.encode()) else None


def _write_page(path: Path, content: bytes) -> None:
    try:
        replace_file(path, content)
    except FileChangedError as error:
        raise MarkRefusedError(f"{path} is being changed by another program") from error


def _remove_page(path: Path, content: bytes) -> None:
    try:
        remove_file(path, expected=content)
    except (FileNotFoundError, FileChangedError) as error:
        raise MarkRefusedError(f"{path} is being changed by another program") from error
