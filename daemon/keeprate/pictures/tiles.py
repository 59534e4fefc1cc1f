"""Measuring a picture tile by tile, so that a sharp subject or a calm sky is seen beside the rest."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_NOISE_SCALE = math.sqrt(math.pi / 2) / 6


def tile_means(values: NDArray[np.float32], per_edge: int) -> NDArray[np.float32]:
    """The mean of each of `per_edge`² tiles (fewer if the picture is too small for them), flat."""
    rows, columns = (np.linspace(0, edge, min(per_edge, edge) + 1).astype(int)[:-1] for edge in values.shape)
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
    counts = np.outer(np.diff([*rows, values.shape[0]]), np.diff([*columns, values.shape[1]]))
    means: NDArray[np.float32] = (sums / counts).ravel()
    return means


def noise(grey: NDArray[np.float32], per_edge: int) -> float:
    """Standard deviation of noise in grey levels, in the calmest quarter of the tiles.

    Immerkær's mask ("Fast noise variance estimation", 1996) is the difference of two Laplacians: blind to edges, not to
    noise.
    """
    across = grey[:, 2:] - 2 * grey[:, 1:-1] + grey[:, :-2]
    if min(across.shape) < 3:
        return 0.0
    mask = across[2:] - 2 * across[1:-1] + across[:-2]
    tiles = np.sort(tile_means(np.abs(mask), per_edge))
    return float(_NOISE_SCALE * tiles[: max(1, tiles.size // 4)].mean())
