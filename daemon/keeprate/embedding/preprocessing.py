"""From a picture to exactly the pixels that a model was trained on, fast.

A `Recipe` is what a Hugging Face image processor would do, reduced to one resize (which also crops) of the
uint8 picture and one multiplication and addition per channel. It is derived from the processor's attributes
and must be trusted only if `matches` says so: processors with steps of their own are called themselves
instead.

Nothing here imports torch or transformers; processors are looked at as plain objects with attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keeprate.embedding.embedder import Pixels

_CONVNEXT_WARPS_FROM = 384
"""ConvNeXt's processor crops below this size and warps from it on (transformers,
ConvNextImageProcessor.resize).
"""

_TOLERATED_LEVELS = 3.0
"""How far a pixel may be from the processor's own, in steps of 8-bit brightness.

Pillow rounds between its horizontal and its vertical pass, and their order depends on the box: that alone puts
single pixels off by one or two. Another filter or crop is off by far more.
"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Resize, crop, then `value * scale + shift` per channel."""

    resize_height: int
    resize_width: int | None
    """None: `resize_height` is the shortest edge, the aspect ratio is kept."""
    crop_height: int
    crop_width: int
    resample: Image.Resampling
    scale: tuple[float, float, float]
    shift: tuple[float, float, float]

    @property
    def shortest_edge(self) -> int:
        """The shortest edge after the resize, in pixels."""
        return self.resize_height if self.resize_width is None else min(self.resize_height, self.resize_width)

    def pixels(self, image: Image.Image) -> Pixels:
        """Resize and centre-crop in one step: uint8, (crop_height, crop_width, 3).

        Only the pixels that survive the crop are computed. They are those of a full resize up to rounding,
        because the filter may look outside the box.
        """
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        height, width = self._resized(rgb.height, rgb.width)
        top, left = (height - self.crop_height) // 2, (width - self.crop_width) // 2
        per_row, per_column = rgb.height / height, rgb.width / width
        box = (
            left * per_column,
            top * per_row,
            min((left + self.crop_width) * per_column, rgb.width),
            min((top + self.crop_height) * per_row, rgb.height),
        )
        return np.asarray(rgb.resize((self.crop_width, self.crop_height), self.resample, box=box))

    def normalised(self, pixels: Pixels) -> NDArray[np.float32]:
        """What the model sees, (3, height, width); the backend does the same to whole batches on its device."""
        values = pixels.astype(np.float32) * np.array(self.scale, np.float32) + np.array(self.shift, np.float32)
        return np.moveaxis(values, -1, 0)

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        if self.resize_width is not None:
            return self.resize_height, self.resize_width
        edge = self.resize_height
        if height <= width:
            return edge, int(edge * width / height)
        return int(edge * height / width), edge


def recipe_of(processor: Any) -> Recipe | None:
    """The recipe that a Hugging Face image processor describes, or None if it describes another kind of
    thing.

    Understands `do_resize`, `size`, `resample`, `do_center_crop`, `crop_size`, `do_rescale`,
    `rescale_factor`, `do_normalize`, `image_mean`, `image_std`, ConvNeXt's `crop_pct`, EfficientNet's
    `rescale_offset` and `include_top`.
    """
    geometry = _geometry(processor)
    if geometry is None:
        return None
    resize_height, resize_width, crop_height, crop_width = geometry
    if min(crop_height, crop_width) < 1 or crop_height > resize_height:
        return None  # the processor would pad
    if crop_width > (resize_height if resize_width is None else resize_width):
        return None
    scale, shift = _colours(processor)
    return Recipe(
        resize_height=resize_height,
        resize_width=resize_width,
        crop_height=crop_height,
        crop_width=crop_width,
        resample=Image.Resampling(int(processor.resample)),
        scale=(float(scale[0]), float(scale[1]), float(scale[2])),
        shift=(float(shift[0]), float(shift[1]), float(shift[2])),
    )


def matches(recipe: Recipe, reference: Callable[[Image.Image], NDArray[np.float32]]) -> bool:
    """Whether `recipe` gives what `reference` gives, tried on a landscape, a portrait and a small picture.

    Args:
        recipe: what was derived.
        reference: the processor itself: one picture in, (3, height, width) out.
    """
    tolerance = _TOLERATED_LEVELS * max(abs(factor) for factor in recipe.scale)
    for seed, (width, height) in enumerate(((613, 411), (403, 597), (97, 120))):
        image = synthetic_picture(width, height, seed)
        expected = reference(image)
        actual = recipe.normalised(recipe.pixels(image))
        if expected.shape != actual.shape or float(np.abs(expected - actual).max()) > tolerance:
            return False
    return True


def synthetic_picture(width: int, height: int, seed: int) -> Image.Image:
    """A repeatable picture with structure at several scales, so that a wrong crop or filter shows."""
    random = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for cells in (3, 12, 48):
        noise = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        picture += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 3
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def _geometry(processor: Any) -> tuple[int, int | None, int, int] | None:
    """(resize height, resize width or None, crop height, crop width) in pixels."""
    size = getattr(processor, "size", None)
    if not getattr(processor, "do_resize", False) or size is None or processor.resample is None:
        return None
    shortest, height, width = (_entry(size, key) for key in ("shortest_edge", "height", "width"))
    crop_fraction = getattr(processor, "crop_pct", None)
    if crop_fraction and shortest:
        if shortest >= _CONVNEXT_WARPS_FROM:
            return shortest, shortest, shortest, shortest
        return int(shortest / crop_fraction), None, shortest, shortest
    crop = getattr(processor, "crop_size", None) if getattr(processor, "do_center_crop", False) else None
    crop_height, crop_width = (_entry(crop, "height"), _entry(crop, "width")) if crop else (height, width)
    if crop_height is None or crop_width is None or _entry(size, "longest_edge"):
        return None
    if shortest:
        return shortest, None, crop_height, crop_width
    if height and width:
        return height, width, crop_height, crop_width
    return None


def _entry(size: Any, key: str) -> int | None:
    """One entry of a processor's size, which is a dict or an object depending on the version of transformers."""
    value = size.get(key) if hasattr(size, "get") else getattr(size, key, None)
    return int(value) if value else None


def _colours(processor: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factor and summand per channel that rescaling and normalising amount to."""
    scale, shift = np.ones(3), np.zeros(3)
    if getattr(processor, "do_rescale", False):
        scale = scale * processor.rescale_factor
        if getattr(processor, "rescale_offset", False):
            shift = shift - 1.0
    if getattr(processor, "do_normalize", False):
        mean, deviation = np.asarray(processor.image_mean, float), np.asarray(processor.image_std, float)
        scale, shift = scale / deviation, (shift - mean) / deviation
        if getattr(processor, "include_top", False):  # EfficientNet divides by the deviation once more
            scale, shift = scale / deviation, shift / deviation
    return scale, shift
