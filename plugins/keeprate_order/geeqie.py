"""Write the order as a Geeqie collection: a text file that Geeqie opens in exactly that order.

The format, from Geeqie's `src/collect-io.cc` (collection_load_private, collection_save_private): a first
line `#Geeqie collection`, comment lines that begin with `#`, then one absolute path in double quotes a line.
Nothing is escaped: everything up to the next quote is the path, line breaks included. A path that holds a
quote, or bytes that are no UTF-8, cannot be written down and is left out.

A collection that the user made is never overwritten. When a photo of a collection is moved or deleted in
Geeqie, Geeqie itself rewrites the file and drops our comment line: then the file still counts as ours if the
journal says that we made it and it lists nothing from outside the library.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from keeprate.plugin_api import LibraryPlace
from keeprate_order.list_file import ListFile, is_utf8

FIELD = "geeqie-collection"
AUTO = "auto"
SUFFIX = ".gqv"
_HEADER = b"#Geeqie collection\n"
_OURS = b"#made by keeprate, which replaces this file: save a changed collection under another name\n"


def is_collection_name(setting: str) -> bool:
    """Whether Geeqie would take a file of that name for a collection."""
    return setting == AUTO or Path(setting).suffix == SUFFIX


def collection_path(setting: str, library: LibraryPlace) -> Path:
    """Where the collection lies; `auto`: a file of the library's name where Geeqie lists its collections."""
    if setting == AUTO:
        data_home = os.environ.get("XDG_DATA_HOME", "")
        base = Path(data_home) if data_home.startswith("/") else Path.home() / ".local" / "share"
        return base / "geeqie" / "collections" / f"keeprate-{library.name.replace('/', '_')}{SUFFIX}"
    return library.root / Path(setting).expanduser()


class GeeqieCollection(ListFile):
    """A collection file of one library."""

    field: ClassVar[str] = FIELD
    what: ClassVar[str] = "Geeqie collection"

    def line(self, photo: Path) -> bytes | None:
        path = os.fsencode(photo)
        return b'"' + path + b'"\n' if b'"' not in path and is_utf8(path) else None

    def content(self, lines: Sequence[bytes]) -> bytes:
        return _HEADER + _OURS + b"".join(lines) + b"#end\n"

    def is_ours(self, content: bytes, last_written: bytes | None) -> bool:
        if content.startswith(_HEADER + _OURS):
            return True
        inside = os.fsencode(self.library.root).rstrip(b"/") + b"/"
        return (
            last_written is not None
            and content.startswith(_HEADER)
            and all(path.startswith(inside) for path in paths_in(content))
        )


def paths_in(content: bytes) -> list[bytes]:
    """The paths that a collection lists, read as Geeqie reads them."""
    without_comments = re.sub(rb'(?m)^#[^\n"]*\n', b"", content)
    return re.findall(rb'"([^"]*)"', without_comments)
