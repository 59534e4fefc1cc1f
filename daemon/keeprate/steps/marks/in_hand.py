"""What the worker has begun and not finished: what a crash can be blamed on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keeprate.embedding.pipeline import Batch, WorkItem
from keeprate.steps.worker import Working


class InHand:
    """Announces everything that the pipeline has in hand whenever it begins a batch.

    The batch begun last is rarely the one that kills: several are underway at once. Announcing only that one, a
    picture near the begin of a large library was not found in 50 deaths.
    """

    def __init__(self, working: Working, subject_of: Callable[[WorkItem], str]) -> None:
        self._working, self._subject_of = working, subject_of
        self._subjects: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._subjects)

    def begin(self, items: Sequence[WorkItem]) -> None:
        """The pipeline is about to touch these."""
        self._subjects.update((item.content_key, self._subject_of(item)) for item in items)
        self._working(list(self._subjects.values()))

    def finish(self, batch: Batch) -> None:
        """The pipeline has handed these over."""
        for key in [one.content_key for one in batch.results] + [one.content_key for one in batch.failures]:
            self._subjects.pop(key, None)
