"""A few measured, explainable quantities of a picture: is it sharp, well exposed, colourful, noisy?

They are measured on a copy of fixed size, so that the same photo gives (nearly) the same signals however large
it was decoded. They describe; they do not judge: what they are worth is learned from the user's decisions.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keeprate.pictures.tiles import noise, tile_means

if TYPE_CHECKING:  # the names of the signals are wanted where no decoder should be loaded
    from PIL import Image

    from keeprate.pictures.decoding import Picture

SIGNALS_VERSION = 1
"""Raised whenever the same picture would be measured differently: stored signals are then measured again."""

_SHORT_EDGE, _LONG_EDGE = 320, 960
"""Pictures are measured at this short edge, unless the long one would become longer than the other number.
Below twice the smallest model's 224 pixels, so that every decoded picture reaches it."""
_TILES = 6
_CLIPPED_LEVELS = 4
_EDGE_STEP = 24.0

_Grey = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Signals:
    """What was measured on one picture. Grey is luma (ITU-R BT.601), grey levels run from 0 to 255."""

    sharpness: float
    """Detail in the sharpest part: log2(1 + root mean square of the Laplacian in grey levels), the second best
    of 6×6 tiles, so that a blurred background costs nothing. 0 (flat) to about 10; a sharp photo has 5 and more.
    Variance of the Laplacian: Pech-Pacheco et al., ICPR 2000."""
    overall_sharpness: float
    """The same over the whole picture; 0 to about 10."""
    brightness: float
    """Mean grey; 0 (black) to 1 (white)."""
    contrast: float
    """Standard deviation of grey; 0 (flat) to 0.5 (black and white)."""
    shadow_clipping: float
    """Share of pixels that are black but for 4 grey levels; 0 to 1."""
    highlight_clipping: float
    """Share of pixels that are white but for 4 grey levels; 0 to 1."""
    colourfulness: float
    """Hasler and Süsstrunk, "Measuring colourfulness in natural images", 2003; 0 (grey) to about 150."""
    saturation: float
    """Mean saturation as in HSV; 0 to 1."""
    noise: float
    """Standard deviation of noise in grey levels, in the calmest quarter of the tiles, at the size measured;
    0 to about 50. Immerkær, "Fast noise variance estimation", 1996."""
    entropy: float
    """Shannon entropy of the grey histogram with 64 steps; 0 (flat) to 6 bits."""
    edge_density: float
    """Share of pixels where grey changes by more than 24 levels from one pixel to the next; 0 to 1."""
    aspect: float
    """log2(width / height): 0 square, 0.58 for 3:2, negative upright."""
    megapixels: float
    """log2(1 + millions of pixels of the full picture): 3.7 for 12 megapixels."""

    def as_vector(self) -> NDArray[np.float32]:
        """The values in the order of `SIGNAL_NAMES`, float32 of shape (len(SIGNAL_NAMES),)."""
        return np.array(astuple(self), np.float32)

    @classmethod
    def from_vector(cls, vector: NDArray[Any]) -> Signals:
        """The signals that `as_vector` made a vector from.

        Raises:
            ValueError: it has another length: it was measured by another version.
        """
        if vector.shape != (len(SIGNAL_NAMES),):
            raise ValueError(f"{len(SIGNAL_NAMES)} signals are expected, not an array of shape {vector.shape}")
        return cls(*map(float, vector))


SIGNAL_NAMES: tuple[str, ...] = tuple(field.name for field in fields(Signals))
"""The names of the signals, in the order of `Signals.as_vector`."""


def measure(picture: Picture) -> Signals:
    """Measure a decoded picture; 2 to 3 ms for one of 12 megapixels that was decoded for a model of 224 pixels."""
    small = _fixed_size(picture.image)
    levels = np.asarray(small.convert("L"))
    grey = levels.astype(np.float32)
    shares = np.bincount(levels.ravel(), minlength=256) / levels.size
    mean = float(shares @ np.arange(256))
    spread = math.sqrt(float(shares @ (np.arange(256) - mean) ** 2))
    laplacian = _laplacian(grey)
    energies = tile_means(laplacian * laplacian, _TILES)
    colourfulness, saturation = _colour(small)
    facts = picture.facts
    return Signals(
        sharpness=_octaves(float(np.sort(energies)[-2:].min())),
        overall_sharpness=_octaves(float(energies.mean())),
        brightness=mean / 255,
        contrast=spread / 255,
        shadow_clipping=float(shares[: _CLIPPED_LEVELS + 1].sum()),
        highlight_clipping=float(shares[-_CLIPPED_LEVELS - 1 :].sum()),
        colourfulness=colourfulness,
        saturation=saturation,
        noise=noise(grey, _TILES),
        entropy=_entropy(shares),
        edge_density=_edge_density(grey),
        aspect=math.log2(facts.width / facts.height),
        megapixels=math.log2(1 + facts.width * facts.height / 1e6),
    )


def _fixed_size(image: Image.Image) -> Image.Image:
    """A copy at the size that everything is measured at; smaller pictures are taken as they are."""
    scale = min(_SHORT_EDGE / min(image.size), _LONG_EDGE / max(image.size))
    if scale >= 1:
        return image
    from PIL import Image

    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BOX, reducing_gap=1.0)


def _laplacian(grey: _Grey) -> _Grey:
    """The 4-neighbour Laplacian, without the border; of shape (height − 2, width − 2), or of one zero if too small."""
    if min(grey.shape) < 3:
        return np.zeros((1, 1), np.float32)
    sides = grey[:-2, 1:-1] + grey[2:, 1:-1]
    sides += grey[1:-1, :-2]
    sides += grey[1:-1, 2:]
    sides -= 4 * grey[1:-1, 1:-1]
    return sides


def _octaves(mean_square: float) -> float:
    return math.log2(1 + math.sqrt(mean_square))


def _entropy(shares: NDArray[np.float64]) -> float:
    steps = shares.reshape(64, 4).sum(axis=1)
    filled = steps[steps > 0]
    return abs(float(np.sum(filled * np.log2(filled))))  # never positive


def _edge_density(grey: _Grey) -> float:
    if min(grey.shape) < 2:
        return 0.0
    across = np.abs(grey[1:, 1:] - grey[1:, :-1])
    down = np.abs(grey[1:, 1:] - grey[:-1, 1:])
    return float(np.mean(np.maximum(across, down) > _EDGE_STEP))


def _colour(image: Image.Image) -> tuple[float, float]:
    """Colourfulness and mean saturation, on a quarter of the size: colour has no fine detail."""
    smaller = image.reduce(4) if min(image.size) >= 16 else image
    red, green, blue = np.moveaxis(np.asarray(smaller).astype(np.float32), -1, 0)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = math.hypot(float(red_green.std()), float(yellow_blue.std()))
    offset = math.hypot(float(red_green.mean()), float(yellow_blue.mean()))
    brightest = np.maximum(np.maximum(red, green), blue)
    darkest = np.minimum(np.minimum(red, green), blue)
    saturation = (brightest - darkest) / np.maximum(brightest, 1)
    return spread + 0.3 * offset, float(saturation.mean())
