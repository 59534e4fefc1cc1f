"""What each photo viewer can show, as marks to begin with; `keeprate init --viewer` writes them into the config.

The facts are in docs/viewers.md. Nothing here embeds anything into a photo: that is only done when asked for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_STAR_SIDECARS = {"mode": "sidecar", "stars": True}


def marks_for(viewer: str, view_folder: Path) -> dict[str, dict[str, Any]]:
    """The `[library.marks.…]` tables for a viewer."""
    order: dict[str, Any] = {"view_folder": _shown(view_folder)}
    match viewer:
        case "geeqie":
            return {"order": order | {"geeqie_collection": "auto"}}
        case "digikam" | "darktable":
            return {"order": order, "xmp": dict(_STAR_SIDECARS)}
        case _:
            # the others read stars from inside the photo only, or none: a folder in the right order needs nothing
            return {"order": order}


def view_folder_beside(root: Path, fallback: Path) -> Path:
    """`Pictures by score` beside `Pictures`, or `fallback` where nothing can be made there."""
    beside = root.with_name(f"{root.name} by score")
    writable = root.parent != root and os.access(root.parent, os.W_OK) and root.parent != Path("/")
    return beside if writable else fallback


def _shown(path: Path) -> str:
    """`path` with the home folder as `~`, which survives a move of the home."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
