"""What each photo viewer can show, as marks to begin with; `init --viewer` and `profile` write them into the config.

The facts behind each choice are in docs/viewers. Nothing is embedded into a photo unless that is asked for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Marks = dict[str, dict[str, Any]]
"""Name of a photo manager → its settings: the `[library.marks.…]` tables."""

_STARS_BESIDE = {"xmp": {"mode": "sidecar", "stars": True}}
_STARS_INSIDE = {"xmp": {"mode": "embed", "stars": True}}


@dataclass(frozen=True, slots=True)
class Profile:
    """The marks that suit one viewer."""

    viewer: str
    title: str
    shows: str
    """What stands for the order, in a few words."""
    why: str
    in_viewer: str
    """What is to be done in the viewer itself."""
    order: dict[str, Any] = field(default_factory=dict)
    """Settings of the photo manager `order` beside the view folder, which every viewer gets."""
    beside: Marks = field(default_factory=dict)
    """What else is written, without a change to what is in the photos."""
    beside_shows: str = ""
    inside: Marks = field(default_factory=dict)
    """What is written into JPEGs, only when asked for; it takes the place of `beside`."""
    tried: str | None = None
    """The version that the tests start; None: the profile follows the viewer's documentation."""

    def marks(self, view_folder: Path, *, embed: bool = False) -> Marks:
        """The `[library.marks.…]` tables."""
        order = {"view_folder": _shown(view_folder)} | self.order
        return {"order": order} | {name: dict(table) for name, table in (self.beside | self._inside(embed)).items()}

    def writes(self, *, embed: bool = False) -> str:
        """What is written, in a few words."""
        more = "stars inside JPEGs" if embed else self.beside_shows
        return f"{self.shows}, and {more}" if more else self.shows

    def _inside(self, embed: bool) -> Marks:
        return self.inside if embed else {}


_BY_NAME = "Sort by name in the view folder; photos of your own folders stay in any order you like."

PROFILES: dict[str, Profile] = {
    profile.viewer: profile
    for profile in (
        Profile(
            "folder", "any viewer", "a view folder",
            "Every viewer sorts by name, and names of links can carry a number.",
            _BY_NAME,
        ),
        Profile(
            "geeqie", "Geeqie", "a view folder and a Geeqie collection",
            "A collection keeps its own order, finer than stars. Geeqie ignores sidecars of JPEGs.",
            "File > Open collection > keeprate-NAME. Or sort the view folder by name.",
            order={"geeqie_collection": "auto"}, inside=_STARS_INSIDE, tried="2.0.1",
        ),
        Profile(
            "digikam", "digiKam", "a view folder",
            "digiKam sorts by rating and reads IMG.jpg.xmp once that is switched on.",
            "Settings > Configure digiKam > Metadata > Sidecars > Read from sidecar files; then Item > Reread Metadata "
            "From File. View > Sort Items > By Rating.",
            beside=_STARS_BESIDE, beside_shows="sidecars with stars", inside=_STARS_INSIDE, tried="7.9.0",
        ),
        Profile(
            "darktable", "darktable", "a view folder",
            "darktable reads IMG.jpg.xmp when it imports a photo, and sorts by rating.",
            "Import after keeprate has marked; import the folder again for later scores. In the lighttable, sort by "
            "rating. A panel of keeprate's own is in plugins/darktable.",
            beside=_STARS_BESIDE, beside_shows="sidecars with stars", inside=_STARS_INSIDE, tried="4.2.1",
        ),
        Profile(
            "gthumb", "gThumb", "a view folder",
            "gThumb cannot sort by rating, but by name; with --embed it can filter by stars.",
            "View > Sort By > by name, in the view folder; Ctrl+R after a re-score.",
            inside=_STARS_INSIDE, tried="3.12.2",
        ),
        Profile(
            "shotwell", "Shotwell", "a view folder",
            "Shotwell reads stars only from inside the photos (--embed), when it imports them.",
            "View > Sort Photos > By Rating, after an import with --embed. It keeps the stars of the import. Leave "
            "the view folder out of its library.",
            inside=_STARS_INSIDE, tried="0.30.17",
        ),
        Profile(
            "gwenview", "Gwenview", "a view folder",
            "Gwenview reads stars from the attribute user.baloo.rating only; no photo's bytes change.",
            "View > Sort By > Rating, Descending. It reads stars when it starts: start it again after a re-score.",
            beside={"kde": {"stars": True}}, beside_shows="stars in KDE's file attributes", tried="22.12.3",
        ),
        Profile(
            "dolphin", "Dolphin", "a view folder",
            "Dolphin shows and sorts by the attribute user.baloo.rating.",
            "View > Sort By > Rating (needs the file indexer Baloo); Show Additional Information > Rating.",
            beside={"kde": {"stars": True}}, beside_shows="stars in KDE's file attributes",
        ),
        Profile(
            "nomacs", "nomacs", "a view folder",
            "nomacs shows stars (with --embed) but sorts by name, size or date only.",
            "Edit > Sort > by Filename, in the view folder.",
            inside=_STARS_INSIDE,
        ),
        Profile(
            "xnview", "XnView MP", "a view folder",
            "XnView keeps ratings in a database of its own and takes over those inside photos (--embed) if it is told.",
            "View > Sort by > Name, in the view folder.",
            inside=_STARS_INSIDE,
        ),
        Profile(
            "lightroom", "Lightroom Classic", "a view folder",
            "Lightroom reads stars of JPEGs only from inside (--embed), of RAW files from IMG.xmp.",
            "With --embed: select photos, Metadata > Read Metadata from File; sort by Rating.",
            inside={"xmp": {"mode": "embed", "stars": True, "sidecar_name": "adobe"}},
        ),
        Profile(
            "explorer", "Windows Explorer", "a view folder",
            "Explorer reads stars only from inside JPEGs (--embed), also over a network share.",
            "With --embed: View > Details, show the column Rating, click it.",
            inside=_STARS_INSIDE,
        ),
        Profile(
            "finder", "macOS Finder", "a view folder",
            "The Finder shows no stars; it shows, groups and sorts by tags. Nothing of this has run on a Mac.",
            "View > Group By or Sort By > Tags; the view folder by name.",
            beside={"finder": {}}, beside_shows="Finder tags",
        ),
    )
}  # fmt: skip
"""By the name that `--viewer` takes."""


def view_folder_beside(root: Path, fallback: Path) -> Path:
    """`Pictures by score` beside `Pictures`, or `fallback` where nothing can be made there."""
    beside = root.with_name(f"{root.name} by score")
    writable = root.parent != root and os.access(root.parent, os.W_OK) and root.parent != Path("/")
    return beside if writable else fallback


def _shown(path: Path) -> str:
    """`path` with the home folder as `~`, which survives a move of the home."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
