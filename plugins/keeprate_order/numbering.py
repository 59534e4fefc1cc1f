"""Give ordered things ascending numbers while changing as few of the numbers they already have as possible.

Pure: takes and returns numbers. The view folder writes them into names, the modification times into seconds;
each changed number is a rename or a touch that a viewer, a backup or an indexer notices.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

STEP = 10
"""Distance between neighbours when there is room: nine can be put between any two without moving either."""


def renumbered(current: Sequence[int | None], limit: int) -> list[int]:
    """Strictly ascending numbers from 1 to `limit` for things in the order in which they are wanted.

    Args:
        current: for each thing the number that it has now (1 to `limit`), or None for a new one.
        limit: the largest number allowed, at least `STEP * len(current)`.

    Most numbers stay: those of a longest ascending subsequence. The others are spread evenly over the gaps
    between these. Where a gap is too small, neighbours give up their numbers too, on both sides in turn,
    until there is twice the room needed (the idea of Dietz, Maintaining order in a linked list, 1982).

    Raises:
        ValueError: `limit` is too small.
    """
    if limit < STEP * len(current):
        raise ValueError(f"{len(current)} things in steps of {STEP} do not fit below {limit}")
    gaps = _Gaps(current, limit)
    numbers = [0] * len(current)
    for left, right in pairwise(_roomy(gaps, longest_ascending(current))):
        start, room, inside = gaps.number_at(left), gaps.room(left, right), right - left - 1
        for nth in range(1, inside + 1):
            numbers[left + nth] = start + nth * (room + 1) // (inside + 1)
        if right < len(current):
            numbers[right] = gaps.number_at(right)
    return numbers


class _Gaps:
    """How much room there is between things that keep their number; -1 and `end` stand for both ends."""

    def __init__(self, current: Sequence[int | None], limit: int) -> None:
        self._current = current
        self._limit = limit
        self.end = len(current)

    def number_at(self, index: int) -> int:
        return 0 if index < 0 else (self._current[index] or 0)

    def room(self, left: int, right: int) -> int:
        """How many numbers are free between two things; after the last one, just enough for whole steps."""
        if right < self.end:
            return self.number_at(right) - self.number_at(left) - 1
        return min(self._limit - self.number_at(left), STEP * (right - left) - 1)

    def holds(self, left: int, right: int, times: int = 1) -> bool:
        return self.room(left, right) >= times * (right - left - 1)


def _roomy(gaps: _Gaps, keeping: list[int]) -> list[int]:
    """Those of `keeping`, between both ends, that can keep their number so that every gap has room enough."""
    kept, ahead = [-1], [*keeping, gaps.end]
    ahead.reverse()  # the next one is at the end
    while ahead:
        from_left = True
        if not gaps.holds(kept[-1], ahead[-1]):
            while not gaps.holds(kept[-1], ahead[-1], times=2) and len(kept) + len(ahead) > 2:
                giving_up = kept if len(kept) > 1 and (from_left or len(ahead) == 1) else ahead
                giving_up.pop()
                from_left = not from_left
        kept.append(ahead.pop())
    return kept


def longest_ascending(numbers: Sequence[int | None]) -> list[int]:
    """Indices of one longest strictly ascending subsequence, Nones left out; O(n log n).

    Source: Fredman, On computing the length of longest increasing subsequences, 1975 (patience sorting).
    """
    smallest_end: list[int] = []  # of the ascending runs of length 1, 2, 3 …
    end_index: list[int] = []
    before = [-1] * len(numbers)
    for index, number in enumerate(numbers):
        if number is None:
            continue
        length = bisect_left(smallest_end, number)
        before[index] = end_index[length - 1] if length else -1
        smallest_end[length : length + 1] = [number]
        end_index[length : length + 1] = [index]
    run: list[int] = []
    index = end_index[-1] if end_index else -1
    while index >= 0:
        run.append(index)
        index = before[index]
    return run[::-1]
