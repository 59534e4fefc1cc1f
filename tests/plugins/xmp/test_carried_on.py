"""Tests of stars of ours that other programs carry into places of their own: they are neither the user's nor lost."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.plugin_api import Change, Channel, Shown, UndoOutcome
from support.xmp import SCORES_ONLY, Core, exiftool, jpeg


@pytest.fixture
def core(tmp_path: Path) -> Core:
    (tmp_path / "IMG_1.jpg").write_bytes(jpeg())
    return Core(tmp_path, replace(SCORES_ONLY, stars=True))


@pytest.fixture
def photo(core: Core) -> Path:
    exiftool(core.root / "IMG_1.jpg")  # skips where there is none
    return core.root / "IMG_1.jpg"


def rate(path: Path, stars: int) -> None:
    """As digiKam does, which writes into the photo what it read from the sidecar."""
    rating = (f"-XMP-xmp:Rating={stars}", f"-IFD0:Rating={stars}")
    subprocess.run(["exiftool", "-q", "-overwrite_original", *rating, path], check=True)


def mark(core: Core, photo: Path, score: float) -> Path:
    """With what keeprate knows that it gave."""
    request = core.request({photo: score})
    given = tuple(shown for change in core.journal for shown in change.shows)
    (change,) = core.manager.plan(replace(request, photos=[replace(request.photos[0], given=given)]))
    assert isinstance(change, Change), change
    core.manager.apply(change)
    core.journal.append(change)
    return change.path


def stars_in(sidecar: Path) -> tuple[object, ...]:
    tags = exiftool(sidecar)
    names = ("XMP-xmp:Rating", "XMP-microsoft:RatingPercent", "XMP-keeprate:WroteRating")
    return tuple(tags.get(name) for name in names)


def test_the_stars_of_the_sidecar_go_on_following_the_score(core: Core, photo: Path) -> None:
    sidecar = mark(core, photo, 0.95)
    for carried, score, stars, percent in ((5, 0.80, 4, 75), (4, 0.05, 1, 1), (4, 0.95, 5, 99)):
        rate(photo, carried)
        assert mark(core, photo, score) == sidecar
        assert stars_in(sidecar) == (stars, percent, stars)


def test_other_stars_in_the_photo_take_ours_out_and_nothing_stays_behind(core: Core, photo: Path) -> None:
    sidecar = mark(core, photo, 0.95)
    rate(photo, 2)
    mark(core, photo, 0.30)
    assert stars_in(sidecar) == (None, None, None)
    assert core.read(photo).rating == 2
    assert core.plan(photo, 0.30) == []


def test_undo_finds_them_after_another_program_rewrote_the_sidecar(core: Core, photo: Path) -> None:
    sidecar = mark(core, photo, 0.95)
    rate(photo, 5)
    mark(core, photo, 0.05)
    subprocess.run(["exiftool", "-q", "-overwrite_original", "-XMP-dc:Title=mine", sidecar], check=True)
    assert core.undo(photo) is UndoOutcome.REMOVED_OURS
    assert stars_in(sidecar) == (None, None, None)


def test_the_user_agrees_elsewhere(core: Core, photo: Path) -> None:
    sidecar = mark(core, photo, 0.95)
    agrees = replace(core.request({photo: 0.05}).photos[0], said=(Shown(Channel.RATING, "5"),))
    (change,) = core.manager.plan(replace(core.request({}), photos=[agrees]))
    assert isinstance(change, Change)
    core.manager.apply(change)
    core.journal.append(change)
    tags = exiftool(sidecar)
    assert (tags["XMP-keeprate:Score"], *stars_in(sidecar)) == (0.05, 5, 99, 5)
    assert list(core.manager.plan(replace(core.request({}), photos=[agrees]))) == []
    assert core.undo(photo) is UndoOutcome.RESTORED
