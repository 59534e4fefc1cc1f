"""What capture times tell: which frames follow each other, which clocks stand still, what is a time lapse.

Pure.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

NEIGHBOURS: Final = 4
"""Following frames that each frame is compared with."""
MOST_AT_ONCE: Final = 100
"""No camera takes more within one tick of its clock: where more photos share a time, the clock stands still."""
LAPSE_FRAMES: Final = 60
LAPSE_S: Final = 50.0
STEADY_S: Final = 1.0
"""Clocks of whole seconds show a pause of 2.5 s as 2 or 3."""
LONGEST_LAPSE_PAUSE_S: Final = 15.0
"""Frames further apart are compared only where they look like copies."""

Indices = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def believable(taken_at: Floats, cameras: Indices) -> Floats:
    """The times (n,) in seconds, NaN for those that too many photos of one camera share."""
    pairs = np.stack([cameras.astype(np.float64), np.nan_to_num(taken_at, nan=-np.inf)], axis=1)
    _, which, counts = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    return np.where(counts[which.reshape(-1)] > MOST_AT_ONCE, np.nan, taken_at)


def time_lapses(taken_at: Floats, cameras: Indices) -> Flags:
    """(n,) whether a frame is one of sixty and more that one camera took at one steady pace, for most of a minute.

    Nobody does so by hand. How the frames look does not count: what a time lapse shows may change.
    """
    found = np.zeros(len(taken_at), bool)
    order = _in_order(taken_at, cameras)
    if len(order) < LAPSE_FRAMES:
        return found
    pauses = np.where(np.diff(cameras[order]) == 0, np.diff(taken_at[order]), np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(pauses, LAPSE_FRAMES - 1)
    longest, shortest = windows.max(axis=1), windows.min(axis=1)
    steady = (longest <= LONGEST_LAPSE_PAUSE_S) & (longest <= shortest + STEADY_S) & (windows.sum(axis=1) >= LAPSE_S)
    for offset in range(LAPSE_FRAMES):
        found[order[offset : offset + len(steady)][steady]] = True
    return found


def neighbours(taken_at: Floats, cameras: Indices, gap_s: float) -> Indices:
    """Pairs (m, 2) of each frame with the next few by the same camera, at most `gap_s` later."""
    order = _in_order(taken_at, cameras)
    pairs = [np.empty((0, 2), np.intp)]
    for step in range(1, NEIGHBOURS + 1):
        before, after = order[:-step], order[step:]
        near = (cameras[before] == cameras[after]) & (taken_at[after] - taken_at[before] <= gap_s)
        pairs.append(np.stack([before[near], after[near]], axis=1))
    return np.concatenate(pairs)


def _in_order(taken_at: Floats, cameras: Indices) -> Indices:
    """Rows with a time, camera by camera."""
    known = np.flatnonzero(~np.isnan(taken_at))
    ordered: Indices = known[np.lexsort((taken_at[known], cameras[known]))]
    return ordered
