"""Write the order as a Geeqie collection: a text file that Geeqie opens in exactly that order.

The format, from Geeqie's `src/collect-io.cc` (collection_load_private, collection_save_private): a first
line `#Geeqie collection`, comment lines that begin with `#`, then one absolute path in double quotes a line.
Nothing is escaped: everything up to the next quote is the path, line breaks included. A path that holds a
quote, or bytes that are no UTF-8, cannot be written down and is left out.

A collection that the user made is never overwritten, nor one of ours that the user rearranged and saved. When a
photo of a collection is moved or deleted in Geeqie, Geeqie itself rewrites the file and drops our comment lines: then
the file still counts as ours if it is what we wrote apart from entries that are gone or bear another name. For that
the journal holds four bytes for each entry.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from keeprate.plugin_api import LibraryPlace
from keeprate_order.list_file import ListFile, is_utf8, library_line, not_ours, other_library
from keeprate_order.places import data_home

FIELD = "geeqie-collection"
AUTO = "auto"
SUFFIX = ".gqv"
_HEADER = b"#Geeqie collection\n"
_OURS = b"#made by keeprate, which replaces this file: save a changed collection under another name\n"
_ORDER = b" order:"
_SHORT = 4
"""Bytes: of a thousand renamed photos in a collection of 100,000, less than one in fifty is taken for another."""


def is_collection_name(setting: str) -> bool:
    """Whether Geeqie would take a file of that name for a collection."""
    return setting == AUTO or Path(setting).suffix == SUFFIX


def collection_path(setting: str, library: LibraryPlace) -> Path:
    """Where the collection lies; `auto`: a file of the library's name where Geeqie lists its collections."""
    if setting == AUTO:
        return data_home() / "geeqie" / "collections" / f"keeprate-{library.name.replace('/', '_')}{SUFFIX}"
    return library.root / Path(setting).expanduser()


class GeeqieCollection(ListFile):
    """A collection file of one library."""

    field: ClassVar[str] = FIELD
    what: ClassVar[str] = "Geeqie collection"

    def line(self, photo: Path) -> bytes | None:
        path = os.fsencode(photo)
        return b'"' + path + b'"\n' if b'"' not in path and is_utf8(path) else None

    def content(self, lines: Sequence[bytes]) -> bytes:
        return _HEADER + _OURS + library_line(self.library) + b"".join(lines) + b"#end\n"

    def state(self, content: bytes) -> bytes:
        return super().state(content) + _ORDER + b"".join(map(_short, paths_in(content)))

    def reason_to_leave(self, content: bytes, last_written: bytes | None) -> str | None:
        if content.startswith(_HEADER + _OURS):
            return other_library(self.what, content, _HEADER + _OURS, self.library)
        if last_written is None or not content.startswith(_HEADER):
            return not_ours(self.what)
        inside = os.fsencode(self.library.root).rstrip(b"/") + b"/"
        paths = paths_in(content)
        if not (all(path.startswith(inside) for path in paths) and _is_rest(paths, last_written.partition(_ORDER)[2])):
            return (
                "you have changed this Geeqie collection since keeprate wrote it: it is yours now; save it under "
                "another name, and delete this file to have it made anew"
            )
        return None


def _is_rest(paths: Sequence[bytes], written: bytes) -> bool:
    """Whether a list is what was `written`, apart from entries that are gone and such that bear another name now."""
    place_of = {written[start : start + _SHORT]: start // _SHORT for start in range(0, len(written), _SHORT)}
    last, renamed = -1, 0
    for place in [*(place_of.get(_short(path)) for path in paths), len(place_of)]:
        if place is None:
            renamed += 1
        elif place - last - 1 < renamed:  # also where the order is another: then there is less than no room
            return False
        else:
            last, renamed = place, 0
    return True


def _short(path: bytes) -> bytes:
    return hashlib.sha256(path).digest()[:_SHORT]


def paths_in(content: bytes) -> list[bytes]:
    """The paths that a collection lists, read as Geeqie reads them."""
    without_comments = re.sub(rb'(?m)^#[^\n"]*\n', b"", content)
    return re.findall(rb'"([^"]*)"', without_comments)
