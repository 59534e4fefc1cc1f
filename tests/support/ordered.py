"""Requests for the photo manager `order`, and a small journal that drives it the way keeprate does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from keeprate.plugin_api import (
    Change,
    JournalEntry,
    LibraryPlace,
    MarkRequest,
    PhotoManager,
    ScoredPhoto,
    Skipped,
    UndoOutcome,
)


def scored(path: Path, score: float, *, label: str | None = None, others: Sequence[Path] = ()) -> ScoredPhoto:
    """A photo with that score; its content key is its path."""
    return ScoredPhoto(
        content_key=f"test:{path}",
        path=path,
        other_paths=tuple(others),
        buckets=("keep", "delete"),
        probabilities=(score, 1 - score),
        score=score,
        percentile=score,
        label=label,
        taken_at=None,
    )


@dataclass
class Journal:
    """What keeprate remembers of the changes; `run` plans, writes down and applies."""

    library: LibraryPlace
    entries: list[JournalEntry] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def request(self, photos: Sequence[ScoredPhoto]) -> MarkRequest:
        return MarkRequest(
            library=self.library,
            head="keep",
            model="keep#1 on builtin",
            scored_at=datetime(2026, 11, 21, tzinfo=UTC),
            photos=sorted(photos, key=lambda photo: -photo.score),
            last_written=self.last_written,
        )

    def last_written(self, path: Path, place: str) -> bytes | None:
        found = [entry.after for entry in self.entries if (entry.path, entry.field) == (path, place)]
        return found[-1] if found else None

    def run(self, manager: PhotoManager, photos: Sequence[ScoredPhoto]) -> list[Change]:
        """One run of marking; returns the changes that were made."""
        planned = list(manager.plan(self.request(photos)))
        changes = [item for item in planned if isinstance(item, Change)]
        self.skipped = [item for item in planned if isinstance(item, Skipped)]
        for change in changes:
            entry = JournalEntry(change.path, change.field, change.before, change.after, ())
            assert manager.standing(entry) == change.before
            self.entries.append(entry)
            manager.apply(change)
            assert manager.standing(entry) == change.after
        return changes

    def undo_all(self, manager: PhotoManager) -> list[UndoOutcome]:
        """Take everything back, the newest first."""
        outcomes = [manager.undo(entry) for entry in reversed(self.entries)]
        self.entries.clear()
        return outcomes
