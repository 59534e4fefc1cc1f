from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keeprate.learning.burst_ranking import Candidates, rank

NAMES = ("detail", "contrast", "noise", "brightness", "blown", "headroom", "blockiness")
GOOD = {"detail": 5.0, "contrast": 6.0, "noise": 1.0, "brightness": 0.45, "blown": 0.0, "headroom": 0.0}
FILE = {"quantisation": 10.0, "pixels": 12e6, "sizes": 4e6, "scores": np.nan}


def photos(*differences: dict[str, float]) -> Candidates:
    """One group of photos, each with its differences from a good one."""
    rows = [GOOD | {"blockiness": 0.0} | FILE | different for different in differences]
    return Candidates(
        np.zeros(len(rows), np.intp),
        np.array([[row[name] for name in NAMES] for row in rows], np.float32),
        **{name: np.array([row[name] for row in rows]) for name in FILE},
    )


@pytest.mark.parametrize(
    ("worse", "reason"),
    [
        ({"detail": 4.0}, "less sharp"), ({"noise": 2.0}, "noisier"), ({"headroom": 0.6}, "darker"),
        ({"blown": 0.2}, "burnt out"), ({"blockiness": 0.6}, "compressed"), ({"quantisation": 90.0}, "compressed"),
        ({"pixels": 10e6}, "fewer pixels"), ({"sizes": 2e6}, "less fine detail"),
        ({"contrast": 4.0, "detail": 3.0}, "flatter"),
    ],
)  # fmt: skip
def test_what_is_worse_comes_after_and_says_why(worse: dict[str, float], reason: str) -> None:
    second, first = rank(photos(worse, {}), NAMES)
    assert (first.position, second.position) == (1, 2)
    assert first.reasons == ()
    assert reason in second.reasons


def test_bytes_say_nothing_where_files_were_saved_differently() -> None:
    first, second = rank(photos({}, {"sizes": 8e6, "quantisation": 9.0}), NAMES)
    assert (first.position, second.position, second.behind) == (1, 2, 0.0)


def test_the_head_decides_between_equals_but_not_over_a_blurred_one() -> None:
    liked = {"scores": 0.9}
    assert [one.position for one in rank(photos({"scores": 0.2}, liked), NAMES)] == [2, 1]
    assert [one.position for one in rank(photos({"scores": 0.2}, liked | {"detail": 4.0}), NAMES)] == [1, 2]
    assert [one.position for one in rank(photos({}, liked), NAMES)] == [1, 2], "one without a score: it says nothing"


def test_groups_are_ranked_each_for_itself() -> None:
    two = replace(photos({}, {"detail": 3.0}, {"detail": 4.0}, {"detail": 4.5}), groups=np.array([5, 9, 5, 9]))
    assert [one.position for one in rank(two, NAMES)] == [1, 2, 2, 1]
