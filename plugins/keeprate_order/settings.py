"""What can be set for the photo manager `order`: one view in a few flat keys, and further views in a list.

A *view* is a choice of photos in an order, and where it is shown: a folder of links, a playlist, a contact sheet, a
Geeqie collection.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from keeprate_order import geeqie

By = Literal["score", "date", "bucket"]

SHEET_MAXIMUM_PHOTOS = 5_000
"""More than anybody looks through in a contact sheet; a thumbnail takes about 20 ms and 10 kB."""

_PLAYLIST = "A list of paths to write, one a line; .m3u and .m3u8 get a playlist's header. Empty: none."
_COLLECTION = 'A Geeqie collection (.gqv) to write; "auto" puts it where Geeqie looks. Empty: none.'
_SHEET = (
    "A page (.html) of small pictures to write, and a folder of the same name beside it; the first "
    f"{SHEET_MAXIMUM_PHOTOS:,} photos. Empty: none."
)
_BY = (
    '"score": all in one row; "date": a subfolder for each day, best first within it; "bucket": a subfolder for each '
    "bucket with what most probably belongs there, surest first."
)
_BEST_FIRST = "Best photo first; false puts the likeliest to be deleted first."
_REVIEWED = "Show photos that are already in a bucket too."
_LIMIT = "Show only so many photos (in each subfolder); 0 shows all."
_ONE_OF_BURST = "Of a burst or of near-duplicates, show only the best; brackets and panoramas are shown whole."


@dataclass(frozen=True, slots=True)
class View:
    """The config section `[[library.marks.order.views]]`."""

    folder: str = field(
        default="", metadata={"help": "Folder of numbered links to the photos; relative to the library. Empty: none."}
    )
    by: By = field(default="score", metadata={"help": _BY})
    head: str = field(default="", metadata={"help": "Whose scores; empty: those of the head that is marked."})
    bucket: str = field(
        default="", metadata={"help": "Show only what most probably belongs into this bucket, surest first."}
    )
    best_first: bool = field(default=True, metadata={"help": _BEST_FIRST})
    reviewed: bool = field(default=False, metadata={"help": _REVIEWED})
    limit: int = field(default=0, metadata={"help": _LIMIT})
    best_of_burst_only: bool = field(default=False, metadata={"help": _ONE_OF_BURST})
    playlist: str = field(default="", metadata={"help": _PLAYLIST})
    contact_sheet: str = field(default="", metadata={"help": _SHEET})
    geeqie_collection: str = field(default="", metadata={"help": _COLLECTION})

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}  # a slip of the pen is no setting

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise ValueError("limit must be 0 or more")
        if not geeqie.is_collection_name(self.geeqie_collection or geeqie.AUTO):
            raise ValueError(f'geeqie_collection must be "{geeqie.AUTO}" or end in {geeqie.SUFFIX}')
        if self.contact_sheet and Path(self.contact_sheet).suffix.lower() not in (".html", ".htm"):
            raise ValueError("contact_sheet must end in .html")
        if self.by == "bucket" and self.bucket:
            raise ValueError('by = "bucket" shows every bucket: leave out either `by` or `bucket`')

    def places(self) -> list[str]:
        """Where it is shown, as written in the config."""
        return [place for place in (self.folder, self.playlist, self.contact_sheet, self.geeqie_collection) if place]


@dataclass(frozen=True, slots=True)
class OrderSettings:
    """The config section `[library.marks.order]`."""

    view_folder: str = field(
        default="",
        metadata={"help": "Folder of numbered links to the photos; relative to the library. Empty: none."},
    )
    links: Literal["absolute", "relative"] = field(
        default="absolute",
        metadata={
            "help": "What links, playlists and contact sheets hold; relative paths survive a disk that is mounted "
            "elsewhere."
        },
    )
    best_first: bool = field(default=True, metadata={"help": _BEST_FIRST})
    reviewed: bool = field(default=False, metadata={"help": _REVIEWED})
    limit: int = field(default=0, metadata={"help": _LIMIT})
    by: By = field(default="score", metadata={"help": _BY})
    best_of_burst_only: bool = field(default=False, metadata={"help": _ONE_OF_BURST})
    playlist: str = field(default="", metadata={"help": _PLAYLIST})
    contact_sheet: str = field(default="", metadata={"help": _SHEET})
    geeqie_collection: str = field(default="", metadata={"help": _COLLECTION})
    touch_mtime: bool = field(
        default=False,
        metadata={"help": "Set modification times so that newest first is this order. Upsets backups and sync."},
    )
    views: tuple[View, ...] = field(default=(), metadata={"help": "Further views, each with settings of its own."})

    def __post_init__(self) -> None:
        first = self.first_view  # raises what is wrong with it
        twice = [place for place, count in Counter(_all_places(first, *self.views)).items() if count > 1]
        if twice:
            raise ValueError(f"two views cannot both be at {twice[0]!r}")

    @property
    def first_view(self) -> View:
        """The view that the flat keys describe."""
        return View(
            folder=self.view_folder,
            by=self.by,
            best_first=self.best_first,
            reviewed=self.reviewed,
            limit=self.limit,
            best_of_burst_only=self.best_of_burst_only,
            playlist=self.playlist,
            contact_sheet=self.contact_sheet,
            geeqie_collection=self.geeqie_collection,
        )

    @property
    def all_views(self) -> tuple[View, ...]:
        return (self.first_view, *self.views)


def _all_places(*views: View) -> list[str]:
    return [str(Path(place)) for view in views for place in view.places()]
