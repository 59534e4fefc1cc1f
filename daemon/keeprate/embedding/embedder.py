"""What an embedder is, and how one is loaded.

An embedder turns pictures into vectors. This module knows the backends by name only: each is imported inside
`load_embedder`, so that torch is loaded by nobody who does not ask for it. A further backend is a module with
a class that satisfies `Embedder`, and one more branch below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from keeprate.errors import ModelError

if TYPE_CHECKING:  # what an embedder is called is asked where no decoder should be loaded
    from PIL import Image

BUILTIN = "builtin"
"""The path of the embedder that needs no download."""

Pixels = NDArray[np.uint8]
"""One prepared picture: (height, width, 3), RGB."""

Vectors = NDArray[np.float32]
"""(pictures, dimension)."""


class Embedder(Protocol):
    """Turns pictures into vectors. Both methods are called from several threads at once."""

    @property
    def dimension(self) -> int:
        """Length of the vectors."""

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits: equal between runs and machines as long as the vectors are comparable.

        Covers weights, preprocessing, pooling and the class of precision. Floating-point precisions are one
        class, for their vectors agree to a cosine of 0.9995 and may be mixed; quantised weights would be
        another.
        """

    @property
    def shortest_edge(self) -> int:
        """To what shortest edge pictures are resized, in pixels: tells the decoder how small it may decode."""

    @property
    def device(self) -> str:
        """Where it computes: `cpu`, `cuda:0`, `mps`."""

    @property
    def precision(self) -> str:
        """What it computes in: `float32`, `bfloat16`, `float16`."""

    @property
    def concurrent(self) -> bool:
        """True: call `embed` from one thread per core (CPU). False: from one thread, fed by decoders (GPU)."""

    def prepare(self, image: Image.Image) -> Pixels:
        """Resize and crop one upright RGB picture to what the model looks at."""

    def embed(self, pixels: Sequence[Pixels]) -> Vectors:
        """The vectors of prepared pictures, in their order. A picture's vector does not depend on the others.

        Raises:
            ModelError: the model does not give one vector a picture.
        """


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which model to load."""

    name: str
    """What the user calls it; only for messages."""
    path: str
    """A Hugging Face id, a local folder (`~` is expanded), or `builtin`."""
    embed_dim: int | None = None
    """The length that vectors must have; None takes what the model gives."""
    revision: str | None = None
    """Branch, tag or commit on the hub; None is `main`."""


def load_embedder(spec: ModelSpec, *, device: str = "auto", precision: str = "auto", threads: int = 1) -> Embedder:
    """Load a model, ready to embed. Takes 0 s for the built-in one, 3–5 s and 0.5–1 GB for others.

    Args:
        spec: which model.
        device: `auto` (CUDA, else MPS, else CPU), or a torch device such as `cpu`, `cuda`, `cuda:1`.
        precision: `auto`, `float32`, `bfloat16` or `float16`; the built-in embedder always uses float32.
        threads: CPU threads that one call of `embed` may use where the embedder is not concurrent.

    Raises:
        ModelError: there is no such model, it cannot be loaded, it is no image model, or its vectors do not
            have `spec.embed_dim` numbers. `what` and `advice` are for people.
    """
    embedder: Embedder
    if spec.path == BUILTIN:
        from keeprate.embedding.builtin import BuiltinEmbedder

        embedder = BuiltinEmbedder()
    else:
        from keeprate.embedding.transformers_backend import load_transformers_embedder

        embedder = load_transformers_embedder(spec, device=device, precision=precision, threads=threads)
    if spec.embed_dim is not None and spec.embed_dim != embedder.dimension:
        raise ModelError(
            f"the model {spec.name} ({spec.path}) gives vectors of {embedder.dimension} numbers, "
            f"but is registered with {spec.embed_dim}",
            advice=f"Remove it and add it again with --dim {embedder.dimension}.",
        )
    return embedder
