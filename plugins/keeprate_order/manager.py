"""The photo manager itself: its settings, which photos it shows, and which way each change belongs to.

It decides nothing about files; the three ways (`view_folder`, `geeqie`, `mtimes`) do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

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
from keeprate_order import geeqie, mtimes, view_folder
from keeprate_order.geeqie import CollectionChange, GeeqieCollection
from keeprate_order.view_folder import ViewChange, ViewFolder


@dataclass(frozen=True, slots=True)
class OrderSettings:
    """The config section `[library.marks.order]`."""

    view_folder: str = field(
        default="",
        metadata={"help": "Folder of numbered links to the photos; relative to the library. Empty: none."},
    )
    links: Literal["absolute", "relative"] = field(
        default="absolute",
        metadata={"help": "What the links hold; relative ones survive a disk that is mounted elsewhere."},
    )
    best_first: bool = field(
        default=True,
        metadata={"help": "Best photo first; false puts the likeliest to be deleted first."},
    )
    reviewed: bool = field(
        default=False,
        metadata={"help": "Show photos that are already in a bucket too."},
    )
    limit: int = field(default=0, metadata={"help": "Show only so many photos; 0 shows all."})
    geeqie_collection: str = field(
        default="",
        metadata={"help": 'A Geeqie collection (.gqv) to write; "auto" puts it where Geeqie looks. Empty: none.'},
    )
    touch_mtime: bool = field(
        default=False,
        metadata={"help": "Set modification times so that newest first is this order. Upsets backups and sync."},
    )

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise ValueError("limit must be 0 or more")
        if not geeqie.is_collection_name(self.geeqie_collection or geeqie.AUTO):
            raise ValueError(f'geeqie_collection must be "{geeqie.AUTO}" or end in {geeqie.SUFFIX}')


class OrderManager(PhotoManager):
    """Shows the photos of a library in the order of their scores."""

    settings_type: ClassVar[type[Any]] = OrderSettings

    def __init__(self, library: LibraryPlace, settings: OrderSettings) -> None:
        super().__init__(library, settings)
        self._settings = settings
        self._view = ViewFolder(
            library.root / Path(settings.view_folder).expanduser(),
            library,
            relative_links=settings.links == "relative",
        )
        collection = settings.geeqie_collection
        self._collection = GeeqieCollection(geeqie.collection_path(collection or geeqie.AUTO, library), library)

    def plan(self, request: MarkRequest) -> Iterator[Change | Skipped]:
        photos = self._shown(request)
        if self._settings.view_folder:
            yield from _readable(self._view.folder, self._view.plan(photos))
        if self._settings.geeqie_collection:
            yield from _readable(self._collection.path, self._collection.plan(photos, request.last_written))
        if self._settings.touch_mtime:
            yield from mtimes.plan_times(photos)

    def apply(self, change: Change) -> None:
        match change:
            case ViewChange():
                self._view.apply(change)
            case CollectionChange():
                self._collection.apply(change)
            case _:
                mtimes.apply_time(change)

    def standing(self, entry: JournalEntry) -> bytes | None:
        match entry.field:
            case view_folder.FIELD:
                return view_folder.standing_state(entry.path)
            case geeqie.FIELD:
                return geeqie.standing_digest(entry.path)
            case mtimes.FIELD:
                return mtimes.standing_time(entry)
        raise MarkRefusedError(f"{entry.field!r} is not a field of the photo manager order")

    def undo(self, entry: JournalEntry) -> UndoOutcome:
        match entry.field:
            case view_folder.FIELD:
                return self._view.undo(entry)
            case geeqie.FIELD:
                return self._collection.undo(entry)
            case mtimes.FIELD:
                return mtimes.undo_time(entry)
        raise MarkRefusedError(f"{entry.field!r} is not a field of the photo manager order")

    def own_folders(self) -> tuple[Path, ...]:
        return (self._view.folder,) if self._settings.view_folder else ()

    def _shown(self, request: MarkRequest) -> list[ScoredPhoto]:
        """The photos in the order in which they are shown."""
        photos = [photo for photo in request.photos if self._settings.reviewed or photo.label is None]
        if not self._settings.best_first:
            photos.reverse()
        return photos[: self._settings.limit] if self._settings.limit else photos


def _readable(place: Path, plan: Iterator[Change | Skipped]) -> Iterator[Change | Skipped]:
    """`plan`, ending in a word about `place` if it cannot be read: one unreadable place stops no other."""
    try:
        yield from plan
    except OSError as error:
        yield Skipped(place, f"it cannot be read: {error.strerror or error}")
    except MarkRefusedError as refused:
        yield Skipped(place, str(refused))
