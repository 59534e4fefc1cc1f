"""Classifiers as a head carries them: what turns scaled inputs into logits, and the tensors that a file holds.

Numpy only: the daemon scores with them. How they are fitted is not their business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

MOST_LAYERS: Final = 16
ROWS_AT_A_TIME: Final = 8192
"""Hidden layers of more rows than this would cost memory and be no faster."""


@dataclass(frozen=True, slots=True)
class LinearClassifier:
    """`inputs @ weights + bias`. Raises ValueError if the parts do not fit or hold values that are not finite."""

    kind: ClassVar[str] = "logistic"
    weights: npt.NDArray[np.float32]
    """(w, k)"""
    bias: npt.NDArray[np.float32]
    """(k,)"""

    def __post_init__(self) -> None:
        _check_layer("", self.weights, self.bias)

    @property
    def input_width(self) -> int:
        return len(self.weights)

    @property
    def bucket_count(self) -> int:
        return len(self.bias)

    def logits(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(n, w) -> (n, k)"""
        logits: npt.NDArray[np.float64] = (inputs @ self.weights + self.bias).astype(np.float64)
        return logits

    def tensors(self) -> dict[str, npt.NDArray[np.float32]]:
        """By name, as `from_tensors` takes them."""
        return {"weights": self.weights, "bias": self.bias}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[Any]]) -> LinearClassifier:
        """Raises KeyError for a tensor that is missing, ValueError as the class does."""
        return cls(tensors["weights"], tensors["bias"])


@dataclass(frozen=True, slots=True)
class MlpClassifier:
    """Layers `inputs @ weights + bias` with ReLU between them.

    The last layer is k wide, or 1 wide for two buckets: then it gives the log odds of the head's *first* bucket.
    Raises ValueError if the layers do not fit together or hold values that are not finite.
    """

    kind: ClassVar[str] = "mlp"
    weights: tuple[npt.NDArray[np.float32], ...]
    """(in, out) of each layer, from the inputs on."""
    biases: tuple[npt.NDArray[np.float32], ...]
    """(out,) of each layer."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.weights) <= MOST_LAYERS or len(self.biases) != len(self.weights):
            raise ValueError(f"{len(self.weights)} layers of weights and {len(self.biases)} of biases")
        for layer, (weights, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            _check_layer(f" of layer {layer}", weights, bias)
            if layer and weights.shape[0] != self.weights[layer - 1].shape[1]:
                raise ValueError(f"layer {layer} takes {weights.shape[0]} values, not what the one before it gives")

    @property
    def input_width(self) -> int:
        return len(self.weights[0])

    @property
    def bucket_count(self) -> int:
        return max(2, len(self.biases[-1]))

    def logits(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(n, w) -> (n, k); of a single output z, the two columns are z/2 and −z/2, whose softmax is its sigmoid."""
        blocks = [
            self._block(inputs[first : first + ROWS_AT_A_TIME]) for first in range(0, len(inputs), ROWS_AT_A_TIME)
        ]
        logits = np.concatenate(blocks) if blocks else self._block(inputs)
        return np.hstack([logits / 2, -logits / 2]) if logits.shape[1] == 1 else logits

    def _block(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        hidden = inputs
        for weights, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = np.maximum(hidden @ weights + bias, 0.0, dtype=np.float32)
        logits: npt.NDArray[np.float64] = (hidden @ self.weights[-1] + self.biases[-1]).astype(np.float64)
        return logits

    def tensors(self) -> dict[str, npt.NDArray[np.float32]]:
        """By name, as `from_tensors` takes them."""
        named = {f"weights.{layer}": weights for layer, weights in enumerate(self.weights)}
        return named | {f"bias.{layer}": bias for layer, bias in enumerate(self.biases)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[Any]]) -> MlpClassifier:
        """Raises KeyError for a tensor that is missing, ValueError as the class does."""
        layers = range(sum(name.startswith("weights.") for name in tensors))
        return cls(
            tuple(tensors[f"weights.{layer}"] for layer in layers),
            tuple(tensors[f"bias.{layer}"] for layer in layers),
        )


Classifier = LinearClassifier | MlpClassifier

_KINDS: Final[dict[str, type[LinearClassifier] | type[MlpClassifier]]] = {
    kind.kind: kind for kind in (LinearClassifier, MlpClassifier)
}


def classifier_from_tensors(kind: str, tensors: Mapping[str, npt.NDArray[Any]]) -> Classifier:
    """The classifier that `tensors()` of one of this kind described.

    Raises ValueError if the kind is unknown or the tensors do not fit, KeyError if one is missing.
    """
    if kind not in _KINDS:
        raise ValueError(f"unknown kind of head {kind!r}")
    return _KINDS[kind].from_tensors(tensors)


def _check_layer(where: str, weights: npt.NDArray[Any], bias: npt.NDArray[Any]) -> None:
    for name, array, dimensions in (("weights", weights, 2), ("bias", bias, 1)):
        if array.dtype != np.float32 or array.ndim != dimensions:
            raise ValueError(f"{name}{where} is {array.dtype} of shape {array.shape} instead of float32")
        if not np.isfinite(array).all():
            raise ValueError(f"{name}{where} holds values that are not finite")
    if weights.shape[1] != len(bias) or not weights.size:
        raise ValueError(f"weights{where} is {weights.shape} with a bias of {len(bias)}")
