"""Recipes against the image processors that they replace."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from keeprate.embedding.preprocessing import Recipe, matches, recipe_of, synthetic_picture

pytest.importorskip("torch")
pytest.importorskip("transformers")

SQUARE_224 = {"height": 224, "width": 224}
DINOV2_MEAN, DINOV2_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

# family, class, what its published preprocessor_config.json says, shortest edge before the crop
PUBLISHED: list[tuple[str, str, dict[str, Any], int]] = [
    ("clip", "CLIPImageProcessorPil", {"size": {"shortest_edge": 224}, "crop_size": SQUARE_224}, 224),
    ("siglip", "SiglipImageProcessorPil", {"size": SQUARE_224, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}, 224),
    ("siglip", "SiglipImageProcessorPil", {"size": {"height": 384, "width": 384}}, 384),
    (
        "bit",  # what DINOv2 uses
        "BitImageProcessorPil",
        {"size": {"shortest_edge": 256}, "crop_size": SQUARE_224, "image_mean": DINOV2_MEAN, "image_std": DINOV2_STD},
        256,
    ),
    ("vit", "ViTImageProcessorPil", {"size": SQUARE_224}, 224),
    ("convnext", "ConvNextImageProcessorPil", {"size": {"shortest_edge": 224}, "crop_pct": 0.875}, 256),
    ("convnext", "ConvNextImageProcessorPil", {"size": {"shortest_edge": 384}, "crop_pct": 1.0}, 384),
    ("mobilenet_v2", "MobileNetV2ImageProcessorPil", {"size": {"shortest_edge": 256}, "crop_size": SQUARE_224}, 256),
    ("mobilenet_v1", "MobileNetV1ImageProcessorPil", {"size": {"shortest_edge": 256}, "crop_size": SQUARE_224}, 256),
    (
        "efficientnet",
        "EfficientNetImageProcessorPil",
        {"size": SQUARE_224, "resample": 0, "rescale_offset": True, "rescale_factor": 1 / 127.5, "include_top": True},
        224,
    ),
]
# landscape, portrait, panorama, smaller than the model's input, square
SIZES = [(640, 427), (301, 555), (1200, 260), (90, 71), (333, 333)]


def processor(family: str, name: str, settings: dict[str, Any]) -> Any:
    module = importlib.import_module(f"transformers.models.{family}.image_processing_pil_{family}")
    return getattr(module, name)(**settings)


def clip_processor() -> Any:
    return processor("clip", "CLIPImageProcessorPil", {"size": {"shortest_edge": 224}, "crop_size": SQUARE_224})


def theirs(image_processor: Any, image: Image.Image) -> NDArray[np.float32]:
    return np.asarray(image_processor(images=image, return_tensors="np")["pixel_values"][0], np.float32)


@pytest.mark.parametrize(("family", "name", "settings", "edge"), PUBLISHED)
def test_recipe_gives_what_the_processor_gives(family: str, name: str, settings: dict[str, Any], edge: int) -> None:
    reference = processor(family, name, settings)
    recipe = recipe_of(reference)
    assert recipe is not None
    assert recipe.shortest_edge == edge
    one_level = max(recipe.scale)
    for seed, (width, height) in enumerate(SIZES):
        image = synthetic_picture(width, height, seed)
        ours, expected = recipe.normalised(recipe.pixels(image)), theirs(reference, image)
        assert ours.shape == expected.shape
        assert np.abs(ours - expected).max() <= 2.01 * one_level, (width, height)
        assert np.abs(ours - expected).mean() <= 0.1 * one_level, (width, height)


def test_pixels_are_bytes_of_exactly_the_size_of_the_crop() -> None:
    recipe = recipe_of(clip_processor())
    assert recipe is not None
    pixels = recipe.pixels(Image.new("L", (5000, 3), 77))
    assert pixels.shape == (224, 224, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == 77).all()


@pytest.mark.parametrize(
    "change",
    [
        {"do_resize": False},
        {"crop_size": {"height": 300, "width": 300}},  # would pad
        {"size": {"shortest_edge": 224, "longest_edge": 300}},
        {"do_center_crop": False},  # pictures of many shapes
    ],
)
def test_what_a_recipe_cannot_say_has_none(change: dict[str, Any]) -> None:
    settings = {"size": {"shortest_edge": 224}, "crop_size": SQUARE_224, **change}
    assert recipe_of(processor("clip", "CLIPImageProcessorPil", settings)) is None


def test_a_recipe_that_differs_from_the_processor_is_not_trusted() -> None:
    reference = clip_processor()
    right = recipe_of(reference)
    assert right is not None
    assert matches(right, lambda image: theirs(reference, image))
    wrong = [
        Recipe(**{**_fields(right), "resample": Image.Resampling.NEAREST}),
        Recipe(**{**_fields(right), "resize_height": 240}),
        Recipe(**{**_fields(right), "shift": (0.0, 0.0, 0.0)}),
        Recipe(**{**_fields(right), "crop_width": 200}),
    ]
    for recipe in wrong:
        assert not matches(recipe, lambda image: theirs(reference, image)), recipe


def _fields(recipe: Recipe) -> dict[str, Any]:
    return {name: getattr(recipe, name) for name in Recipe.__slots__}
