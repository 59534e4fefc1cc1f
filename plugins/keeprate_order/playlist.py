"""Write the order as a list of paths, one a line: for `feh --filelist`, mpv, and whatever else reads such lists.

A name ending in `.m3u` or `.m3u8` gets the header of a playlist and a comment line that says whose it is (`#` begins a
comment there; a path that begins with one is written `./#…`). Any other name gets nothing but paths, since feh and most
tools know no comments; then the file is ours as long as it is, to the byte, what the journal remembers.

Relative paths count from the list's own folder. A path that holds a line break fits into no list, and one whose bytes
are no UTF-8 not into an `.m3u8`, which is UTF-8 by definition (RFC 8216, section 4.1).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from keeprate.plugin_api import LibraryPlace
from keeprate_order.list_file import ListFile, is_utf8, library_line, not_ours, other_library, relative_or_not

FIELD = "playlist"
_WITH_COMMENTS = (".m3u", ".m3u8")
_HEADER = b"#EXTM3U\n# Made by keeprate, which replaces this file: save a changed list under another name.\n"


class Playlist(ListFile):
    """A list of paths to the photos of one library."""

    field: ClassVar[str] = FIELD
    what: ClassVar[str] = "playlist"

    def __init__(self, path: Path, library: LibraryPlace, *, relative_paths: bool) -> None:
        super().__init__(path, library)
        self._relative_paths = relative_paths
        self._suffix = path.suffix.lower()

    def line(self, photo: Path) -> bytes | None:
        path = os.fsencode(relative_or_not(photo, self.path.parent, relative=self._relative_paths))
        if b"\n" in path or b"\r" in path or (self._suffix == ".m3u8" and not is_utf8(path)):
            return None
        return (b"./" if path[:1] in (b"#", b"-", b" ") else b"") + path + b"\n"

    def content(self, lines: Sequence[bytes]) -> bytes:
        header = _HEADER + library_line(self.library) if self._suffix in _WITH_COMMENTS else b""
        return header + b"".join(lines)

    def reason_to_leave(self, content: bytes, last_written: bytes | None) -> str | None:
        if self._suffix not in _WITH_COMMENTS:
            return None if self.state(content) == last_written else not_ours(self.what)
        if not content.startswith(_HEADER):
            return not_ours(self.what)
        return other_library(self.what, content, _HEADER, self.library)
