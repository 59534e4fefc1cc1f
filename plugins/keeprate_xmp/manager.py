"""The XMP photo manager: scores, and when asked stars, labels and keywords, where viewers read XMP.

It only directs: sidecars are `sidecar_marks`' business, JPEGs `embedded_marks`'. One broken file never stops a
run: it is skipped with its reason. Call it from one thread (exiv2).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from keeprate.plugin_api import (
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
from keeprate.safe_files import FileChangedError
from keeprate_xmp.embedded_marks import JPEG_SUFFIXES, EmbeddedMarks
from keeprate_xmp.gathering import fields_in
from keeprate_xmp.guards import MOUNTED_READ_ONLY, is_mounted_read_only, reason_to_leave_folder
from keeprate_xmp.jpeg import JpegError
from keeprate_xmp.packet import PacketError
from keeprate_xmp.places import PlaceKind
from keeprate_xmp.reading import read_user_marks
from keeprate_xmp.settings import XmpSettings
from keeprate_xmp.sidecar import names_that_speak_of
from keeprate_xmp.sidecar_marks import SidecarMarks


class XmpManager(PhotoManager):
    """See `keeprate.plugin_api.PhotoManager`; the settings are `XmpSettings`."""

    settings_type = XmpSettings
    reads_marks = True

    def __init__(self, library: LibraryPlace, settings: XmpSettings) -> None:
        super().__init__(library, settings)
        root = Path(os.path.realpath(library.root))
        self._sidecars = SidecarMarks(root, settings)
        self._embedded = EmbeddedMarks(root, settings)

    def plan(self, request: MarkRequest) -> Iterator[Change | Skipped]:
        """Every file of every photo, lazily; a JPEG that several links lead to is planned once.

        Of a folder, or a whole library, that cannot be written to, this is said once and not for each photo.
        """
        if is_mounted_read_only(self.library.root):
            yield Skipped(self.library.root, MOUNTED_READ_ONLY)
            return
        admission = _Admission()
        for photo in request.photos:
            for file in photo.files():
                try:
                    outcome = self._plan_file(photo, file, request)
                except (JpegError, PacketError, FileChangedError) as error:
                    outcome = Skipped(file.path, str(error))
                except OSError as error:
                    outcome = Skipped(file.path, error.strerror or str(error))
                if isinstance(outcome, Change):
                    outcome = admission.of(outcome)
                if outcome is not None:
                    yield outcome

    def apply(self, change: Change) -> None:
        with _refusing():
            self._marks(change.field).apply(change)

    def standing(self, entry: JournalEntry) -> bytes | None:
        with _refusing():
            return self._marks(entry.field).standing(entry)

    def undo(self, entry: JournalEntry) -> UndoOutcome:
        with _refusing():
            return self._marks(entry.field).undo(entry)

    def shows(self, entry: JournalEntry) -> tuple[Shown, ...]:
        stood = (fields_in(PlaceKind(entry.field), content) for content in (entry.before, entry.after))
        return tuple(dict.fromkeys(shown for fields in stood if fields is not None for shown in fields.shown()))

    def mark_places(self, photo: Path, beside: Collection[str]) -> tuple[Path, ...]:
        return names_that_speak_of(photo, beside)

    def read_marks(self, photo: PhotoFile, last_written: LastWritten) -> UserMarks:
        return read_user_marks(photo, last_written, self.settings.keyword_root)

    def _plan_file(self, photo: ScoredPhoto, file: PhotoFile, request: MarkRequest) -> Change | Skipped | None:
        if self.settings.mode != "embed":
            return self._sidecars.plan(photo, file, request)
        reason = self._embedded.reason_for_sidecar(file.path)
        if reason is None:
            return self._embedded.plan(photo, file, request)
        outcome = self._sidecars.plan(photo, file, request)
        if isinstance(outcome, Change) and file.path.suffix.lower() in JPEG_SUFFIXES:
            return replace(outcome, summary=f"{outcome.summary} (beside it: {reason})")
        return outcome

    def _marks(self, field: str) -> SidecarMarks | EmbeddedMarks:
        return self._embedded if field == PlaceKind.EMBEDDED else self._sidecars


class _Admission:
    """Lets each place be planned once, and tells once of each folder that nothing can be written into."""

    def __init__(self) -> None:
        self._planned: set[Path] = set()
        self._folders: dict[Path, str | None] = {}

    def of(self, change: Change) -> Change | Skipped | None:
        place = Path(os.path.realpath(change.path))
        if place in self._planned:
            return None
        self._planned.add(place)
        if place.parent not in self._folders:
            reason = self._folders[place.parent] = reason_to_leave_folder(place.parent)
            if reason is not None:
                return Skipped(place.parent, reason)
        return change if self._folders[place.parent] is None else None


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn our own reasons into the refusal that the core understands; OSError passes as it is."""
    try:
        yield
    except FileChangedError as error:
        raise MarkRefusedError(str(error)) from error
    except (JpegError, PacketError, ValueError) as error:
        raise MarkRefusedError(f"it was left alone: {error}") from error
