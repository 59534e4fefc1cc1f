"""Technical quality of a picture, for comparing it with others that show nearly the same.

Signals describe a picture for learning; these quantities only make sense as differences between copies or frames of one
scene: which of them is sharper, cleaner, better exposed. They are therefore measured finer, and kept apart, so that
better measures never make a trained head wait for anew measured signals.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keeprate.pictures.tiles import noise, tile_means

if TYPE_CHECKING:  # the version is wanted where no decoder should be loaded
    from PIL import Image

    from keeprate.pictures.decoding import Picture

TECHNICAL_VERSION = 1
"""Raised whenever the same picture would be measured differently: what is stored is then measured again."""
THUMBNAIL_EDGE = 32

_SHORT_EDGE = 448
"""Twice the smallest model's 224 pixels: every decoded picture reaches it, and no two are compared at other scales."""
_LONG_EDGE = 1344
_TILES = 8
_SHARP_SHARE = 0.25
"""Of the tiles: the sharpest count, so that a background out of focus costs nothing."""
_NOISE_IN_LAPLACIAN = 20.0
"""Variance of the 4-neighbour Laplacian of white noise of variance 1: 4² + 4·1²."""
_BRIGHT = 251
_OUTLIERS = 0.005
_GRID = 8

_Grey = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Technical:
    """What was measured on one picture, grey being luma with levels 0–255."""

    detail: float
    """log2(1 + root mean square of the Laplacian in grey levels) in the sharpest quarter of 8×8 tiles, the share of
    noise taken out; 0 to about 8. Variance of the Laplacian: Pech-Pacheco et al., ICPR 2000."""
    contrast: float
    """log2(1 + standard deviation of grey in levels); 0 to 7."""
    noise: float
    """log2(1 + standard deviation of noise in grey levels) in the calmest quarter of the tiles; 0 to about 5.
    Immerkær, "Fast noise variance estimation", 1996."""
    brightness: float
    """Mean grey; 0 (black) to 1 (white)."""
    blown: float
    """Share of pixels with a colour at its end (251 and more of 255): nothing can be brought back there; 0 to 1."""
    headroom: float
    """log2(255 / the level that 99.5 % of the pixels, by their brightest colour, do not exceed): how much more light
    would have fitted; 0 to 8."""
    blockiness: float
    """log2 of how much more grey changes across the lines of an 8×8 grid than elsewhere; 0 without blocks, 1 and more
    after coarse JPEG. After Wang, Sheikh, Bovik, "No-reference perceptual quality assessment of JPEG", 2002."""

    def as_vector(self) -> NDArray[np.float32]:
        """The values in the order of `TECHNICAL_NAMES`, float32 of shape (len(TECHNICAL_NAMES),)."""
        return np.array(astuple(self), np.float32)


TECHNICAL_NAMES: tuple[str, ...] = tuple(field.name for field in fields(Technical))


def measure_technical(picture: Picture) -> Technical:
    """Measure a decoded picture; about 6 ms for one that was decoded for a model of 224 pixels."""
    small = _fixed_size(picture.image)
    grey = np.asarray(small.convert("L"), np.float32)
    variance = noise(grey, _TILES) ** 2
    brightest = _brightest(small)
    return Technical(
        detail=_detail(grey, variance),
        contrast=math.log2(1 + float(grey.std())),
        noise=math.log2(1 + math.sqrt(variance)),
        brightness=float(grey.mean()) / 255,
        blown=float(brightest[_BRIGHT:].sum()),
        headroom=math.log2(255 / max(1, int(np.searchsorted(np.cumsum(brightest), 1 - _OUTLIERS)))),
        blockiness=_blockiness(np.asarray(picture.image.convert("L"))),
    )


def _brightest(image: Image.Image) -> NDArray[np.float64]:
    """How often the brightest colour of a pixel has each level: (256,), summing to 1."""
    from PIL import ImageChops

    red, green, blue = image.split()
    counts = ImageChops.lighter(ImageChops.lighter(red, green), blue).histogram()
    return np.array(counts) / (image.width * image.height)


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """32×32 grey levels, (32, 32): enough to see whether two pictures show the same, and how far one is shifted."""
    from PIL import Image

    small = image.resize((THUMBNAIL_EDGE, THUMBNAIL_EDGE), Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(small.convert("L"))


def _fixed_size(image: Image.Image) -> Image.Image:
    scale = min(_SHORT_EDGE / min(image.size), _LONG_EDGE / max(image.size))
    if scale >= 1:
        return image
    from PIL import Image

    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _detail(grey: _Grey, noise_variance: float) -> float:
    if min(grey.shape) < 3:
        return 0.0
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    tiles = np.sort(tile_means(laplacian * laplacian, _TILES))
    energy = float(tiles[-max(1, round(_SHARP_SHARE * tiles.size)) :].mean())
    return math.log2(1 + math.sqrt(max(0.0, energy - _NOISE_IN_LAPLACIAN * noise_variance)))


def _blockiness(levels: NDArray[np.uint8]) -> float:
    """The grid may begin anywhere: the picture may have been cropped or turned since it was compressed.

    In a picture that was decoded at reduced size the blocks are gone, and this is 0 (what they cost is seen in the
    detail).
    """
    if min(levels.shape) < 4 * _GRID:
        return 0.0
    signed = levels.astype(np.int16)
    down = np.abs(np.diff(signed, axis=0)).mean(axis=1)
    across = np.abs(np.diff(signed, axis=1)).mean(axis=0)
    return (_grid_step(down) + _grid_step(across)) / 2


def _grid_step(steps: NDArray[np.float64]) -> float:
    """log2 of the mean step at the strongest of eight phases, against that of all others; ≥ 0."""
    whole = len(steps) // _GRID * _GRID
    phases = np.sort(steps[:whole].reshape(-1, _GRID).mean(axis=0))
    return math.log2((float(phases[-1]) + 0.5) / (float(phases[:-1].mean()) + 0.5))
