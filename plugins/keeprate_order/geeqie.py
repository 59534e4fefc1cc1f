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

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from keeprate.plugin_api import (
    Change,
    JournalEntry,
    LastWritten,
    LibraryPlace,
    MarkRefusedError,
    ScoredPhoto,
    Skipped,
    UndoOutcome,
)
from keeprate.safe_files import FileChangedError, create_file, read_file, remove_file, replace_file

FIELD = "geeqie-collection"
AUTO = "auto"
SUFFIX = ".gqv"
_HEADER = b"#Geeqie collection\n"
_OURS = b"#made by keeprate, which replaces this file: save a changed collection under another name\n"
_MAXIMUM_BYTES = 512 << 20  # a million paths of the longest kind that people have


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionChange(Change):
    """The collection file shall have this content."""

    content: bytes = field(repr=False)


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


class GeeqieCollection:
    """The collection file of one library."""

    def __init__(self, path: Path, library: LibraryPlace) -> None:
        self.path = path
        self._library = library

    def plan(self, photos: Sequence[ScoredPhoto], last_written: LastWritten) -> Iterator[CollectionChange | Skipped]:
        """At most one change, and a word on each photo whose path Geeqie's format cannot hold."""
        standing = _content(self.path)
        if standing is None and not photos:
            return
        if standing is not None and not self._is_ours(standing, last_written(self.path, FIELD) is not None):
            yield Skipped(self.path, "this collection was not made by keeprate; choose another file name")
            return
        lines: list[bytes] = []
        for photo in photos:
            path = os.fsencode(photo.path)
            if b'"' in path or not _is_utf8(path):
                yield Skipped(photo.path, "Geeqie's collections cannot hold a path with a quote or foreign bytes")
            else:
                lines.append(b'"' + path + b'"\n')
        content = _HEADER + _OURS + b"".join(lines) + b"#end\n"
        if content != standing:
            yield CollectionChange(
                path=self.path,
                field=FIELD,
                before=None if standing is None else _digest(standing),
                after=_digest(content),
                summary=f"Geeqie collection of {len(lines)} photos",
                content=content,
            )

    def apply(self, change: CollectionChange) -> None:
        """Write the collection.

        Raises:
            MarkRefusedError: the file has changed since the plan.
            OSError: it cannot be written; the old one is intact.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if change.before is None:
                create_file(self.path, change.content)
                return
            content, state = read_file(self.path, maximum_bytes=_MAXIMUM_BYTES)
            if _digest(content) != change.before:
                raise MarkRefusedError(f"{self.path} has changed since this was planned")
            replace_file(self.path, change.content, seen=state)
        except (FileExistsError, FileNotFoundError, FileChangedError) as error:
            raise MarkRefusedError(f"{self.path} has changed since this was planned") from error

    def undo(self, entry: JournalEntry) -> UndoOutcome:
        """Remove the collection if it is still ours; an earlier order is not brought back.

        Raises:
            MarkRefusedError: it changed this moment.
        """
        standing = _content(entry.path)
        if standing is None:
            return UndoOutcome.GONE
        if not self._is_ours(standing, written_before=True):
            return UndoOutcome.NOT_OURS
        try:
            remove_file(entry.path, expected=standing)
        except FileChangedError as error:
            raise MarkRefusedError(f"{entry.path} is being changed by another program") from error
        return UndoOutcome.RESTORED if entry.before is None else UndoOutcome.REMOVED_OURS

    def _is_ours(self, content: bytes, written_before: bool) -> bool:
        if content.startswith(_HEADER + _OURS):
            return True
        inside = os.fsencode(self._library.root).rstrip(b"/") + b"/"
        return (
            written_before
            and content.startswith(_HEADER)
            and all(path.startswith(inside) for path in paths_in(content))
        )


def paths_in(content: bytes) -> list[bytes]:
    """The paths that a collection lists, read as Geeqie reads them."""
    without_comments = re.sub(rb'(?m)^#[^\n"]*\n', b"", content)
    return re.findall(rb'"([^"]*)"', without_comments)


def standing_digest(path: Path) -> bytes | None:
    """What stands at `path`, encoded as in `CollectionChange.before`."""
    content = _content(path)
    return None if content is None else _digest(content)


def _content(path: Path) -> bytes | None:
    try:
        return read_file(path, maximum_bytes=_MAXIMUM_BYTES)[0]
    except FileNotFoundError:
        return None
    except FileChangedError as error:
        raise MarkRefusedError(f"{path} is being changed by another program") from error


def _digest(content: bytes) -> bytes:
    return b"sha256:" + hashlib.sha256(content).hexdigest().encode("ascii")


def _is_utf8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True
