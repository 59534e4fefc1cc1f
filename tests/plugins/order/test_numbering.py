"""Numbers ascend, most of them stay, and only as many neighbours move as need to."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeprate_order.numbering import STEP, longest_ascending, renumbered

LIMIT = 9999


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        ([], []),
        ([None], [10]),
        ([None, None, None], [10, 20, 30]),
        ([10, 20, 30], [10, 20, 30]),
        ([10, 30], [10, 30]),  # one has left: nothing moves
        ([10, None, 20], [10, 15, 20]),
        ([None, 10, 20], [5, 10, 20]),
        ([10, 20, None], [10, 20, 30]),
        ([10, 40, 20, 30, 50], [10, 15, 20, 30, 50]),  # the last but one is now second
        ([10, None, 11, 20], [3, 7, 11, 20]),  # no room: one neighbour moves
        ([20, 20], [10, 20]),  # the same number twice, as after an interruption
        ([0, 10], [5, 10]),  # a number that is none
    ],
)
def test_numbers(current: list[int | None], expected: list[int]) -> None:
    assert renumbered(current, LIMIT) == expected


def test_numbers_stay_below_the_limit_even_at_the_end() -> None:
    assert renumbered([9998, None, None], LIMIT)[-1] <= LIMIT
    assert renumbered([9999, *[None] * 998], LIMIT)[-1] <= LIMIT


def test_too_small_a_limit_is_an_error() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        renumbered([None] * 1000, LIMIT)


@given(st.lists(st.none() | st.integers(1, 400), max_size=40))
def test_always_ascending_and_within_the_limit(current: list[int | None]) -> None:
    numbers = renumbered(current, 400)
    assert all(earlier < later for earlier, later in pairwise([0, *numbers, 401]))


@given(st.lists(st.none() | st.integers(1, 30), max_size=12))
def test_the_longest_ascending_run_is_found(numbers: list[int | None]) -> None:
    run = [numbers[index] for index in longest_ascending(numbers)]
    assert all(a is not None and b is not None and a < b for a, b in pairwise(run))
    assert len(run) == _length_by_definition(numbers)


def _length_by_definition(numbers: list[int | None]) -> int:
    lengths: list[int] = []
    for index, number in enumerate(numbers):
        below = [lengths[i] for i in range(index) if (other := numbers[i]) and number and other < number]
        lengths.append(0 if number is None else 1 + max(below, default=0))
    return max(lengths, default=0)


@settings(max_examples=50)
@given(st.integers(1, 300), st.randoms(use_true_random=False))
def test_one_photo_elsewhere_is_one_change(count: int, chance: random.Random) -> None:
    numbers: list[int | None] = [STEP * (index + 1) for index in range(count)]
    numbers.insert(chance.randrange(count), numbers.pop(chance.randrange(count)))
    changed = sum(old != new for old, new in zip(numbers, renumbered(numbers, STEP * count + 9), strict=True))
    assert changed <= 1


def test_many_small_changes_move_few_neighbours() -> None:
    chance = random.Random(7)
    numbers: list[int | None] = list(renumbered([None] * 2000, 99_999))
    moved = changed = 0
    for _ in range(40):
        for _ in range(50):
            numbers.insert(chance.randrange(2000), numbers.pop(chance.randrange(2000)))
            moved += 1
        after = renumbered(numbers, 99_999)
        changed += sum(old != new for old, new in zip(numbers, after, strict=True))
        numbers = list(after)
    assert changed < 1.5 * moved


def test_a_whole_shoot_between_two_photos_moves_only_the_neighbourhood() -> None:
    numbers: list[int | None] = [STEP * (index + 1) for index in range(1000)]
    numbers[500:500] = [None] * 100
    after = renumbered(numbers, 99_999)
    assert sum(old is not None and old != new for old, new in zip(numbers, after, strict=True)) < 40
