"""A crash is blamed on everything that was underway: pictures of any batch begun and not handed over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keeprate.embedding.pipeline import Batch, PictureFailure, WorkItem
from keeprate.steps.marks.in_hand import InHand


def test_all_batches_underway_are_announced() -> None:
    announced: list[Sequence[str]] = []
    in_hand = InHand(announced.append, lambda item: item.path.name)
    batches = [[WorkItem(f"k{number}", Path(f"/p/{number}.jpg"))] for number in range(3)]
    in_hand.begin(batches[0])
    in_hand.begin(batches[1])
    assert announced == [["0.jpg"], ["0.jpg", "1.jpg"]]
    in_hand.finish(Batch((), (PictureFailure("k0", Path("/p/0.jpg"), "broken"),)))
    in_hand.begin(batches[2])
    assert announced[-1] == ["1.jpg", "2.jpg"]
    assert len(in_hand) == 2
