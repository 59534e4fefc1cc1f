"""The marker file in a folder that keeprate made: whose it is, and which state it was last brought to."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from keeprate.plugin_api import LibraryPlace
from keeprate.safe_files import FileChangedError, read_file, replace_file

MARKER_NAME = ".keeprate-view"
"""Tells keeprate and people whose folder this is; watchers leave a folder that holds it alone."""
NO_MEDIA_NAME = ".nomedia"
"""Asks galleries and indexers not to show every photo twice (Android's convention, honoured by many)."""

_MAXIMUM_BYTES = 4 << 20  # the days of some centuries


@dataclass(frozen=True, slots=True)
class ViewMarker:
    """The content of the marker file."""

    library: str
    root: str
    """The library's root when the view was last written: links into it are ours even after it has moved."""
    state: str
    """What keeprate last set out to make; what the journal holds as `before` and `after`."""
    created_folder: bool
    """Whether the folder itself is ours to remove."""
    sections: tuple[str, ...] = ()
    """Subfolders in which links of ours may stand."""
    made_by: str = "keeprate"
    version: int = 1
    note: str = "keeprate makes and removes what is in this folder. Deleting the folder harms no photo."

    def is_of(self, library: LibraryPlace) -> bool:
        return self.library == library.name or self.root == str(library.root)

    def next_serial(self) -> int:
        """A number for the next state, larger than that of every one before it."""
        with suppress(ValueError):
            return int(self.state.split(" ", 1)[0]) + 1
        return 1


def read_marker(folder: Path) -> ViewMarker | None:
    """The marker of a folder; None if there is none that keeprate wrote."""
    path = folder / MARKER_NAME
    if path.is_symlink():
        return None
    try:
        data, _ = read_file(path, maximum_bytes=_MAXIMUM_BYTES)
        content = json.loads(data)
    except (OSError, FileChangedError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.get("made_by") != "keeprate":
        return None
    library, root, state = (content.get(key) for key in ("library", "root", "state"))
    if not (isinstance(library, str) and isinstance(root, str) and isinstance(state, str)):
        return None
    sections = content.get("sections")
    named = [name for name in sections if _is_name(name)] if isinstance(sections, list) else []
    return ViewMarker(library, root, state, content.get("created_folder") is True, tuple(named))


def write_marker(folder: Path, marker: ViewMarker) -> None:
    """Write the marker of a folder, atomically.

    Raises:
        OSError: it cannot be written; the old one is intact.
    """
    replace_file(folder / MARKER_NAME, json.dumps(asdict(marker), indent=1).encode("ascii"))


def standing_state(folder: Path) -> bytes | None:
    """The state of what keeprate made in `folder`, as the journal holds it; None if it made nothing there."""
    marker = read_marker(folder)
    return marker.state.encode() if marker else None


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name not in ("", ".", "..") and "/" not in name and "\0" not in name
