"""Which folders may be made: one below a folder that is there, no more, for its disk may be unplugged.

Only inside the library, which is there, and where programs keep their data more than one may be missing.
"""

from __future__ import annotations

import os
from pathlib import Path

from keeprate.plugin_api import LibraryPlace


def data_home() -> Path:
    """Where programs keep what they have for a user (XDG Base Directory Specification)."""
    named = os.environ.get("XDG_DATA_HOME", "")
    return Path(named) if named.startswith("/") else Path.home() / ".local" / "share"


def missing_folder(folder: Path, library: LibraryPlace) -> str | None:
    """Why `folder` is not there and must not be made, or None."""
    if folder.parent.is_dir() or any(folder.is_relative_to(base) for base in (library.root, data_home())):
        return None
    return f"the folder {folder.parent} is not there: plug in its disk, or make it"
