"""The network learns what no line can, the same for a seed, and says over inputs what it says over directions."""

from __future__ import annotations

import numpy as np

from keeprate.learning import perceptron
from keeprate.learning.logistic import rotate
from keeprate.learning.metrics import roc_auc

GENERATOR = np.random.default_rng(0)
INPUTS = GENERATOR.normal(size=(400, 5)).astype(np.float32)
INDICES = (INPUTS[:, 0] * INPUTS[:, 1] < 0).astype(np.intp)
TAUGHT = (np.arange(400) < 300).astype(np.float64)[:, np.newaxis]


def test_it_learns_what_no_line_parts_and_is_deterministic() -> None:
    rotation = rotate(INPUTS)
    first, second = (perceptron.fit(rotation, INDICES, 2, TAUGHT, seed=3) for _ in range(2))
    said = first.logits(rotation.coordinates)[:, 0]
    assert roc_auc(said[300:, 0] - said[300:, 1], INDICES[300:] == 0) > 0.9
    assert said.tolist() == second.logits(rotation.coordinates)[:, 0].tolist()
    over_inputs = first.over_inputs(0, rotation.directions).logits(INPUTS)
    assert np.allclose(over_inputs, said, atol=1e-3)


def test_photos_without_weight_teach_nothing() -> None:
    turned = np.where(TAUGHT[:, 0] > 0, INDICES, 1 - INDICES)
    rotation = rotate(INPUTS)
    one = perceptron.fit(rotation, INDICES, 2, TAUGHT, seed=3).logits(rotation.coordinates)
    other = perceptron.fit(rotation, turned, 2, TAUGHT, seed=3).logits(rotation.coordinates)
    assert one.tolist() == other.tolist()
