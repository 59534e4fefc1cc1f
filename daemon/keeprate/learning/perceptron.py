"""Train headmaster's network (256 and 128 hidden units, dropout) in numpy, so that it needs no torch.

It reads the leading principal directions of the inputs, which is where all that it could learn from some hundreds of
labels lies, and a third of the work. The result is an ordinary `MlpClassifier` over the inputs. For the worker only.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from keeprate.learning.calibration import softmax
from keeprate.learning.classifiers import MlpClassifier
from keeprate.learning.logistic import Rotation

Matrix = npt.NDArray[np.float32]

HIDDEN: Final = (256, 128)
DROPOUT: Final = (0.3, 0.2)
DIRECTIONS: Final = 128
EPOCHS: Final = 30
BATCH: Final = 64
LEARNING_RATE: Final = 1e-3
DECAYS: Final = (0.9, 0.999)
"""Of Adam's two averages (Kingma & Ba, ICLR 2015)."""


@dataclass(frozen=True, slots=True)
class Networks:
    """Several networks over one rotation, as `logistic.Fits` are several linear models."""

    networks: tuple[MlpClassifier, ...]

    def logits(self, coordinates: Matrix) -> npt.NDArray[np.float64]:
        """(n, r) -> (n, m, k): what every network says about every row."""
        leading = np.ascontiguousarray(coordinates[:, : self.networks[0].input_width])
        return np.stack([network.logits(leading) for network in self.networks], axis=1)

    def over_inputs(self, model: int, directions: Matrix) -> MlpClassifier:
        """One of them, rewritten to read the inputs that `directions` (w, r) rotated."""
        network = self.networks[model]
        first = directions[:, : network.input_width] @ network.weights[0]
        return MlpClassifier((first, *network.weights[1:]), network.biases)


def fit(
    rotation: Rotation,
    bucket_indices: npt.NDArray[np.intp],
    bucket_count: int,
    sample_weights: npt.NDArray[np.float64],
    *,
    seed: int,
) -> Networks:
    """One network for each column of `sample_weights` (n, m); 0 leaves a photo out. Deterministic for a seed."""
    inputs = np.ascontiguousarray(rotation.coordinates[:, :DIRECTIONS])
    # Headmaster feeds vectors as they are, whose components are of the order of 1; rows here have unit length.
    unit = np.float32(1.0 / max(1e-12, float(inputs.std())))
    truth = np.eye(bucket_count, dtype=np.float32)[bucket_indices]
    networks: list[MlpClassifier] = []
    for column in sample_weights.T:
        taught = np.flatnonzero(column)
        weights = (column[taught] / column[taught].mean()).astype(np.float32)
        layers = _train(inputs[taught] * unit, truth[taught], weights, np.random.default_rng([seed, len(networks)]))
        networks.append(MlpClassifier((layers[0] * unit, *layers[2::2]), tuple(layers[1::2])))
    return Networks(tuple(networks))


def _train(inputs: Matrix, truth: Matrix, weights: Matrix, generator: np.random.Generator) -> list[Matrix]:
    """Weights and bias of each layer in turn."""
    widths = (inputs.shape[1], *HIDDEN, truth.shape[1])
    layers: list[Matrix] = []
    for before, after in pairwise(widths):  # torch's initialisation
        bound = 1 / np.sqrt(before)
        layers += [generator.uniform(-bound, bound, shape).astype(np.float32) for shape in ((before, after), (after,))]
    averages = [(np.zeros_like(layer), np.zeros_like(layer)) for layer in layers]
    step = 0
    for _ in range(EPOCHS):
        order = generator.permutation(len(inputs))
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            step += 1
            gradients = _gradients(layers, inputs[batch], truth[batch], weights[batch], generator)
            for layer, gradient, (mean, square) in zip(layers, gradients, averages, strict=True):
                mean += (1 - DECAYS[0]) * (gradient - mean)
                square += (1 - DECAYS[1]) * (gradient * gradient - square)
                rate = LEARNING_RATE * np.sqrt(1 - DECAYS[1] ** step) / (1 - DECAYS[0] ** step)
                layer -= np.float32(rate) * mean / (np.sqrt(square) + np.float32(1e-8))
    return layers


def _gradients(
    layers: list[Matrix], inputs: Matrix, truth: Matrix, weights: Matrix, generator: np.random.Generator
) -> list[Matrix]:
    """Of the mean weighted log loss, by each of `layers`; with dropout."""
    outputs, masks = [inputs], []
    for layer, share in enumerate(DROPOUT):
        values = outputs[-1] @ layers[2 * layer] + layers[2 * layer + 1]
        kept = generator.random(values.shape, dtype=np.float32) >= share
        masks.append(((values > 0) & kept) * np.float32(1 / (1 - share)))
        outputs.append(values * masks[-1])
    said = softmax(outputs[-1] @ layers[-2] + layers[-1]).astype(np.float32)
    error: Matrix = (said - truth) * (weights / np.float32(len(weights)))[:, np.newaxis]
    gradients: list[Matrix] = []
    for layer in reversed(range(len(outputs))):
        by_weights: Matrix = outputs[layer].T @ error
        gradients = [by_weights, error.sum(axis=0), *gradients]
        if layer:
            error = (error @ layers[2 * layer].T) * masks[layer - 1]
    return gradients
