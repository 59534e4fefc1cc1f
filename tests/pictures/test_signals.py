from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from keeprate.pictures.decoding import Picture, open_picture
from keeprate.pictures.facts import PictureFacts
from keeprate.pictures.formats import Format
from keeprate.pictures.signals import SIGNAL_NAMES, SIGNALS_VERSION, Signals, measure
from support.made_pictures import blurred, encoded, saved, scene


def measured(image: Image.Image) -> Signals:
    return measure(Picture(image, PictureFacts(Format.PNG, image.width, image.height, None, None)))


SCENE = scene(900, 600)
PLAIN = measured(SCENE)


def noisy(image: Image.Image, sigma: float) -> Image.Image:
    random = np.random.default_rng(1)
    pixels = np.asarray(image, np.float64) + random.normal(0, sigma, (image.height, image.width, 1))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


class TestWhatEachMeans:
    def test_blur_takes_sharpness(self) -> None:
        sharpness = [measured(blurred(SCENE, radius)).sharpness for radius in (0, 2, 4, 8, 16)]
        assert sharpness == sorted(sharpness, reverse=True)
        assert sharpness[0] > sharpness[-1] + 1

    def test_a_blurred_background_costs_no_sharpness(self) -> None:
        shallow = blurred(SCENE, 8)
        shallow.paste(SCENE.crop((300, 200, 600, 400)), (300, 200))
        assert measured(shallow).sharpness == pytest.approx(PLAIN.sharpness, abs=0.3)
        assert measured(shallow).overall_sharpness < PLAIN.overall_sharpness - 0.5

    def test_exposure_moves_brightness_and_clips(self) -> None:
        dark = measured(ImageEnhance.Brightness(SCENE).enhance(0.3))
        bright = measured(ImageEnhance.Brightness(SCENE).enhance(2.5))
        assert dark.brightness < PLAIN.brightness < bright.brightness
        assert bright.highlight_clipping > 0.2 > PLAIN.highlight_clipping
        crushed = measured(SCENE.point(lambda level: max(0, level - 150)))
        assert crushed.shadow_clipping > 0.2 > PLAIN.shadow_clipping

    def test_contrast_and_entropy(self) -> None:
        flat = measured(ImageEnhance.Contrast(SCENE).enhance(0.2))
        assert flat.contrast < PLAIN.contrast / 2
        assert flat.entropy < PLAIN.entropy
        assert flat.edge_density <= PLAIN.edge_density

    def test_colour(self) -> None:
        vivid, grey = measured(ImageEnhance.Color(SCENE).enhance(2)), measured(ImageEnhance.Color(SCENE).enhance(0))
        assert grey.colourfulness < 1 < PLAIN.colourfulness < vivid.colourfulness
        assert grey.saturation < 0.01 < PLAIN.saturation < vivid.saturation

    @pytest.mark.parametrize("sigma", [5, 10, 20])
    def test_noise_is_in_grey_levels(self, sigma: float) -> None:
        small = Image.new("RGB", (320, 320), (128, 128, 128))
        assert measured(noisy(small, sigma)).noise == pytest.approx(sigma, rel=0.1)

    def test_edges_are_no_noise(self) -> None:
        stripes = Image.fromarray(np.tile(np.repeat([60, 190], 20).astype(np.uint8), (320, 8))).convert("RGB")
        assert measured(stripes).noise < 1

    @pytest.mark.parametrize(
        ("size", "aspect", "megapixels"), [((4000, 3000), 0.415, 3.70), ((3000, 4000), -0.415, 3.70), ((1, 1), 0, 0)]
    )
    def test_shape_and_size_are_those_of_the_full_picture(
        self, size: tuple[int, int], aspect: float, megapixels: float
    ) -> None:
        facts = PictureFacts(Format.JPEG, *size, None, None)
        signals = measure(Picture(SCENE, facts))
        assert signals.aspect == pytest.approx(aspect, abs=0.001)
        assert signals.megapixels == pytest.approx(megapixels, abs=0.001)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2), (3, 3), (5, 4), (3000, 2), (20_000, 40)])
