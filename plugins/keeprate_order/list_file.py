"""Keep a text file that lists photos in order. Its format is given; whose file it is, and writing it, are here.

A file that somebody else made, or that the user has changed and keeps, is never overwritten: what makes a file ours
is for the format to say.
"""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote, unquote_to_bytes

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
from keeprate_order.places import missing_folder

_MAXIMUM_BYTES = 512 << 20  # a million paths of the longest kind that people have


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChange(Change):
    """The list shall have this content."""

    content: bytes = field(repr=False)


class ListFile(ABC):
    """A list of the photos of one library."""

    field: ClassVar[str]
    what: ClassVar[str]
    """What a person calls it."""

    def __init__(self, path: Path, library: LibraryPlace) -> None:
        self.path = path
        self.library = library

    @abstractmethod
    def line(self, photo: Path) -> bytes | None:
        """The line for a photo, or None if the format cannot hold its path."""

    @abstractmethod
    def content(self, lines: Sequence[bytes]) -> bytes:
        """The whole file."""

    @abstractmethod
    def reason_to_leave(self, content: bytes, last_written: bytes | None) -> str | None:
        """Why a file with this content must not be replaced, or None; `last_written`: the `state` in the journal."""

    def state(self, content: bytes) -> bytes:
        """What the journal holds of a content."""
        return _digest(content)

    def standing(self) -> bytes | None:
        """The state of what stands, encoded as in `ListChange.before`."""
        content = _content(self.path)
        return None if content is None else self.state(content)

    def plan(self, photos: Sequence[ScoredPhoto], last_written: LastWritten) -> Iterator[ListChange | Skipped]:
        """At most one change, and a word on each photo whose path the format cannot hold."""
        standing = _content(self.path)
        if standing is None and not photos:
            return
        if standing is None:
            reason = missing_folder(self.path.parent, self.library)
        else:
            reason = self.reason_to_leave(standing, last_written(self.path, self.field))
        if reason is not None:
            yield Skipped(self.path, reason)
            return
        lines: list[bytes] = []
        for photo in photos:
            line = self.line(photo.path)
            if line is None:
                yield Skipped(photo.path, f"a {self.what} cannot hold a path with such letters in it")
            else:
                lines.append(line)
        content = self.content(lines)
        if content != standing:
            yield ListChange(
                path=self.path,
                field=self.field,
                before=None if standing is None else self.state(standing),
                after=self.state(content),
                summary=f"{self.what} of {len(lines)} photos",
                content=content,
            )

    def apply(self, change: ListChange) -> None:
        """Write the list.

        Raises:
            MarkRefusedError: the file has changed since the plan, or its folder is not there.
            OSError: it cannot be written; the old one is intact.
        """
        reason = missing_folder(self.path.parent, self.library)
        if reason is not None:
            raise MarkRefusedError(reason)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if change.before is None:
                create_file(self.path, change.content)
                return
            content, state = read_file(self.path, maximum_bytes=_MAXIMUM_BYTES)
            if self.state(content) != change.before:
                raise MarkRefusedError(f"{self.path} has changed since this was planned")
            replace_file(self.path, change.content, seen=state)
        except (FileExistsError, FileNotFoundError, FileChangedError) as error:
            raise MarkRefusedError(f"{self.path} has changed since this was planned") from error

    def undo(self, entry: JournalEntry) -> UndoOutcome:
        """Remove the list if it is still ours; an earlier order is not brought back.

        Raises:
            MarkRefusedError: it changed this moment.
        """
        standing = _content(self.path)
        if standing is None:
            return UndoOutcome.GONE
        if self.reason_to_leave(standing, entry.after) is not None:
            return UndoOutcome.NOT_OURS
        try:
            remove_file(self.path, expected=standing)
        except FileChangedError as error:
            raise MarkRefusedError(f"{self.path} is being changed by another program") from error
        return UndoOutcome.RESTORED if entry.before is None else UndoOutcome.REMOVED_OURS


def not_ours(what: str) -> str:
    return f"this {what} was not made by keeprate; choose another file name"


def library_line(library: LibraryPlace) -> bytes:
    """A comment line that says whose list it is, for formats that have such lines."""
    return f"#library {quote(library.name)} {quote(os.fsencode(library.root))}\n".encode("ascii")


def other_library(what: str, content: bytes, header: bytes, library: LibraryPlace) -> str | None:
    """Why a list that begins with `header` is another library's, or None: it is ours, or does not say whose it is."""
    match content[len(header) :].split(b"\n", 1)[0].split(b" "):
        case [b"#library", name, root]:
            theirs = unquote_to_bytes(name).decode(errors="replace")
            if theirs != library.name and unquote_to_bytes(root) != os.fsencode(library.root):
                return f"this {what} is that of the library {theirs!r}; choose another file name"
    return None


def is_utf8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True


def relative_or_not(photo: Path, start: Path, *, relative: bool) -> str:
    """The path of a photo as it stands in a file of the folder `start`."""
    return os.path.relpath(photo, os.path.realpath(start)) if relative else str(photo)


def _content(path: Path) -> bytes | None:
    try:
        return read_file(path, maximum_bytes=_MAXIMUM_BYTES)[0]
    except FileNotFoundError:
        return None
    except FileChangedError as error:
        raise MarkRefusedError(f"{path} is being changed by another program") from error


def _digest(content: bytes) -> bytes:
    return b"sha256:" + hashlib.sha256(content).hexdigest().encode("ascii")
