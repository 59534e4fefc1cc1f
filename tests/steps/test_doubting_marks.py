"""Which marks are recognised as a batch or an echo, and which are a person's."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from keeprate.catalog.user_marks import Decision, FirstReading, SaidValue
from keeprate.plugin_api import Channel, Shown
from keeprate.steps.marks.doubting_marks import BATCH, FEW, Doubt, doubtful

DAY = 86_400.0


def stars(number: int) -> Shown:
    return Shown(Channel.RATING, str(number))


class Library:
    """Photos with the times and values that were read."""

    def __init__(self) -> None:
        self.values: list[SaidValue] = []
        self.readings: list[FirstReading] = []

    def add(self, at: float, value: int | None, *, folder: str = "/p", born: bool = True,
            decision: Decision | None = None, first_at: float | None = None, read_at: float = 0.0) -> str:  # fmt: skip
        key = f"k{len(self.readings)}"
        self.readings.append(FirstReading(key, "camera", folder, at if first_at is None else first_at, read_at))
        if value is not None:
            self.values.append(SaidValue(key, stars(value), "camera", at, born, decision))
        return key

    def doubts(self, given: dict[str, set[Shown]] | None = None, leaders: dict[str, str] | None = None) -> Counter[str]:
        found = doubtful(self.values, self.readings, given or {}, leaders or {})
        return Counter(held.why for held in found.values())

    def groups(self) -> set[str]:
        return {held.group for held in doubtful(self.values, self.readings, {}, {}).values()}


def test_a_camera_that_gives_every_photo_a_star() -> None:
    library = Library()
    for number in range(BATCH):
        library.add(number * DAY, 1)
    assert library.doubts() == {Doubt.BORN: BATCH}
    library.add(0.5, None)
    assert library.doubts() == {Doubt.BORN: BATCH}, "nearly all"
    for number in range(5):
        library.add(number, None)
    assert library.doubts() == {}, "some have none: somebody chose"


def test_an_importer_that_marks_all_at_once() -> None:
    library = Library()
    for number in range(BATCH):
        library.add(1000 + number * 0.1, 1, folder=f"/p/{number}", born=False, first_at=number * DAY)
    assert library.doubts() == {Doubt.MOMENT: BATCH}
    assert len(library.groups()) == 1, "one question, whatever the folders"


def test_fewer_than_a_batch_are_the_users() -> None:
    library = Library()
    for number in range(BATCH - 1):
        library.add(number * 0.1, 1, folder=f"/p/{number // (FEW - 1)}")
    assert library.doubts() == {}


def test_a_small_import_that_all_came_with_one_value() -> None:
    library = Library()
    for number in range(60):
        library.add(number * DAY, [3, 4, 5][number % 3])
    for number in range(18):
        library.add(100 * DAY + number * 7, 1, read_at=DAY)
    assert library.doubts() == {Doubt.BORN: 18}, "of what came at that time, nothing else"
    library.add(100 * DAY + 500, None, read_at=DAY)
    library.add(100 * DAY + 500, None, read_at=DAY)
    assert library.doubts() == {Doubt.BORN: 18}, "nearly all"
    library.add(100 * DAY + 500, 5, read_at=DAY + 60)
    assert library.doubts() == {}, "18 of 21: somebody chose"


@pytest.mark.parametrize(("pace", "why"), [(0.4, {Doubt.RUN: 60}), (1.5, {})])
def test_a_slow_importer_is_still_faster_than_a_person(pace: float, why: dict[str, int]) -> None:
    library = Library()
    for number in range(60):
        library.add(1000 + number * pace, 1, born=False, first_at=number * DAY)
    assert library.doubts() == why


def test_six_photos_rated_alike_among_others_are_a_choice() -> None:
    library = Library()
    for number in range(10):
        library.add(1000 + number * 0.1, 1 if number < 6 else None, born=False)
    assert library.doubts() == {}


def test_a_library_rated_over_years_and_read_for_the_first_time() -> None:
    library = Library()
    random = np.random.default_rng(1)
    for number in range(3000):
        library.add(number * 40_000.0, int(random.integers(1, 6)), folder=f"/p/{number // 300}")
    assert library.doubts() == {}


def test_a_fresh_copy_of_a_rated_library() -> None:
    library = Library()
    random = np.random.default_rng(2)
    for number in range(2000):  # 200 files a second; a third is rated, most of these with 5 stars
        value = 5 if random.random() < 0.25 else int(random.integers(1, 5)) if random.random() < 0.1 else None
        library.add(1000 + number / 200, value, folder=f"/p/{number // 100}")
    assert library.doubts() == {}


def test_rating_one_by_one_takes_longer_than_a_moment() -> None:
    library = Library()
    for number in range(100):
        library.add(1000 + number * 1.5, 5, born=False, first_at=number * DAY)
    assert library.doubts() == {}


def test_two_imports_are_two_questions_and_answers_last() -> None:
    library = Library()
    for number in range(2 * BATCH):
        library.add(1000 + number * 0.01 + (DAY if number % 2 else 0), 1, folder=f"/p/{number}", born=False,
                    decision=Decision.IGNORED if number % 2 else None)  # fmt: skip
    assert library.doubts() == {Doubt.MOMENT: BATCH}


def test_a_batch_is_not_hidden_by_what_was_answered_in_it() -> None:
    library = Library()
    for number in range(BATCH):
        library.add(1000 + number * 0.01, 1, decision=Decision.ACCEPTED)
    library.add(1000.5, 1)
    assert sum(library.doubts().values()) == 1


def test_what_keeprate_gave_once_is_an_echo_also_on_another_file_of_the_shot() -> None:
    library = Library()
    one, other, third = library.add(0, 4), library.add(DAY, 4), library.add(2 * DAY, 3)
    assert library.doubts({one: {stars(4)}}) == {Doubt.ECHO: 1}
    assert library.doubts({one: {stars(4)}}, {one: one, other: one}) == {Doubt.ECHO: 2}
    assert library.doubts({third: {stars(4)}}) == {}


def test_ten_thousand_of_one_moment_are_found_quickly() -> None:
    library = Library()
    for number in range(10_000):
        library.add(1000 + number / 5000, 1)
    assert library.doubts() == {Doubt.MOMENT: 10_000}
