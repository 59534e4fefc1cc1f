"""What a view shows: of which head, in which order and groups, and what of a burst."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from keeprate.plugin_api import BurstKind, BurstPlace, LibraryPlace, MarkRequest, ScoredPhoto
from keeprate_order import OrderSettings, View
from keeprate_order.selection import NothingToShowError, sections_of
from support.ordered import Journal, scored

LIBRARY = LibraryPlace("camera", Path("/photos"))


def photo(name: str, score: float, day: int | None = None, label: str | None = None) -> ScoredPhoto:
    taken_at = None if day is None else datetime(2024, 5, day, 23, 59, 59, tzinfo=UTC)
    return replace(scored(LIBRARY.root / name, score, label=label), taken_at=taken_at)


def of_animals(name: str, *probabilities: float) -> ScoredPhoto:
    return replace(photo(name, probabilities[0]), buckets=("cat", "dog", "bird"), probabilities=probabilities)


def request(*photos: ScoredPhoto, animals: tuple[ScoredPhoto, ...] | None = None) -> MarkRequest:
    made = Journal(LIBRARY).request(photos)
    other = None if animals is None else replace(made, head="animals", photos=animals)
    return replace(made, of_head=lambda head: other if head == "animals" else None)


def shown(view: View, made: MarkRequest) -> dict[str, list[str]]:
    return {section.name: [item.path.name for item in section.photos] for section in sections_of(view, made)}


def test_all_in_one_row() -> None:
    made = request(photo("a", 0.1), photo("b", 0.9), photo("c", 0.95, label="keep"))
    assert shown(View(), made) == {"": ["b", "a"]}
    assert shown(View(best_first=False, reviewed=True), made) == {"": ["a", "b", "c"]}
    assert shown(View(), request()) == {}


def test_by_day_the_best_first_and_so_many_of_each() -> None:
    made = request(photo("a", 0.1, 12), photo("b", 0.9, 12), photo("c", 0.5, 2), photo("d", 0.2), photo("e", 0.3, 12))
    by_day = {"2024-05-02": ["c"], "2024-05-12": ["b", "e", "a"], "undated": ["d"]}
    assert shown(View(by="date"), made) == by_day
    assert list(shown(View(by="date"), made)) == sorted(by_day)
    assert shown(View(by="date", limit=1, best_first=False), made)["2024-05-12"] == ["a"]


ANIMALS = (
    of_animals("cat.jpg", 0.9, 0.1, 0.0),
    of_animals("tie.jpg", 0.5, 0.5, 0.0),
    of_animals("dog.jpg", 0.3, 0.6, 0.1),
    of_animals("sure dog.jpg", 0.1, 0.8, 0.1),
)


def test_one_bucket_of_another_head_surest_first() -> None:
    made = request(photo("a", 0.1), animals=ANIMALS)
    [dogs] = sections_of(View(head="animals", bucket="dog"), made)
    assert [(item.path.name, item.score) for item in dogs.photos] == [("sure dog.jpg", 0.8), ("dog.jpg", 0.6)]
    assert shown(View(head="animals", bucket="bird"), made) == {}
    assert shown(View(head="animals"), made) == {"": ["cat.jpg", "tie.jpg", "dog.jpg", "sure dog.jpg"]}
    assert shown(View(head="animals", bucket="dog", best_first=False), made) == {"": ["dog.jpg", "sure dog.jpg"]}


def test_every_bucket_in_a_folder_of_its_own() -> None:
    made = request(animals=ANIMALS)
    assert shown(View(head="animals", by="bucket"), made) == {
        "cat": ["cat.jpg", "tie.jpg"],
        "dog": ["sure dog.jpg", "dog.jpg"],
    }
    assert shown(View(by="bucket"), request(photo("a", 0.1), photo("b", 0.7))) == {"delete": ["a"], "keep": ["b"]}


@pytest.mark.parametrize(("bucket", "folder"), [("a/b", "a_b"), ("..", "_"), (".hidden", "_hidden"), ("", "_")])
def test_a_bucket_of_any_name_makes_a_folder_inside_the_view(bucket: str, folder: str) -> None:
    item = replace(photo("a", 0.9), buckets=(bucket, "other"))
    assert list(shown(View(by="bucket"), request(item))) == [folder]


@pytest.mark.parametrize(
    ("view", "said"), [(View(head="flowers"), "no scores"), (View(head="animals", bucket="cow"), "cat, dog, bird")]
)
def test_a_head_or_bucket_that_is_not_there_is_said(view: View, said: str) -> None:
    with pytest.raises(NothingToShowError, match=said):
        sections_of(view, request(photo("a", 0.1), animals=ANIMALS))


def in_burst(name: str, score: float, position: int, kind: BurstKind = BurstKind.BURST) -> ScoredPhoto:
    return replace(photo(name, score), burst=BurstPlace(f"{kind}-1", kind, position, 3))


def test_of_a_burst_the_best_that_is_not_sorted_yet() -> None:
    photos = [in_burst("second", 0.8, 2), in_burst("first", 0.9, 1), in_burst("third", 0.1, 3), photo("alone", 0.5)]
    view = View(best_of_burst_only=True)
    assert shown(view, request(*photos)) == {"": ["first", "alone"]}
    assert shown(View(), request(*photos)) == {"": ["first", "second", "alone", "third"]}
    photos[1] = replace(photos[1], label="delete")
    assert shown(view, request(*photos)) == {"": ["second", "alone"]}


@pytest.mark.parametrize(
    ("kind", "count"),
    [(BurstKind.BURST, 1), (BurstKind.DUPLICATES, 1), (BurstKind.BRACKET, 2), (BurstKind.PANORAMA, 2)],
)
def test_brackets_and_panoramas_are_shown_whole(kind: BurstKind, count: int) -> None:
    made = request(in_burst("a", 0.9, 1, kind), in_burst("b", 0.8, 2, kind))
    assert len(shown(View(best_of_burst_only=True), made)[""]) == count


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"views": [{"foldr": "x"}]}, "views.0.foldr"),
        ({"views": [{"folder": "x", "by": "colour"}]}, "views.0.by"),
        ({"views": [{"folder": "x", "limit": -1}]}, "views.0"),
        ({"views": [{"folder": "x", "by": "bucket", "bucket": "cat"}]}, "leave out either"),
        ({"view_folder": "x", "views": [{"folder": "x/"}]}, "two views"),
        ({"playlist": "x", "views": [{"folder": "x"}]}, "two views"),
        ({"contact_sheet": "index.jpg"}, r"end in \.html"),
        ({"geeqie_collection": "a.jpg"}, r"end in \.gqv"),
    ],
)
def test_settings_that_make_no_sense_are_refused(table: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TypeAdapter(OrderSettings).validate_python(table)


def test_further_views_are_tables() -> None:
    settings = TypeAdapter(OrderSettings).validate_python({"view_folder": "a", "views": [{"folder": "b", "limit": 3}]})
    assert settings.all_views == (View(folder="a"), View(folder="b", limit=3))
