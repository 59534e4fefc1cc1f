"""The sample photos: varied, repeatable, with capture data; good ones can be told from bad ones, mostly."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keeprate.demo.faults import FAULTS, spoil, tilted
from keeprate.demo.pictures import SIZE, SamplePicture, make_pictures
from keeprate.demo.scenes import HEIGHT, KINDS, WIDTH, draw_scene


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[SamplePicture]:
    return make_pictures(tmp_path_factory.mktemp("pictures"), 60, seed=3)


def test_as_many_as_asked_for_in_both_kinds(pictures: list[SamplePicture]) -> None:
    assert len(pictures) == 60
    assert 15 <= sum(picture.good for picture in pictures) <= 40


def test_every_photo_is_another_one(pictures: list[SamplePicture]) -> None:
    contents = {hashlib.sha256(picture.path.read_bytes()).digest() for picture in pictures}
    assert len(contents) == len(pictures)


def test_the_same_seed_makes_the_same_photos(tmp_path: Path) -> None:
    first, again, other = (make_pictures(tmp_path / name, 3, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert [p.path.read_bytes() for p in first] == [p.path.read_bytes() for p in again]
    assert [p.path.read_bytes() for p in first] != [p.path.read_bytes() for p in other]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    make_pictures(tmp_path, 1)
    with pytest.raises(FileExistsError):
        make_pictures(tmp_path, 1)


def test_photos_say_when_and_with_what_they_were_taken(pictures: list[SamplePicture]) -> None:
    times = []
    for picture in pictures:
        with Image.open(picture.path) as image:
            assert image.size == SIZE
            exif = image.getexif()
        assert exif[0x0110]
        times.append(exif.get_ifd(0x8769)[0x9003])
        assert times[-1][:10].replace(":", "-") == picture.path.parent.name[:10]
    assert times == sorted(times)
    assert len({time[:10] for time in times}) == 4  # shoots on different days


def test_bursts_show_one_scene_several_times(pictures: list[SamplePicture]) -> None:
    alike: list[float] = []
    different: list[float] = []
    for one, other in pairwise(picture for picture in pictures if picture.good):
        (alike if one.burst == other.burst else different).append(_likeness(one.path, other.path))
    assert len(alike) >= 5
    assert np.median(alike) > 0.9
    assert np.median(different) < 0.7


def _likeness(one: Path, other: Path) -> float:
    small = [np.asarray(Image.open(path).convert("L").resize((16, 12)), float).ravel() for path in (one, other)]
    return float(np.corrcoef(small)[0, 1])


def test_good_and_bad_can_be_told_apart_but_not_by_one_look(pictures: list[SamplePicture]) -> None:
    """The best single quantity leaves doubt; a few together, on other photos than they were fitted on, do well."""
    truth = np.array([picture.good for picture in pictures])
    looks = np.array([_look_at(picture.path) for picture in pictures])
    single = [_auc(column, truth) for column in looks.T]
    assert max(max(auc, 1 - auc) for auc in single) < 0.95
    folds = np.arange(len(truth)) // 15  # by shoot
    scores = np.zeros(len(truth))
    for fold in range(4):
        scores[folds == fold] = _fitted(looks[folds != fold], truth[folds != fold], looks[folds == fold])
    assert _auc(scores, truth) > 0.7


def _look_at(path: Path) -> list[float]:
    with Image.open(path) as image:
        grey = np.asarray(image.convert("L"), float)
    across = np.abs(np.diff(grey, axis=1))
    blocks = np.abs(np.diff(grey[::4, ::4], axis=0))
    sharp = float(np.log(np.percentile(across, 99.5) + 1))
    return [
        sharp,
        float(grey.mean()) / 99,
        (float(grey.mean()) / 99 - 1) ** 2,
        float(across.mean()),
        float(blocks.mean()),
    ]


def _fitted(looks: np.ndarray, truth: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Ridge regression on the truth, after standardising and adding squares."""
    middle, spread = looks.mean(axis=0), looks.std(axis=0) + 1e-9

    def features(values: np.ndarray) -> np.ndarray:
        scaled = (values - middle) / spread
        return np.hstack([scaled, scaled**2, np.ones((len(values), 1))])

    matrix = features(looks)
    weights = np.linalg.solve(matrix.T @ matrix + np.eye(matrix.shape[1]), matrix.T @ (truth * 2.0 - 1))
    return np.asarray(features(others) @ weights)


def _auc(scores: np.ndarray, truth: np.ndarray) -> float:
    return float((scores[truth][:, None] > scores[~truth][None, :]).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_scenes_are_large_and_differ_by_seed(kind: str) -> None:
    one, other = draw_scene(kind, (1,)), draw_scene(kind, (2,))
    assert one.size == other.size == (WIDTH, HEIGHT)
    assert one.tobytes() != other.tobytes()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault.__name__))
def test_faults_do_more_harm_when_stronger(fault: Callable[..., Image.Image]) -> None:
    scene = draw_scene("town", (5,))
    mild, strong = (fault(scene, strength, np.random.default_rng(1)) for strength in (0.0, 1.0))
    assert mild.size == strong.size == scene.size
    assert _distance(scene, mild) > 1
    if fault is not tilted:  # shows something else even when mild
        assert _distance(scene, strong) > 1.5 * _distance(scene, mild)


def test_spoiling_leaves_the_original_alone() -> None:
    scene = draw_scene("town", (5,))
    before = scene.tobytes()
    assert spoil(scene, np.random.default_rng(1)).tobytes() != before
    assert scene.tobytes() == before


def _distance(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())
