"""What was said of a shot: any of its photos speaks for it, what contradicts itself teaches nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from keeprate.catalog import companions, files, labels, problems
from keeprate.catalog.labels import Label, LabelSource
from keeprate.config.edit import add_library
from keeprate.paths import locate_home
from keeprate.steps.labels.shots import count_reviewed, label_counts, report_disagreements, said_of_shots
from keeprate.steps.session import Session, open_session
from support.catalogs import add_file

JPEG, RAW, EDIT, ALONE = "jpeg", "raw", "edit", "alone"


@pytest.fixture
def shot(session: Session) -> Session:
    """A shot of three photos, and another photo."""
    for key in (JPEG, RAW, EDIT, ALONE):
        add_file(session.catalog, f"/p/{key}.jpg", key)
    with session.catalog.db.atomic():
        companions.join(session.catalog, JPEG, [RAW, EDIT])
    return session


def say(session: Session, **given: str | None) -> None:
    """A label each: photo → bucket."""
    now = time.time()
    with session.catalog.db.atomic():
        labels.append(
            session.catalog,
            [Label(key, "keep", bucket, LabelSource.MOVE, now, f"/p/{key}.jpg") for key, bucket in given.items()],
        )


def lose(session: Session, *keys: str) -> None:
    with session.catalog.db.atomic():
        files.mark_gone(session.catalog, [f"/p/{key}.jpg" for key in keys])


def said(session: Session) -> dict[str, str | None]:
    return {key: label.bucket for key, label in said_of_shots(session, "keep").of_photos().items()}


@pytest.mark.parametrize("which", [JPEG, RAW, EDIT])
def test_a_label_counts_for_all_and_once(shot: Session, which: str) -> None:
    say(shot, **{which: "delete", ALONE: "keep"})
    assert said(shot) == {JPEG: "delete", RAW: "delete", EDIT: "delete", ALONE: "keep"}
    found = said_of_shots(shot, "keep")
    assert found.of_shot[JPEG].content_key == which  # as it was given
    assert list(found.of_shot) == [ALONE, JPEG]
    assert label_counts(shot, "keep") == {"delete": 1, "keep": 1}
    assert count_reviewed(shot, "keep", "camera") == 2
    say(shot, **{which: None})
    assert said(shot) == {ALONE: "keep"}


def test_what_is_counted_is_what_is_known(shot: Session) -> None:
    """Counts are asked of the catalog, without every label in hand: they say the same all the same."""
    for key in ("other", "second", "gone", "elsewhere"):
        add_file(shot.catalog, f"/p/{key}.jpg", key, library="another" if key == "elsewhere" else "camera")
    with shot.catalog.db.atomic():
        companions.join(shot.catalog, "other", ["second"])
    say(shot, other="delete", raw="keep", alone="keep", gone="delete", elsewhere="keep")
    say(shot, other=None, second="delete")
    lose(shot, "gone", JPEG)
    found = said_of_shots(shot, "keep")
    assert label_counts(shot, "keep") == found.counts() == {"keep": 3, "delete": 2}
    assert count_reviewed(shot, "keep", "camera") == 3, "two shots, one alone; one is gone, one elsewhere"
    assert count_reviewed(shot, "keep", "another") == 1
    lose(shot, RAW, EDIT)
    assert count_reviewed(shot, "keep", "camera") == 2


def test_each_shot_teaches_once(shot: Session) -> None:
    say(shot, raw="keep", jpeg="keep", alone="delete")
    found = said_of_shots(shot, "keep")
    assert {key: label.bucket for key, label in found.once({JPEG, RAW, ALONE}).items()} == {
        JPEG: "keep", ALONE: "delete",
    }  # fmt: skip
    assert list(found.once({RAW, EDIT})) == [EDIT]  # the JPEG cannot be read: the next one stands in
    assert list(found.once({ALONE})) == [ALONE]


def test_who_keeps_the_jpeg_and_deletes_the_raw_keeps_the_shot(shot: Session) -> None:
    say(shot, raw="delete", jpeg="keep")
    assert said(shot)[RAW] == "keep"
    say(shot, raw="keep", jpeg="delete")
    assert said(shot)[JPEG] == "keep"
    assert said_of_shots(shot, "keep").disagreeing == {}


def trash(session: Session, key: str) -> None:
    with session.catalog.db.atomic():
        labels.append(session.catalog, [Label(key, "keep", "delete", LabelSource.TRASH, time.time(), f"/p/{key}.jpg")])
    lose(session, key)


def test_a_raw_thrown_away_to_save_room_says_nothing_of_the_shot(shot: Session) -> None:
    trash(shot, RAW)
    assert said(shot) == {}
    trash(shot, EDIT)
    assert said(shot) == {}
    trash(shot, JPEG)
    assert set(said(shot).values()) == {"delete"}


def test_a_jpeg_thrown_away_means_the_shot_until_another_file_is_sorted(shot: Session) -> None:
    trash(shot, JPEG)
    assert said(shot)[RAW] == "delete"
    say(shot, raw="keep")
    assert set(said(shot).values()) == {"keep"}


def test_what_lies_there_counts_before_what_is_gone(shot: Session) -> None:
    say(shot, jpeg="keep")
    lose(shot, JPEG)  # edited in its place, or deleted for good
    assert said(shot)[RAW] == "keep"
    say(shot, raw="delete")
    assert said(shot)[RAW] == "delete"


def test_buckets_that_contradict_each_other_are_reported(tmp_path: Path) -> None:
    home = locate_home()
    add_library(
        home.config_file,
        {
            "name": "camera",
            "root": str(tmp_path),
            "heads": {"keep": {"buckets": {"best": ["best"], "good": ["good"], "bad": ["bad"]}}},
        },
    )
    with open_session(home) as session:
        for key in (JPEG, RAW):
            add_file(session.catalog, f"/p/{key}.jpg", key)
        with session.catalog.db.atomic():
            companions.join(session.catalog, JPEG, [RAW])
        say(session, jpeg="good", raw="bad")
        report_disagreements(session)
        assert said(session) == {}
        (problem,) = problems.latest(session.catalog)
        assert "of the same shot are in" in problem.reason
        say(session, raw="best")
        report_disagreements(session)
        assert said(session) == {JPEG: "best", RAW: "best"}
        assert problems.latest(session.catalog) == []
