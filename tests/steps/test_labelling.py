from __future__ import annotations

from collections.abc import Mapping

import pytest

from keeprate.catalog.labels import LabelSource
from keeprate.config.models import HeadConfig
from keeprate.steps.labels.labelling import Decision, Place, bucket_of, decide

HEAD = HeadConfig(buckets={"keep": ("keep", "2026/best"), "delete": ("delete", "**/rejects", "trash:")})


@pytest.mark.parametrize(
    ("path", "bucket"),
    [
        ("/p/1.jpg", None),
        ("/p/keep/1.jpg", "keep"),
        ("/p/keep/deep/er/1.jpg", "keep"),
        ("/p/keeper/1.jpg", None),
        ("/p/other/keep/1.jpg", None),
        ("/p/2026/best/1.jpg", "keep"),
        ("/p/2026/1.jpg", None),
        ("/p/rejects/1.jpg", "delete"),
        ("/p/trip/day 2/rejects/1.jpg", "delete"),
        ("/p/keep/rejects/1.jpg", "delete"),  # the inner folder says more
        ("/p/keep", None),  # a file of that name
    ],
)
def test_the_bucket_of_a_path(path: str, bucket: str | None) -> None:
    assert bucket_of(path, "/p", HEAD) == bucket


def decided(
    places: Mapping[str, list[str]],
    before: Mapping[str, str | None] | None = None,
    *,
    present: set[str] = frozenset(),  # type: ignore[assignment]
    trashed: set[str] = frozenset(),  # type: ignore[assignment]
    elsewhere: set[str] = frozenset(),  # type: ignore[assignment]
) -> Decision:
    return decide(
        "keep",
        [Place(key, bucket, f"/p/{bucket}/{key}.jpg") for key, buckets in places.items() for bucket in buckets],
        before or {},
        present=present,
        trashed={key: Place(key, "delete", f"/p/{key}.jpg") for key in trashed},
        seen_elsewhere=elsewhere,
        now=100.0,
    )


def told(decision: Decision) -> list[tuple[str, str | None, str]]:
    return [(label.content_key, label.bucket, label.source) for label in decision.labels]


def test_first_seen_in_a_bucket_is_a_folder_label() -> None:
    assert told(decided({"a": ["keep"]})) == [("a", "keep", LabelSource.FOLDER)]


def test_seen_elsewhere_before_is_a_move() -> None:
    assert told(decided({"a": ["delete"]}, elsewhere={"a"})) == [("a", "delete", LabelSource.MOVE)]


def test_nothing_is_said_twice() -> None:
    assert told(decided({"a": ["keep"]}, {"a": "keep"})) == []


def test_moved_to_the_other_bucket() -> None:
    assert told(decided({"a": ["delete"]}, {"a": "keep"})) == [("a", "delete", LabelSource.MOVE)]


def test_moved_out_again_withdraws() -> None:
    assert told(decided({}, {"a": "keep"}, present={"a"})) == [("a", None, LabelSource.MOVE)]
    assert told(decided({}, {"a": None}, present={"a"})) == []


def test_deleted_afterwards_the_label_stays() -> None:
    assert told(decided({}, {"a": "delete"})) == []


def test_two_copies_in_one_bucket_are_one_label() -> None:
    assert told(decided({"a": ["keep", "keep"]})) == [("a", "keep", LabelSource.FOLDER)]


def test_in_two_buckets_at_once_is_a_conflict_and_teaches_nothing() -> None:
    decision = decided({"a": ["keep", "delete"]}, {"a": "keep"})
    assert told(decision) == [("a", None, LabelSource.MOVE)]
    assert [conflict.content_key for conflict in decision.conflicts] == ["a"]
    assert "also lies in" in decision.conflicts[0].reason
    assert told(decided({"a": ["keep", "delete"]}, {"a": None})) == []


def test_a_conflict_that_is_solved_is_a_label_again() -> None:
    assert told(decided({"a": ["keep"]}, {"a": None})) == [("a", "keep", LabelSource.MOVE)]


def test_trashed_is_a_delete_label_unless_a_copy_is_left() -> None:
    assert told(decided({}, trashed={"a"})) == [("a", "delete", LabelSource.TRASH)]
    assert told(decided({}, {"a": "keep"}, trashed={"a"})) == [("a", "delete", LabelSource.TRASH)]
    assert told(decided({}, trashed={"a"}, present={"a"})) == []


def test_brought_back_from_the_trash_withdraws() -> None:
    assert told(decided({}, {"a": "delete"}, present={"a"})) == [("a", None, LabelSource.MOVE)]
