"""A photo manager that reads marks from `NAME.marks` beside a photo, and counts how often it was asked."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from keeprate.plugin_api import (
    Change,
    JournalEntry,
    LastWritten,
    MarkRefusedError,
    MarkRequest,
    PhotoFile,
    PhotoManager,
    Skipped,
    UndoOutcome,
    UserMarks,
)


@dataclass(frozen=True, slots=True)
class NoSettings:
    """Nothing to set."""


class ReadsNotes(PhotoManager):
    """Reads `{"rating": 5}` from the file beside the photo; writes nothing."""

    settings_type = NoSettings
    reads_marks = True
    asked: ClassVar[list[str]] = []
    """Names of the photos that it was asked about."""

    def mark_places(self, photo: Path, beside: Collection[str]) -> tuple[Path, ...]:
        name = f"{photo.name}.marks"
        return (photo.with_name(name),) if name in beside else ()

    def read_marks(self, photo: PhotoFile, last_written: LastWritten) -> UserMarks:
        self.asked.append(photo.path.name)
        try:
            said = json.loads(photo.path.with_name(f"{photo.path.name}.marks").read_text())
        except FileNotFoundError:
            return UserMarks()
        except ValueError as error:
            raise MarkRefusedError("the note is broken") from error
        return UserMarks(
            said.get("rating"), said.get("colour"), said.get("pick"), tuple(said.get("keywords", ())),
            tuple(said.get("of_keys", ())),
        )  # fmt: skip

    def plan(self, request: MarkRequest) -> Iterator[Change | Skipped]:
        yield from ()

    def apply(self, change: Change) -> None:
        raise NotImplementedError

    def standing(self, entry: JournalEntry) -> bytes | None:
        raise NotImplementedError

    def undo(self, entry: JournalEntry) -> UndoOutcome:
        raise NotImplementedError


def note(photo: Path, **said: object) -> Path:
    """Say something about a photo; returns where."""
    place = photo.with_name(f"{photo.name}.marks")
    place.write_text(json.dumps(said))
    return place
