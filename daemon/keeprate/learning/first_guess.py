"""An order for photos where nothing has been learned yet: sharp, well exposed and not a worse copy comes first.

A guess, and meant to look like one: scores stay near the middle, they are never a label, never trained on, and a
learned score replaces them at once. What people keep is not what is sharp; but of photos that nobody has looked at, the
blurred and the burnt out are the ones to look at last.

The signals are those of version 1 of `keeprate.pictures.signals`; who calls passes them by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

SPREAD: Final = 0.3
"""Scores lie within 0.5 ± this."""
WORSE_COPY: Final = 0.15
"""So much lower is every photo of a near-duplicate group but its best."""
HASH_DISTANCE: Final = 6
"""Of 64 bits: copies and frames of a burst differ by no more (`learning.groups`)."""
NEIGHBOURS: Final = 8
"""Bursts are neighbours by name: a photo is compared with so many that follow it."""


@dataclass(frozen=True, slots=True)
class MeasuredPhotos:
    """What was measured on n photos, in the order of their paths; each array (n,), units as in `pictures.signals`."""

    sharpness: npt.NDArray[np.floating]
    brightness: npt.NDArray[np.floating]
    contrast: npt.NDArray[np.floating]
    shadow_clipping: npt.NDArray[np.floating]
    highlight_clipping: npt.NDArray[np.floating]
    noise: npt.NDArray[np.floating]
    perceptual_hashes: npt.NDArray[np.int64]


def first_guess(photos: MeasuredPhotos) -> npt.NDArray[np.float64]:
    """(n,) scores from 0.2 (look at it last) to 0.8, about 0.5 for an ordinary photo."""
    scores = 0.5 + SPREAD * np.tanh(_quality(photos))
    groups = _near_duplicates(photos.perceptual_hashes.view(np.uint64))
    best_first = np.lexsort((-scores, groups))
    worse = np.append(False, groups[best_first][1:] == groups[best_first][:-1])
    scores[best_first[worse]] -= WORSE_COPY
    guessed: npt.NDArray[np.float64] = np.clip(scores, 0.5 - SPREAD, 0.5 + SPREAD)
    return guessed


def _quality(photos: MeasuredPhotos) -> npt.NDArray[np.float64]:
    """About 0 for an ordinary photo. The numbers are quartiles and 5 % tails of a thousand photos of many people
    (sharpness 5.6, brightness 0.47, contrast 0.22; hardly any clips more than 5 %), not the outcome of a fit.
    """
    sharp = np.tanh((photos.sharpness.astype(np.float64) - 5.6) / 1.5)
    too_dark_or_bright = np.maximum(np.abs(photos.brightness - 0.47) - 0.1, 0.0)
    clipped = np.maximum(photos.highlight_clipping - 0.02, 0.0) + np.maximum(photos.shadow_clipping - 0.05, 0.0)
    flat = np.maximum(0.2 - photos.contrast, 0.0)
    grain = np.minimum(photos.noise, 8.0) / 8.0
    quality: npt.NDArray[np.float64] = (
        0.1 + 0.7 * sharp - 2.5 * too_dark_or_bright - 3.0 * np.minimum(clipped, 0.5) - 2.0 * flat - 0.2 * grain
    )
    return quality


def _near_duplicates(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.intp]:
    """(n,) group numbers: equal hashes anywhere, nearly equal ones among neighbours. A flat picture (hash 0) is like
    no other. Linear in n: this is for the order of a first look, not for honest splits.
    """
    count = len(hashes)
    parent = np.arange(count)

    def root(photo: int) -> int:
        while parent[photo] != photo:
            parent[photo] = parent[parent[photo]]
            photo = int(parent[photo])
        return photo

    def join(one: int, other: int) -> None:
        a, b = root(one), root(other)
        parent[max(a, b)] = min(a, b)

    shaped = hashes != 0
    by_hash = np.argsort(hashes, kind="stable")
    equal = np.flatnonzero((hashes[by_hash][1:] == hashes[by_hash][:-1]) & shaped[by_hash][1:])
    for position in equal.tolist():
        join(int(by_hash[position]), int(by_hash[position + 1]))
    for step in range(1, min(NEIGHBOURS, count - 1) + 1):
        alike = (np.bitwise_count(hashes[step:] ^ hashes[:-step]) <= HASH_DISTANCE) & shaped[step:] & shaped[:-step]
        for position in np.flatnonzero(alike).tolist():
            join(position, position + step)
    return np.array([root(photo) for photo in range(count)], dtype=np.intp)
