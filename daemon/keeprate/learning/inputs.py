"""Put vectors and signals on one scale before a classifier reads them; the same way in training and in scoring.

Numpy only: the daemon scores with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

POWER: Final = 0.6
LENGTH_SHARE: Final = 0.5
"""What `tempered` does: the components of a vector to this power, signs kept, so that a few large ones do not drown the
rest (power normalisation, Perronnin et al., ECCV 2010), and the length of the result to this power: half way between a
vector and its direction. Measured in docs/decisions/0011."""

FEW_NEGATIVE: Final = 0.1
"""Vectors with no larger share of negative components than this are mostly what a rectifier let through, or histograms
(the built-in model: 0.04): those gain by tempering. Others (CLIP, SigLIP, DINOv2 …) are as good or better as they are:
docs/decisions/0011."""

LARGEST_RATIO: Final = 3.0
"""A component that varies more than this often as much as is usual is scaled down to it: some models have one that
dwarfs all. The others keep their proportions: how much a component varies says how much it means to the model."""

SIGNAL_LIMIT: Final = 4.0
"""Signals count up to this many deviations: a panorama is wide, but not so wide that nothing else matters."""


@dataclass(frozen=True, slots=True)
class InputScale:
    """Mean and scale of every input: the d components of a vector, then `signal_count` signals."""

    mean: npt.NDArray[np.float32]
    """(d + s,)"""
    scale: npt.NDArray[np.float32]
    """(d + s,) positive. Such that each of the two blocks of a row has about unit length for any model, and one list
    of penalties serves all of them."""
    signal_count: int
    tempered: bool
    """Whether vectors are tempered first."""

    def apply(
        self, vectors: npt.NDArray[np.float32], signals: npt.NDArray[np.float32] | None
    ) -> npt.NDArray[np.float32]:
        """(n, d) vectors and (n, s) signals (ignored if `signal_count` is 0) -> (n, d + s) scaled inputs.

        Raises ValueError if the widths are not those that the scale was made for.
        """
        width = len(self.mean) - self.signal_count
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise ValueError(f"expected vectors of {width} components, got an array of shape {vectors.shape}")
        if self.signal_count and (signals is None or signals.shape != (len(vectors), self.signal_count)):
            raise ValueError(f"expected {self.signal_count} signals for each of {len(vectors)} photos")
        scaled = np.empty((len(vectors), len(self.mean)), np.float32)
        scaled[:, :width] = temper(vectors) if self.tempered else vectors
        if self.signal_count:
            scaled[:, width:] = signals
        scaled -= self.mean
        scaled /= self.scale
        limit = SIGNAL_LIMIT / np.sqrt(max(1, self.signal_count))
        np.clip(scaled[:, width:], -limit, limit, out=scaled[:, width:])
        return scaled


def fit_input_scale(
    vectors: npt.NDArray[np.float32], signals: npt.NDArray[np.float32] | None, *, tempered: bool = True
) -> InputScale:
    """Measure the scale on (n, d) vectors and (n, s) signals or None; constant inputs count for nothing.

    Give it all photos at hand: those of the library that have no label, and in a cross-validation those held out. No
    label goes in. Raises ValueError if a value is not finite.
    """
    if not np.isfinite(vectors).all() or (signals is not None and not np.isfinite(signals).all()):
        raise ValueError("a vector or signal that the scale is measured on is not finite")
    mean, deviation = _moments(temper(vectors) if tempered else vectors)
    usual = float(deviation[deviation > 0].mean()) if deviation.any() else 1.0
    shrinking = np.maximum(1.0, deviation / (LARGEST_RATIO * usual))
    length = float(np.sqrt(((deviation / shrinking) ** 2).sum())) or 1.0
    scale = length * shrinking
    if signals is None:
        return InputScale(mean.astype(np.float32), scale.astype(np.float32), 0, tempered)
    signal_mean, signal_deviation = _moments(signals)
    signal_scale = np.where(signal_deviation > 0, signal_deviation, 1.0) * np.sqrt(signals.shape[1])
    return InputScale(
        np.concatenate([mean, signal_mean]).astype(np.float32),
        np.concatenate([scale, signal_scale]).astype(np.float32),
        signals.shape[1],
        tempered,
    )


def worth_tempering(vectors: npt.NDArray[np.float32]) -> bool:
    """Whether (n, d) vectors are of the kind that `temper` helps: hardly any component is negative."""
    return float((vectors < 0).mean()) <= FEW_NEGATIVE


def temper(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(n, d) -> (n, d): see `POWER`. A vector of zeros stays one."""
    tempered: npt.NDArray[np.float32] = np.copysign(np.abs(vectors) ** np.float32(POWER), vectors)
    lengths = np.sqrt(np.einsum("ij,ij->i", tempered, tempered))[:, np.newaxis]
    tempered /= np.where(lengths > 0, lengths, 1) ** np.float32(LENGTH_SHARE)
    return tempered


def _moments(matrix: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and deviation of each column; a deviation that is only float32 rounding becomes exactly 0."""
    mean = matrix.mean(axis=0, dtype=np.float64)
    deviation = matrix.std(axis=0, dtype=np.float64)
    deviation[deviation <= 1e-6 * np.abs(mean)] = 0.0
    return mean, deviation
