"""Requests for the photo manager `order`, and a small journal that drives it the way keeprate does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
from keeprate_order.mtimes import TimeChange


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
    content_keys: list[str | None] = field(default_factory=list)
    """Of the entries."""
    skipped: list[Skipped] = field(default_factory=list)

    def request(self, photos: Sequence[ScoredPhoto]) -> MarkRequest:
        return MarkRequest(
            library=self.library,
            head="keep",
            model="keep#1 on builtin",
            scored_at=datetime(2026, 11, 21, tzinfo=UTC),
            photos=sorted(photos, key=lambda photo: -photo.score),
            last_written=self.last_written,
            before_us=self.before_us,
        )

    def before_us(self, content_key: str, place: str) -> bytes | None:
        pairs = zip(self.entries, self.content_keys, strict=True)
        return next((entry.before for entry, key in pairs if (key, entry.field) == (content_key, place)), None)

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
            assert manager.standing(entry) == (
                str(change.seen_ns).encode() if isinstance(change, TimeChange) else change.before
            )
            self.entries.append(entry)
            self.content_keys.append(change.content_key)
            manager.apply(change)
            assert manager.standing(entry) == change.after
        return changes

    def undo_all(self, manager: PhotoManager, photo_paths: Sequence[Path] = ()) -> list[UndoOutcome]:
        """Take everything back, the newest first; `photo_paths`: where the files of the one photo lie now."""
        found = [replace(entry, photo_paths=tuple(photo_paths)) for entry in reversed(self.entries)]
        outcomes = [manager.undo(entry) for entry in found]
        self.entries.clear()
        self.content_keys.clear()
        return outcomes
