"""Order photos that are nearly the same: which of them is the one to keep?

What a head has learned says what this person keeps; it was not made to tell two frames of one scene apart. There,
technical quality decides: sharpness, noise, exposure, compression, size. Each photo gets one number, a sum of terms in
log-odds of "this is the untouched one"; only differences within a group mean anything.

The weights are those of a logistic regression, rounded, on pairs of 80 photos (flowers, scenes) and copies of them
that were blurred, cropped, made darker or brighter, compressed or noisy; each term was only allowed to count in the
direction that its text gives. `bench/bursts.py` measures them on other photos and on other kinds of copies.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

WEIGHTS: Final = {
    "sharpness": 5.0,  # detail against contrast: more light is no more sharpness
    "contrast": 4.0,  # below what a normally exposed picture has
    "light": 17.0,  # how much of the range is left unused at the bright end
    "brightness": 7.0,  # above middle grey
    "highlights": 9.0,  # burnt out
    "noise": 2.8,
    "blocks": 6.7,  # of compression, visible ones
    "compression": 9.6,  # coarser than anybody would choose for a photo
    "resolution": 20.0,  # pixels that are gone do not come back
    "detail": 3.0,  # bytes for the same size and compression: detail that is finer than what was measured
    "head": 0.3,  # it says what is kept, and differs by chance between frames
}
"""Log-odds for each unit of a term; all terms say more where better."""
NORMAL_CONTRAST: Final = 6.0
"""log2(1 + standard deviation of 63 grey levels)."""
UNUSED: Final = 0.1
MIDDLE: Final = 0.5
VISIBLE_BLOCKS: Final = 0.15
COARSE: Final = 40.0
"""Mean step of the luminance table: that of libjpeg's quality 65."""
COARSEST: Final = 1.5
SAME_STEP: Final = 0.02
MOST_OF_HEAD: Final = 4.0
"""Differences of the head's log-odds beyond this are content, not quality."""
REASONS: Final = {
    "sharpness": "less sharp", "contrast": "flatter", "light": "darker", "brightness": "too bright",
    "highlights": "burnt out", "noise": "noisier", "blocks": "compressed", "compression": "compressed",
    "resolution": "fewer pixels", "detail": "less fine detail", "head": "liked less by the head",
}  # fmt: skip
NOTICED: Final = 1.0
"""Log-odds from which a term is told as a reason."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """n photos of any number of groups."""

    groups: npt.NDArray[np.intp]
    """Equal numbers: one group."""
    technical: npt.NDArray[np.float32]
    """(n, t) in the order of `pictures.technical.TECHNICAL_NAMES`."""
    quantisation: Floats
    """Mean step of a JPEG's luminance table, NaN where there is none."""
    pixels: Floats
    """Of the full picture."""
    sizes: Floats
    """Bytes of the file."""
    scores: Floats
    """Probability of the head's first bucket, 0–1; NaN where there is no score."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a photo stands in its group."""

    position: int
    """1 is the best."""
    behind: float
    """Log-odds by which it is behind the best; 0 for the best."""
    reasons: tuple[str, ...]
    """Why it is, the gravest first; empty for the best, and where it is too close to say."""


def rank(photos: Candidates, names: Sequence[str]) -> list[Standing]:
    """The standing of each photo in its group; `names` are those of the columns of `technical`.

    Ties go to the photo that comes first.
    """
    terms = _terms(photos, names)
    values = np.sum(list(terms.values()), axis=0)
    order = np.lexsort((np.arange(len(values)), -values, photos.groups))
    standings: list[Standing | None] = [None] * len(values)
    best = position = -1
    for row in order.tolist():
        if position < 0 or photos.groups[row] != photos.groups[best]:
            best, position = row, 0
        position += 1
        standings[row] = Standing(position, float(values[best] - values[row]), _reasons(terms, row, best))
    return [standing for standing in standings if standing is not None]


def _terms(photos: Candidates, names: Sequence[str]) -> dict[str, Floats]:
    """Each (n,) in log-odds."""
    measured = dict(zip(names, photos.technical.T.astype(np.float64), strict=True))
    step = np.nan_to_num(photos.quantisation, nan=1.0)
    values = {
        "sharpness": measured["detail"] - measured["contrast"],
        "contrast": -np.maximum(0.0, NORMAL_CONTRAST - measured["contrast"]),
        "light": -np.maximum(0.0, measured["headroom"] - UNUSED),
        "brightness": -np.maximum(0.0, np.log2(np.maximum(measured["brightness"], 0.01) / MIDDLE)),
        "highlights": -np.sqrt(measured["blown"]),
        "noise": -measured["noise"],
        "blocks": -np.maximum(0.0, measured["blockiness"] - VISIBLE_BLOCKS),
        "compression": -np.clip(np.log2(np.maximum(step, 1.0) / COARSE), 0.0, COARSEST),
        "resolution": np.log2(np.maximum(photos.pixels, 1.0)),
        "detail": _fine_detail(photos),
        "head": _head(photos),
    }
    return {name: WEIGHTS[name] * value for name, value in values.items()}


def _fine_detail(photos: Candidates) -> Floats:
    """log2 of the bytes, in groups whose photos have one size and one compression: there, bytes are detail.

    It shows what is lost at full size and cannot be seen in a picture that was decoded at an eighth of it.
    """
    bytes_ = np.log2(np.maximum(photos.sizes, 1.0))
    step = np.log2(np.maximum(photos.quantisation, 1.0))
    pixels = np.log2(np.maximum(photos.pixels, 1.0))
    even = (_spread(step, photos.groups) <= SAME_STEP) & (_spread(pixels, photos.groups) <= SAME_STEP)
    return np.where(even, bytes_, 0.0)


def _spread(values: Floats, groups: npt.NDArray[np.intp]) -> Floats:
    """(n,) largest less smallest value of the photo's group; infinite if one is NaN."""
    numbers = np.unique(groups, return_inverse=True)[1]
    low, high = np.full(numbers.max(initial=0) + 1, np.inf), np.full(numbers.max(initial=0) + 1, -np.inf)
    np.minimum.at(low, numbers, np.where(np.isnan(values), -np.inf, values))
    np.maximum.at(high, numbers, np.where(np.isnan(values), np.inf, values))
    spread: Floats = (high - low)[numbers]
    return spread


def _head(photos: Candidates) -> Floats:
    """Log-odds by the head, against the mean of the group; 0 for a group in which one has no score."""
    clipped = np.clip(photos.scores, 1e-4, 1 - 1e-4)
    log_odds = np.log(clipped / (1 - clipped))
    numbers = np.unique(photos.groups, return_inverse=True)[1]
    means = np.bincount(numbers, log_odds) / np.bincount(numbers)
    return np.clip(np.nan_to_num(log_odds - means[numbers]), -MOST_OF_HEAD, MOST_OF_HEAD)


def _reasons(terms: dict[str, Floats], row: int, best: int) -> tuple[str, ...]:
    lost = {name: float(values[best] - values[row]) for name, values in terms.items()}
    gravest = sorted((name for name in lost if lost[name] >= NOTICED), key=lambda name: -lost[name])
    return tuple(dict.fromkeys(REASONS[name] for name in gravest))
