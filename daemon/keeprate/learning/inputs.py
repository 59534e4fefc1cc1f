"""Put vectors and signals on one scale before a linear model reads them; the same way in training and in
scoring.

Numpy only: the daemon scores with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

SHRINKAGE: Final = 100.0
"""How many photos' worth of trust the common scale of a vector's components gets against each one's own.

With ten labelled photos a component's own deviation is mostly chance, and dividing by it throws away what the model
knows about which components matter: measured with ten labels, ROC AUC 0.92 with the usual standardisation and 0.96 with
this on hot dogs, 0.95 and 0.997 on dogs and cats. With thousands of photos the two are the same.
"""

SIGNAL_LIMIT: Final = 4.0
"""Signals count up to this many deviations: a panorama is wide, but not so wide that nothing else matters."""


@dataclass(frozen=True, slots=True)
class InputScale:
    """Mean and scale of every input: the d components of a vector, then `signal_count` signals."""

    mean: npt.NDArray[np.float32]
    """(d + s,)"""
    scale: npt.NDArray[np.float32]
    """(d + s,) positive. Contains the square root of the block's width, so that a row has about unit length
    for any model and one list of penalties serves all of them."""
    signal_count: int

    def apply(
        self, vectors: npt.NDArray[np.float32], signals: npt.NDArray[np.float32] | None
    ) -> npt.NDArray[np.float32]:
        """(n, d) vectors and (n, s) signals (ignored if `signal_count` is 0) -> (n, d + s) scaled inputs.

        Raises ValueError if the widths are not those that the scale was made for.
        """
        width = len(self.mean) - self.signal_count
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise ValueError(f"expected vectors of {width} components, got an array of shape {vectors.shape}")
        if not self.signal_count:
            return ((vectors - self.mean) / self.scale).astype(np.float32, copy=False)
        if signals is None or signals.shape != (len(vectors), self.signal_count):
            raise ValueError(f"expected {self.signal_count} signals for each of {len(vectors)} photos")
        scaled = ((np.hstack([vectors, signals]) - self.mean) / self.scale).astype(np.float32, copy=False)
        limit = SIGNAL_LIMIT / np.sqrt(self.signal_count)
        np.clip(scaled[:, width:], -limit, limit, out=scaled[:, width:])
        return scaled


def fit_input_scale(vectors: npt.NDArray[np.float32], signals: npt.NDArray[np.float32] | None) -> InputScale:
    """Measure the scale on (n, d) vectors and (n, s) signals or None; constant inputs count for nothing.

    In a cross-validation all photos may be used, held-out ones too: no label goes in.
    """
    mean, variance = _moments(vectors)
    common = np.sqrt(variance).mean() ** 2  # not the mean variance: some models have one component that dwarfs all
    shrunk = (len(vectors) * variance + SHRINKAGE * common) / (len(vectors) + SHRINKAGE)
    scale = _scale(shrunk)
    if signals is None:
        return InputScale(mean.astype(np.float32), scale, 0)
    signal_mean, signal_variance = _moments(signals)
    return InputScale(
        np.concatenate([mean, signal_mean]).astype(np.float32),
        np.concatenate([scale, _scale(signal_variance)]),
        signals.shape[1],
    )


def _moments(matrix: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and variance of each column; a variance that is only float32 rounding becomes exactly 0."""
    mean = matrix.mean(axis=0, dtype=np.float64)
    deviation = matrix.std(axis=0, dtype=np.float64)
    deviation[deviation <= 1e-6 * np.abs(mean)] = 0.0
    return mean, deviation**2


def _scale(variance: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    deviation = np.where(variance > 0, np.sqrt(variance), 1.0)
    scale: npt.NDArray[np.float32] = (deviation * np.sqrt(len(variance))).astype(np.float32)
    return scale
