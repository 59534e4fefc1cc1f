"""Tests of keeprate_xmp.fields: what viewers show for a percentile."""

from __future__ import annotations

import pytest

from keeprate_xmp.fields import visible_marks


@pytest.mark.parametrize(
    ("percentile", "stars", "label", "keyword"),
    [
        (1.0, "5", "Green", "Score|9"),
        (0.90, "5", "Green", "Score|9"),
        (0.899, "4", None, "Score|8"),
        (0.75, "4", None, "Score|7"),
        (0.50, "3", None, "Score|5"),
        (0.25, "2", None, "Score|2"),
        (0.249, "1", "Red", "Score|2"),
        (0.0, "1", "Red", "Score|0"),
    ],
)
def test_the_scales(percentile: float, stars: str, label: str | None, keyword: str) -> None:
    marks = visible_marks(percentile, stars=True, label=True, keyword_root="Score")
    assert (marks.rating, marks.label, marks.keywords) == (stars, label, keyword)


def test_everything_is_off_unless_asked_for() -> None:
    marks = visible_marks(1.0, stars=False, label=False, keyword_root=None)
    assert (marks.rating, marks.label, marks.keywords) == (None, None, None)


def test_never_a_rating_that_hides_or_means_unrated() -> None:
    ratings = {
        visible_marks(thousandth / 1000, stars=True, label=False, keyword_root=None).rating
        for thousandth in range(1001)
    }
    assert ratings == {"1", "2", "3", "4", "5"}
