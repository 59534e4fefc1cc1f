"""An embedder that embeds nothing: for photos that have a vector already and only need to be looked at.

Vectors that were imported come without signals, size and perceptual hash. One decode gives those; no model is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from keeprate.embedding.embedder import Pixels, Vectors


class LookingOnly:
    """Satisfies `Embedder` with vectors of no numbers, which the catalog does not store."""

    dimension = 0
    fingerprint = ""
    shortest_edge = 224
    """What most models look at, so that signals are measured on pictures decoded alike."""
    device = "cpu"
    precision = "float32"
    concurrent = True

    def prepare(self, image: Image.Image) -> Pixels:  # noqa: ARG002 -- as `Embedder` has it
        return np.empty((0, 0, 3), np.uint8)

    def embed(self, pixels: Sequence[Pixels]) -> Vectors:
        return np.empty((len(pixels), 0), np.float32)
