"""Recognise near-duplicates: bursts, resized and re-compressed copies look alike to a perceptual hash."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # hashes are compared where no decoder should be loaded
    from PIL import Image

_EDGE = 32
_KEPT = 8
_BITS = 64
_MASK = (1 << _BITS) - 1


def perceptual_hash(image: Image.Image) -> int:
    """64 bits of how a picture looks, as an integer from −2⁶³ to 2⁶³−1 (what SQLite's INTEGER holds).

    The lowest 8×8 frequencies of a cosine transform of 32×32 grey pixels, each compared with their median
    without the constant one (pHash; Zauner, "Implementation and Benchmarking of Perceptual Image Hash
    Functions", 2010). Copies that were resized or re-compressed differ in about 0–6 bits, unrelated photos in
    about 32. A flat picture, in which no frequency stands out, has the hash 0.
    """
    from PIL import Image

    small = image.resize((_EDGE, _EDGE), Image.Resampling.BOX, reducing_gap=2.0)
    grey = np.asarray(small.convert("L"), np.float64)
    basis = _cosines()
    lowest = (basis @ grey @ basis.T).round(6)  # rounding: what is zero but for arithmetic must not be a bit
    bits = lowest > np.median(lowest.ravel()[1:])
    bits[0, 0] = False  # mere brightness
    value = int.from_bytes(np.packbits(bits).tobytes(), "big")
    return value - (1 << _BITS) if value >> (_BITS - 1) else value


def hamming_distance(one: int, other: int) -> int:
    """In how many of 64 bits two hashes differ; 0–64."""
    return ((one ^ other) & _MASK).bit_count()


@lru_cache(maxsize=1)
def _cosines() -> NDArray[np.float64]:
    """The first 8 rows of the orthonormal DCT-II matrix for 32 samples, shape (8, 32)."""
    samples = np.arange(_EDGE)
    rows = np.cos(np.pi * np.outer(np.arange(_KEPT), 2 * samples + 1) / (2 * _EDGE)) * np.sqrt(2 / _EDGE)
    rows[0] /= np.sqrt(2)
    return np.asarray(rows)
