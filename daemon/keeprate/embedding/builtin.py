"""The built-in embedder: colour, texture, shape and composition of a picture, without torch and without a
download.

It is there so that keeprate works a minute after `pip install`, and on machines for which a neural network is
too much. It knows nothing about the world: it sees that two pictures look alike, not that both show a dog.

Five blocks, each with a length of its own of about 1 so that a linear model can weigh them:

1. fine filters: how strongly 48 random colour filters answer at 128 px, in each quadrant;
2. coarse filters: 32 more at 64 px, in each quadrant;
3. a histogram of hue, saturation and brightness;
4. a histogram of local binary patterns (Ojala, Pietikäinen, Mäenpää 2002; uniform ones);
5. composition: where brightness, saturation and edges lie on the grid of thirds, their spread, and symmetry.

Blocks 1 and 2 follow Coates, Lee and Ng, "An analysis of single-layer networks in unsupervised feature
learning" (2011): normalise and whiten patches, apply filters, keep what is above a threshold, average over
quadrants. Nothing is learned from pictures here: the whitening is that of the 1/f spectrum which photos are
known to have, and the filters are random, which the paper found to be nearly as good as learned ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keeprate.embedding.embedder import Pixels, Vectors

_VERSION = 1
"""Raise it with every change that gives other vectors: the fingerprint follows, and photos are embedded anew.
"""

_EDGE = 128
"""Pixels; the picture is warped to a square of this size."""

_DECODED_EDGE = 224
"""Larger than `_EDGE` needs, so that the signals are measured on the same pixels as with other embedders."""

_PATCH = 6
_THRESHOLD = 0.5
_NORM_FLOOR = 0.3
"""Added to the length of a patch before it is divided by it, so that flat patches stay small."""

_FloatArray = NDArray[np.float32]


class BuiltinEmbedder:
    """The embedder `builtin`. Stateless after construction, so any number of threads may use it."""

    shortest_edge = _DECODED_EDGE
    device = "cpu"
    precision = "float32"
    concurrent = True
    fingerprint = hashlib.blake2b(f"builtin {_VERSION}".encode(), digest_size=8).hexdigest()

    def __init__(self) -> None:
        self._fine = _FilterBank.random(filters=48, stride=3, seed=1)
        self._coarse = _FilterBank.random(filters=32, stride=2, seed=2)
        self._patterns = _uniform_patterns()
        self.dimension = len(self._vector(np.zeros((_EDGE, _EDGE, 3), np.uint8)))

    def prepare(self, image: Image.Image) -> Pixels:
        """Warp to 128×128: thirds and quadrants then mean the same in every format."""
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        return np.asarray(rgb.resize((_EDGE, _EDGE), Image.Resampling.BICUBIC, reducing_gap=2.0))

    def embed(self, pixels: Sequence[Pixels]) -> Vectors:
        """Vectors of prepared pictures, (n, dimension) float32."""
        if not pixels:
            return np.empty((0, self.dimension), np.float32)
        return np.stack([self._vector(picture) for picture in pixels])

    def _vector(self, picture: Pixels) -> _FloatArray:
        full: _FloatArray = picture.astype(np.float32) / np.float32(255)
        half = _halved(full)
        grey = full @ _LUMA
        hsv = np.asarray(Image.fromarray((half * 255).astype(np.uint8)).convert("HSV"))
        return np.concatenate(
            [
                _rooted(self._fine.responses(full)),
                _rooted(self._coarse.responses(half)),
                _rooted(_colours(hsv)),
                _rooted(self._pattern_histogram((grey * 255).astype(np.int16))),
                _composition(grey, hsv),
            ]
        ).astype(np.float32)

    def _pattern_histogram(self, grey: NDArray[np.int16]) -> _FloatArray:
        """How often each uniform pattern of eight neighbours occurs; all others share the last bin."""
        height, width = grey.shape
        centre = grey[1:-1, 1:-1] + 2  # two levels of noise are no texture
        codes = np.zeros(centre.shape, np.uint8)
        circle = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))
        for bit, (row, column) in enumerate(circle):
            brighter = grey[row : height - 2 + row, column : width - 2 + column] >= centre
            codes |= brighter.astype(np.uint8) << bit
        bins = int(self._patterns.max()) + 1
        return np.bincount(self._patterns[codes].ravel(), minlength=bins).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _FilterBank:
    """Random filters on whitened, contrast-normalised patches of opponent colours."""

    whitening: _FloatArray
    """(3 * 36, 3 * 36): patch to whitened coefficients."""
    filters: _FloatArray
    """(3 * 36, filters)."""
    stride: int

    @classmethod
    def random(cls, *, filters: int, stride: int, seed: int) -> _FilterBank:
        """A bank that is the same on every machine: PCG64's normal numbers are fixed by the seed."""
        order = np.arange(_PATCH)
        cosines = np.cos(np.pi * (order[None] + 0.5) * order[:, None] / _PATCH)
        cosines /= np.linalg.norm(cosines, axis=1, keepdims=True)
        basis = np.einsum("ui,vj->uvij", cosines, cosines).reshape(_PATCH**2, _PATCH**2)
        # amplitudes of photos fall as 1/frequency: multiplying by the frequency whitens them
        frequency = np.hypot(order[:, None], order[None]).reshape(-1)
        colour_frequency = 2 * frequency  # opponent colours vary about half as much as brightness
        colour_frequency[0] = 0.5  # a patch's colour counts, its brightness does not
        blocks = [basis.T * gain for gain in (frequency, colour_frequency, colour_frequency)]
        size = 3 * _PATCH**2
        whitening = np.zeros((size, size))
        for channel, block in enumerate(blocks):
            part = slice(channel * _PATCH**2, (channel + 1) * _PATCH**2)
            whitening[part, part] = block
        random = np.random.Generator(np.random.PCG64(seed)).standard_normal((size, filters))
        random *= np.sqrt(np.sqrt(size)) / np.linalg.norm(random, axis=0)
        return cls(whitening.astype(np.float32), random.astype(np.float32), stride)

    def responses(self, picture: _FloatArray) -> _FloatArray:
        """Mean positive and negative answers of each filter in each quadrant, (4 * 2 * filters,)."""
        opponent = picture @ _OPPONENT
        windows = np.lib.stride_tricks.sliding_window_view(opponent, (_PATCH, _PATCH), axis=(0, 1))
        windows = windows[:: self.stride, :: self.stride]
        rows, columns = windows.shape[:2]
        patches = windows.reshape(rows * columns, -1) @ self.whitening
        patches /= np.linalg.norm(patches, axis=1, keepdims=True) + _NORM_FLOOR
        answers = (patches @ self.filters).reshape(rows, columns, -1)
        pooled = []
        for half in (answers[: rows // 2], answers[rows // 2 :]):
            for quadrant in (half[:, : columns // 2], half[:, columns // 2 :]):
                pooled.append(np.maximum(quadrant - _THRESHOLD, 0).mean(axis=(0, 1)))
                pooled.append(np.maximum(-quadrant - _THRESHOLD, 0).mean(axis=(0, 1)))
        return np.concatenate(pooled)


_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""RGB to brightness (ITU-R BT.601, as Pillow's mode L)."""

_OPPONENT = np.array(
    [[3**-0.5, 2**-0.5, 6**-0.5], [3**-0.5, -(2**-0.5), 6**-0.5], [3**-0.5, 0, -2 * 6**-0.5]], np.float32
)
"""RGB to brightness, red against green, yellow against blue; orthonormal."""


def _colours(hsv: NDArray[np.uint8]) -> _FloatArray:
    """Joint histogram of 8 hues, 4 saturations and 4 brightnesses, (128,)."""
    hue, saturation, value = (hsv[..., channel].astype(np.int64) for channel in range(3))
    bins = (hue >> 5) * 16 + (saturation >> 6) * 4 + (value >> 6)
    return np.bincount(bins.ravel(), minlength=128).astype(np.float32)


def _composition(grey: _FloatArray, hsv: NDArray[np.uint8]) -> _FloatArray:
    """Where things lie: thirds of brightness, saturation and edges at three scales, spread and symmetry."""
    parts = [_thirds(grey) - 0.5, _thirds(hsv[..., 1].astype(np.float32) / 255) - 0.5]
    level = np.sqrt(grey)
    for _ in range(3):
        edges = np.hypot(level[1:-1, 2:] - level[1:-1, :-2], level[2:, 1:-1] - level[:-2, 1:-1])
        parts.append(np.log(_thirds(edges) + 0.005) / 4)
        parts.append(np.sqrt(np.quantile(edges, (0.1, 0.25, 0.5, 0.75, 0.9))))
        parts.append(np.array([np.sqrt((edges > limit).mean()) for limit in (0.02, 0.05, 0.1, 0.2)]))
        level = _halved(level[..., None])[..., 0]
    contrast = float(level.std()) + 0.02
    symmetries = [np.abs(level - mirrored).mean() / contrast / 2 for mirrored in (level[:, ::-1], level[::-1])]
    parts.append(np.array(symmetries))
    return np.concatenate(parts).astype(np.float32) / np.float32(4)


def _thirds(plane: NDArray[Any]) -> _FloatArray:
    """Means over the nine fields that lines at the thirds cut, row by row, (9,)."""
    fields = [field for row in np.array_split(plane, 3) for field in np.array_split(row, 3, axis=1)]
    return np.array([field.mean() for field in fields], np.float32)


def _halved(picture: _FloatArray) -> _FloatArray:
    """Half the size by averaging 2×2 pixels; (height, width, channels), both even."""
    height, width, channels = picture.shape
    halved: _FloatArray = picture.reshape(height // 2, 2, width // 2, 2, channels).mean(axis=(1, 3))
    return halved


def _rooted(counts: _FloatArray) -> _FloatArray:
    """Square roots, scaled to length 1: what makes histograms comparable for a linear model (Hellinger)."""
    roots = np.sqrt(counts)
    rooted: _FloatArray = roots / (np.linalg.norm(roots) + np.float32(1e-6))
    return rooted


def _uniform_patterns() -> NDArray[np.intp]:
    """For each of 256 patterns its bin: one each for those with at most two changes around the circle."""
    bins = np.empty(256, np.intp)
    uniform = [code for code in range(256) if _changes(code) <= 2]
    bins[:] = len(uniform)
    bins[uniform] = np.arange(len(uniform))
    return bins


def _changes(code: int) -> int:
    """How often neighbouring bits of an 8-bit circle differ."""
    rotated = (code >> 1) | ((code & 1) << 7)
    return (code ^ rotated).bit_count()
