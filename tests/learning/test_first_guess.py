from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ImageEnhance, ImageFilter

from keeprate.learning.first_guess import HASH_DISTANCE, MeasuredPhotos, first_guess
from keeprate.pictures.decoding import open_picture
from keeprate.pictures.signals import SIGNAL_NAMES, measure
from keeprate.pictures.similarity import perceptual_hash
from support.made_pictures import scene


def guessed(paths: list[Path], *, hashes: bool = True) -> npt.NDArray[np.float64]:
    pictures = [open_picture(path, shortest_edge=224, max_pixels=10**8) for path in paths]
    signals = dict(zip(SIGNAL_NAMES, np.stack([measure(picture).as_vector() for picture in pictures]).T, strict=True))
    found = [perceptual_hash(picture.image) if hashes else 0 for picture in pictures]
    return first_guess(
        MeasuredPhotos(
            **{name: signals[name] for name in MeasuredPhotos.__slots__ if name in signals},
            perceptual_hashes=np.array(found, np.int64),
        )
    )


def ordinary(count: int, hashes: list[int]) -> MeasuredPhotos:
    """Photos that differ in sharpness only, the first the least sharp."""
    flat = np.zeros(count)
    return MeasuredPhotos(
        np.linspace(5, 6, count), flat + 0.47, flat + 0.25, flat, flat, flat, np.array(hashes, np.uint64).view(np.int64)
    )


@pytest.mark.parametrize("hashes", [False, True])
def test_a_worse_copy_of_a_real_photo_scores_lower(shared_photos: Path, hashes: bool) -> None:
    original, *copies = sorted((shared_photos / "degraded").glob("*.jpg"), key=lambda path: len(path.name))
    scores = guessed([original, *copies], hashes=hashes)
    assert len(copies) == 4
    assert (scores[1:] < scores[0]).all()


def test_blurred_and_badly_exposed_copies_score_lower(tmp_path: Path) -> None:
    for seed in range(3):
        image = scene(seed=seed)
        versions = {
            "original": image,
            "blurred": image.filter(ImageFilter.GaussianBlur(4)),
            "over": ImageEnhance.Brightness(image).enhance(2.2),
            "under": ImageEnhance.Brightness(image).enhance(0.3),
        }
        paths = [tmp_path / f"{seed}-{name}.png" for name in versions]
        for path, version in zip(paths, versions.values(), strict=True):
            version.save(path)
        scores = guessed(paths, hashes=False)
        assert scores.argmax() == 0
        assert (scores >= 0.2).all()
        assert (scores <= 0.8).all()


def test_of_a_burst_only_the_sharpest_keeps_its_place() -> None:
    hash_ = 0x0F0F_1234_5678_9ABC
    slightly, other = hash_ ^ 0b111, ~hash_ & (2**64 - 1)
    alone = first_guess(ordinary(4, [hash_, other, 0, 0]))
    burst = first_guess(ordinary(4, [hash_, other, slightly, hash_]))
    assert (alone[0] - burst[0], alone[2] - burst[2]) == pytest.approx((0.15, 0.15), abs=0.05)
    np.testing.assert_allclose(burst[[1, 3]], alone[[1, 3]])
    assert alone[3] > alone[2]  # flat pictures are like no other
    beyond = hash_ ^ ((1 << (HASH_DISTANCE + 1)) - 1)
    np.testing.assert_allclose(first_guess(ordinary(4, [hash_, other, 0, beyond])), alone)
