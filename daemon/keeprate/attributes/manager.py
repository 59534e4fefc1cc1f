"""What photo managers that write attributes have in common: which files are planned, skipped and marked.

A photo manager adds its scheme, what it wishes for a photo, and what its values mean to a person.
"""

from __future__ import annotations

import os
import stat
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from keeprate.attributes.claim import Attributes
from keeprate.attributes.files import AttributeFiles, UnsupportedError
from keeprate.attributes.ownership import Scheme
from keeprate.attributes.store import AttributeStore
from keeprate.plugin_api import (
    BurstKind,
    Change,
    JournalEntry,
    LastWritten,
    LibraryPlace,
    MarkRefusedError,
    MarkRequest,
    PhotoFile,
    PhotoManager,
    ScoredPhoto,
    Shown,
    Skipped,
    UndoOutcome,
    UserMarks,
)

FIELD = "attributes"
"""The `field` of the journal entries."""
_NO_ATTRIBUTES = "its file system keeps no extended attributes"


class AttributeManager(PhotoManager):
    """Base class; see `keeprate.plugin_api.PhotoManager`."""

    reads_marks: ClassVar[bool] = True

    def __init__(self, library: LibraryPlace, settings: Any, scheme: Scheme, store: AttributeStore | None) -> None:
        """`store` is None on systems where there are no such attributes."""
        super().__init__(library, settings)
        self._scheme = scheme
        root = Path(os.path.realpath(library.root))
        self._files = AttributeFiles(store, scheme, root) if store is not None else None
        self._without_attributes: set[int] = set()
        """Devices that have been found to keep none."""

    @abstractmethod
    def wishes(self, photo: ScoredPhoto) -> Mapping[str, bytes | None]:
        """What we would write for a photo, by channel name; None where nothing of ours should stand."""

    @abstractmethod
    def shown(self, channel: str, value: bytes) -> tuple[Shown, ...]:
        """What a value says to a person."""

    @abstractmethod
    def unavailable(self) -> str:
        """Why nothing can be marked on a system that has no such attributes."""

    def further_reason(self, path: Path, here: Attributes) -> str | None:  # noqa: ARG002
        """Why a file should be left alone that nothing else speaks against; None if it need not be."""
        return None

    def plan(self, request: MarkRequest) -> Iterator[Change | Skipped]:
        """Every file of every photo, lazily; one that has several names is planned once."""
        if self._files is None:
            yield Skipped(self.library.root, self.unavailable())
            return
        planned: set[tuple[int, int]] = set()
        for photo in request.photos:
            wishes = self.wishes(photo)
            for file in photo.files():
                try:
                    status = file.path.stat()
                    if status.st_dev in self._without_attributes or (status.st_dev, status.st_ino) in planned:
                        continue
                    planned.add((status.st_dev, status.st_ino))
                    outcome = self._plan_file(self._files, file, status, wishes, request.last_written)
                except UnsupportedError:
                    self._without_attributes.add(status.st_dev)
                    outcome = Skipped(file.path, f"{_NO_ATTRIBUTES}; this is said once, not for every file on it")
                except MarkRefusedError as refused:
                    outcome = Skipped(file.path, str(refused))
                except OSError as error:
                    outcome = Skipped(file.path, error.strerror or str(error))
                if outcome is not None:
                    yield outcome

    def apply(self, change: Change) -> None:
        try:
            self._attributes().change(change.path, change.before, change.after)
        except UnsupportedError as error:
            self._without_attributes.add(change.path.stat().st_dev)
            raise MarkRefusedError(_NO_ATTRIBUTES) from error
        except MarkRefusedError as refused:
            raise MarkRefusedError(f"{_printable(change.path)}: {refused}") from refused

    def standing(self, entry: JournalEntry) -> bytes | None:
        return self._attributes().standing(entry)

    def undo(self, entry: JournalEntry) -> UndoOutcome:
        try:
            return self._attributes().undo(entry)
        except UnsupportedError as error:
            raise MarkRefusedError(_NO_ATTRIBUTES) from error

    def read_marks(self, photo: PhotoFile, last_written: LastWritten) -> UserMarks:
        if self._files is None:
            return UserMarks()
        try:
            here = self._files.read(photo.path)
        except UnsupportedError:
            return UserMarks()
        journal = Attributes.decoded(last_written(photo.path, FIELD)) if here.values else Attributes({})
        return self.user_marks(self._scheme.users(here, journal, photo.content_key))

    def shows(self, entry: JournalEntry) -> tuple[Shown, ...]:
        found: dict[Shown, None] = {}
        for content in (entry.before, entry.after):
            try:
                claim = self._scheme.claim_in(Attributes.decoded(content))
            except MarkRefusedError:
                continue
            for channel, value in (claim.wrote if claim is not None else {}).items():
                found.update(dict.fromkeys(self.shown(channel, value)))
        return tuple(found)

    @abstractmethod
    def user_marks(self, values: Mapping[str, bytes]) -> UserMarks:
        """What the user's values, by channel name, say."""

    def _plan_file(
        self,
        files: AttributeFiles,
        file: PhotoFile,
        status: os.stat_result,
        wishes: Mapping[str, bytes | None],
        last_written: LastWritten,
    ) -> Change | Skipped | None:
        here = files.read(file.path)
        journal = Attributes.decoded(last_written(file.path, FIELD))
        wanted = self._scheme.wanted(here, journal, file.content_key, wishes)
        if wanted == here:
            return None
        reason = _reason_to_leave(file.path, status, files.root) or self.further_reason(file.path, here)
        if reason is not None:
            return Skipped(file.path, reason)
        claim = self._scheme.claim_in(wanted)
        ours = claim.wrote if claim is not None else {}
        shows = tuple(shown for channel, value in ours.items() for shown in self.shown(channel, value))
        owned = f"yours: {', '.join(sorted(claim.user_owns))}" if claim is not None and claim.user_owns else ""
        says = ", ".join([*(_in_words(shown) for shown in shows), *filter(None, [owned])])
        return Change(
            path=file.path,
            field=FIELD,
            before=here.encoded(),
            after=wanted.encoded(),
            summary=f"{_printable(file.path)}: {says or 'nothing of keeprate’s any more'}",
            content_key=file.content_key,
            touches_photo=True,
            shows=shows,
        )

    def _attributes(self) -> AttributeFiles:
        if self._files is None:
            raise MarkRefusedError(self.unavailable())
        return self._files


def score_tags(photo: ScoredPhoto, root: str | None, best_of_burst: str | None) -> list[str]:
    """The tags for a photo: `ROOT 0` … `ROOT 9` by its rank, and one for the best of its burst, as far as asked for."""
    tags = [] if root is None else [f"{root} {min(int(photo.percentile * 10), 9)}"]
    burst = photo.burst
    if burst is not None and burst.position == 1 and burst.kind in (BurstKind.BURST, BurstKind.DUPLICATES):
        tags += [] if best_of_burst is None else [best_of_burst]
    return tags


def _reason_to_leave(path: Path, status: os.stat_result, root: Path) -> str | None:
    if not Path(os.path.realpath(path)).is_relative_to(root):
        return "it is a link out of the library"
    if not status.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        return "it is write-protected"
    if os.access(path, os.W_OK):
        return None
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return "it is on a read-only file system"
    return "it may not be written by you"


def _in_words(shown: Shown) -> str:
    return f"{shown.channel} {shown.value}"


def _printable(path: Path) -> str:
    return os.fsencode(path.name).decode("utf-8", "replace")
