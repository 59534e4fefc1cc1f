from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from keeprate.pictures.decoding import Picture
from keeprate.pictures.facts import PictureFacts
from keeprate.pictures.formats import Format
from keeprate.pictures.technical import TECHNICAL_NAMES, Technical, measure_technical, thumbnail
from support.photos import draw


def measured(image: Image.Image) -> Technical:
    return measure_technical(Picture(image, PictureFacts(Format.PNG, *image.size, None, None)))


def compressed(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=8)
    return Image.open(stream).convert("RGB")


def noisy(image: Image.Image) -> Image.Image:
    levels = np.asarray(image) + np.random.default_rng(0).normal(0, 15, (image.height, image.width, 3))
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


SMOOTH = draw(1, size=(640, 480)).resize((64, 48)).resize((640, 480), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    ("worsen", "name", "sign"),
    [
        (lambda image: image.filter(ImageFilter.GaussianBlur(2)), "detail", -1),
        (noisy, "noise", 1),
        (lambda image: ImageEnhance.Brightness(image).enhance(0.5), "headroom", 1),
        (lambda image: ImageEnhance.Brightness(image).enhance(1.8), "blown", 1),
        (lambda image: ImageEnhance.Contrast(image).enhance(0.5), "contrast", -1),
        (compressed, "blockiness", 1),
    ],
)
def test_each_quantity_tells_its_fault(worsen: Callable[[Image.Image], Image.Image], name: str, sign: int) -> None:
    change = getattr(measured(worsen(SMOOTH)), name) - getattr(measured(SMOOTH), name)
    assert sign * change > 0.1


def test_noise_is_not_taken_for_detail() -> None:
    """Compared with the Laplacian as it is, which noise fills."""
    unresized = noisy(SMOOTH.crop((0, 0, 600, 448)))
    grey = np.asarray(unresized.convert("L"), np.float32)
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    assert measured(unresized).detail < np.log2(1 + laplacian.std()) - 0.8


def test_blocks_are_seen_wherever_the_grid_begins() -> None:
    blocky = compressed(SMOOTH)
    assert measured(blocky.crop((3, 5, 640, 480))).blockiness == pytest.approx(measured(blocky).blockiness, abs=0.1)


@pytest.mark.parametrize("size", [(1, 1), (2, 900), (31, 31), (640, 3)])
def test_no_size_is_too_odd(size: tuple[int, int]) -> None:
    vector = measured(Image.new("RGB", size, (9, 9, 9))).as_vector()
    assert vector.shape == (len(TECHNICAL_NAMES),)
    assert np.isfinite(vector).all()
    assert thumbnail(Image.new("RGB", size)).shape == (32, 32)
