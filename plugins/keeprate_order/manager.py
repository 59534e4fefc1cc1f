"""The photo manager itself: which view is shown where, and which way each change belongs to.

It decides nothing about files; the ways (`view_folder`, `playlist`, `contact_sheet`, `geeqie`, `mtimes`) do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from keeprate.plugin_api import (
    Change,
    JournalEntry,
    LibraryPlace,
    MarkRefusedError,
    MarkRequest,
    PhotoManager,
    ScoredPhoto,
    Skipped,
    UndoOutcome,
)
from keeprate_order import contact_sheet, geeqie, mtimes, playlist, view_folder, view_marker
from keeprate_order.contact_sheet import ContactSheet, SheetChange
from keeprate_order.geeqie import GeeqieCollection
from keeprate_order.list_file import ListChange, ListFile
from keeprate_order.playlist import Playlist
from keeprate_order.selection import NothingToShowError, Section, chosen, sections_of
from keeprate_order.settings import OrderSettings, View
from keeprate_order.view_folder import ViewChange, ViewFolder


class OrderManager(PhotoManager):
    """Shows the photos of a library in the order of their scores."""

    settings_type: ClassVar[type[Any]] = OrderSettings

    def __init__(self, library: LibraryPlace, settings: OrderSettings) -> None:
        super().__init__(library, settings)
        self._settings = settings

    def plan(self, request: MarkRequest) -> Iterator[Change | Skipped]:
        for view in self._settings.all_views:
            if view.places():
                yield from self._plan_view(view, request)
        if self._settings.touch_mtime:
            photos = chosen(request.photos, reviewed=self._settings.reviewed)
            yield from mtimes.plan_times(photos if self._settings.best_first else photos[::-1], request)

    def apply(self, change: Change) -> None:
        match change:
            case ViewChange():
                self._view_folder(change.path).apply(change)
            case SheetChange():
                self._contact_sheet(change.path).apply(change)
            case ListChange():
                self._list(change.field, change.path).apply(change)
            case mtimes.TimeChange():
                mtimes.apply_time(change)
            case _:
                raise MarkRefusedError(f"{change.field!r} is not a change of the photo manager order")

    def standing(self, entry: JournalEntry) -> bytes | None:
        match entry.field:
            case view_folder.FIELD:
                return view_marker.standing_state(entry.path)
            case contact_sheet.FIELD:
                return view_marker.standing_state(contact_sheet.files_folder(entry.path))
            case geeqie.FIELD | playlist.FIELD:
                return self._list(entry.field, entry.path).standing()
            case mtimes.FIELD:
                return mtimes.standing_time(entry)
        raise MarkRefusedError(f"{entry.field!r} is not a field of the photo manager order")

    def undo(self, entry: JournalEntry) -> UndoOutcome:
        match entry.field:
            case view_folder.FIELD:
                return self._view_folder(entry.path).undo(entry)
            case contact_sheet.FIELD:
                return self._contact_sheet(entry.path).undo(entry)
            case geeqie.FIELD | playlist.FIELD:
                return self._list(entry.field, entry.path).undo(entry)
            case mtimes.FIELD:
                return mtimes.undo_time(entry)
        raise MarkRefusedError(f"{entry.field!r} is not a field of the photo manager order")

    def own_folders(self) -> tuple[Path, ...]:
        views = self._settings.all_views
        folders = [self._place(view.folder) for view in views if view.folder]
        sheets = [self._place(view.contact_sheet) for view in views if view.contact_sheet]
        return (*folders, *(contact_sheet.files_folder(page) for page in sheets))

    def places(self) -> tuple[Path, ...]:
        asked = list(self._asked())
        beside = [contact_sheet.files_folder(place) for field, place in asked if field == contact_sheet.FIELD]
        return (*(place for _, place in asked), *beside)

    def wants(self, field: str, path: Path | None) -> bool:
        if field == mtimes.FIELD:
            return self._settings.touch_mtime
        if path is None:
            return any(field == asked for asked, _ in self._asked())
        real = os.path.realpath(path)
        return any(field == asked and real == os.path.realpath(place) for asked, place in self._asked())

    def _asked(self) -> Iterator[tuple[str, Path]]:
        """Every place that a view names, with its field."""
        for view in self._settings.all_views:
            if view.folder:
                yield view_folder.FIELD, self._place(view.folder)
            if view.playlist:
                yield playlist.FIELD, self._place(view.playlist)
            if view.geeqie_collection:
                yield geeqie.FIELD, geeqie.collection_path(view.geeqie_collection, self.library)
            if view.contact_sheet:
                yield contact_sheet.FIELD, self._place(view.contact_sheet)

    def _plan_view(self, view: View, request: MarkRequest) -> Iterator[Change | Skipped]:
        try:
            sections = sections_of(view, request)
        except NothingToShowError as nothing:
            yield Skipped(self._place(view.places()[0]), str(nothing))
            return
        photos = [photo for section in sections for photo in section.photos]
        if view.folder:
            folder = self._view_folder(self._place(view.folder))
            yield from _readable(folder.folder, folder.plan(sections))
        if view.playlist:
            yield from self._plan_list(playlist.FIELD, self._place(view.playlist), photos, request)
        if view.geeqie_collection:
            collection = geeqie.collection_path(view.geeqie_collection, self.library)
            yield from self._plan_list(geeqie.FIELD, collection, photos, request)
        if view.contact_sheet:
            sheet = self._contact_sheet(self._place(view.contact_sheet))
            yield from _readable(sheet.page, sheet.plan(sections, _subtitle(view, request, sections), request.opening))

    def _plan_list(
        self, field: str, path: Path, photos: list[ScoredPhoto], request: MarkRequest
    ) -> Iterator[Change | Skipped]:
        yield from _readable(path, self._list(field, path).plan(photos, request.last_written))

    def _place(self, setting: str) -> Path:
        return self.library.root / Path(setting).expanduser()

    def _view_folder(self, folder: Path) -> ViewFolder:
        return ViewFolder(folder, self.library, relative_links=self._relative)

    def _contact_sheet(self, page: Path) -> ContactSheet:
        return ContactSheet(page, self.library, relative_paths=self._relative)

    def _list(self, field: str, path: Path) -> ListFile:
        if field == geeqie.FIELD:
            return GeeqieCollection(path, self.library)
        return Playlist(path, self.library, relative_paths=self._relative)

    @property
    def _relative(self) -> bool:
        return self._settings.links == "relative"


def _subtitle(view: View, request: MarkRequest, sections: list[Section]) -> str:
    """What a contact sheet shows, in words."""
    head = view.head or request.head
    if view.bucket or view.by == "bucket":
        return f"By {head}, {'surest' if view.best_first else 'least sure'} first"
    bucket = next((photo.buckets[0] for section in sections for photo in section.photos), "")
    return f"By {head}: how probably each is {bucket!r}, {'best' if view.best_first else 'worst'} first"


def _readable(place: Path, plan: Iterator[Change | Skipped]) -> Iterator[Change | Skipped]:
    """`plan`, ending in a word about `place` if it cannot be read: one unreadable place stops no other."""
    try:
        yield from plan
    except OSError as error:
        yield Skipped(place, f"it cannot be read: {error.strerror or error}")
    except MarkRefusedError as refused:
        yield Skipped(place, str(refused))