@pytest.mark.parametrize("colour", ["black", "white", "red"])
def test_any_size_and_colour_gives_finite_values_in_range(size: tuple[int, int], colour: str) -> None:
    signals = measured(Image.new("RGB", size, colour))
    assert np.isfinite(signals.as_vector()).all()
    assert signals.sharpness == signals.overall_sharpness == signals.noise == signals.entropy == 0
    assert 0 <= signals.brightness <= 1
    assert 0 <= signals.saturation <= 1


def test_ranges_of_the_loudest_picture() -> None:
    random = np.random.default_rng(3).integers(0, 2, (320, 320, 3), dtype=np.uint8) * 255
    signals = measured(Image.fromarray(random))
    assert 8 < signals.sharpness < 11
    assert signals.edge_density > 0.8
    assert 0 < signals.contrast <= 0.5


def test_vectors_go_there_and_back() -> None:
    vector = PLAIN.as_vector()
    assert vector.dtype == np.float32
    assert vector.shape == (len(SIGNAL_NAMES),)
    assert Signals.from_vector(vector).as_vector().tolist() == vector.tolist()
    assert dict(zip(SIGNAL_NAMES, vector, strict=True))["brightness"] == pytest.approx(PLAIN.brightness)
    with pytest.raises(ValueError, match="signals are expected"):
        Signals.from_vector(vector[:-1])


def test_the_same_picture_gives_the_same_values_for_ever() -> None:
    """If this fails, measuring has changed: raise SIGNALS_VERSION, so that stored values are measured again."""
    ramp = np.add.outer(np.arange(320), np.arange(480)) % 256
    picture = Image.fromarray(np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=-1).astype(np.uint8))
    assert SIGNALS_VERSION == 1
    values = dict(zip(SIGNAL_NAMES, measured(picture).as_vector().tolist(), strict=True))
    expected = {
        "sharpness": 5.636,
        "overall_sharpness": 4.9333,
        "brightness": 0.5024,
        "contrast": 0.1876,
        "shadow_clipping": 0.0001,
        "highlight_clipping": 0,
        "colourfulness": 140.6967,
        "saturation": 0.6643,
        "noise": 0.3522,
        "entropy": 5.5689,
        "edge_density": 0.0187,
        "aspect": 0.585,
        "megapixels": 0.2061,
    }
    assert values == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("seed", range(2))
def test_how_small_a_photo_was_decoded_hardly_matters(seed: int, tmp_path: Path) -> None:
    path = saved(tmp_path, "photo.jpg", encoded(scene(1600, 1200, seed).resize((3200, 2400)), "JPEG", quality=90))
    first, *others = (
        measure(open_picture(path, shortest_edge=edge, max_pixels=10**9)) for edge in (224, 384, 518, 1200)
    )
    for other in others:
        assert other.sharpness == pytest.approx(first.sharpness, abs=0.15)
        assert other.noise == pytest.approx(first.noise, rel=0.2, abs=0.3)
        steady = replace(other, sharpness=0, overall_sharpness=0, noise=0, colourfulness=0)
        expected = replace(first, sharpness=0, overall_sharpness=0, noise=0, colourfulness=0)
        assert steady.as_vector() == pytest.approx(expected.as_vector(), abs=0.02)
        assert other.colourfulness == pytest.approx(first.colourfulness, rel=0.03)


def test_degraded_copies_are_ordered_rightly(shared_photos: Path) -> None:
    good, *worse = (
        measure(open_picture(shared_photos / "degraded" / f"test{name}.jpg", shortest_edge=224, max_pixels=10**9))
        for name in ("", "_blurred_9", "_overexposed_9", "_underexposed_9")
    )
    blurry, over, under = worse
    assert blurry.sharpness < good.sharpness - 1
    assert over.highlight_clipping > good.highlight_clipping + 0.1
    assert under.brightness < good.brightness < over.brightness


def test_measuring_is_cheap() -> None:
    """Aimed at 3 ms; the bound leaves room for a busy machine."""
    image = scene(1000, 750)
    costs = []
    for _ in range(10):
        started = time.thread_time()
        measured(image)
        costs.append(time.thread_time() - started)
    assert min(costs) < 0.012
