"""Our solver finds what scikit-learn finds, for all folds at once."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from keeprate.learning.logistic import fit, rotate
from support.synthetic_labels import draw


def scaled(counts: tuple[int, ...], width: int) -> tuple[np.ndarray, np.ndarray]:
    vectors, indices = draw(counts, width=width, distance=1.5, seed=3)
    return vectors / np.sqrt(np.float32(width)), indices


@pytest.mark.parametrize("penalty", [1.0, 0.01, 0.0003])
@pytest.mark.parametrize(
    ("counts", "width"), [((60, 20), 10), ((15, 15), 200), ((30, 20, 10), 40)], ids=["n>d", "d>n", "three"]
)
def test_agrees_with_scikit_learn(counts: tuple[int, ...], width: int, penalty: float) -> None:
    inputs, indices = scaled(counts, width)
    count, classes = len(indices), len(counts)
    weights = np.linspace(0.5, 2, count)
    rotation = rotate(inputs)
    ours = fit(rotation, indices, classes, weights[:, np.newaxis], penalty).logits(rotation.coordinates)[:, 0]
    # Two opposite columns of length w/2 each cost half of what one column of length w costs.
    equivalent = penalty if classes > 2 else penalty / 2
    theirs = LogisticRegression(C=1 / (equivalent * weights.sum()), tol=1e-10, max_iter=20_000)
    expected = theirs.fit(inputs.astype(np.float64), indices, sample_weight=weights).predict_log_proba(inputs)
    found = ours - np.log(np.exp(ours).sum(axis=1, keepdims=True))
    assert np.abs(np.exp(found) - np.exp(expected)).max() < 2e-3


def test_rotation_keeps_distances() -> None:
    for counts, width in [((30, 30), 8), ((4, 4), 100)]:
        inputs, _ = scaled(counts, width)
        rotation = rotate(inputs)
        assert rotation.coordinates.shape[1] <= min(inputs.shape)
        assert np.allclose(rotation.coordinates @ rotation.coordinates.T, inputs @ inputs.T, atol=1e-4)
        assert np.allclose(inputs @ rotation.directions, rotation.coordinates, atol=1e-4)


def test_models_of_different_folds_do_not_touch_each_other() -> None:
    inputs, indices = scaled((40, 40), 20)
    rotation = rotate(inputs)
    masks = np.random.default_rng(0).random((80, 3)) < 0.7
    together = fit(rotation, indices, 2, masks.astype(np.float64), 0.01)
    for model in range(3):
        alone = fit(rotation, indices, 2, masks[:, [model]].astype(np.float64), 0.01)
        difference = together.logits(rotation.coordinates)[:, model] - alone.logits(rotation.coordinates)[:, 0]
        assert np.abs(difference - difference.mean(axis=0)).max() < 0.03


def test_a_start_nearby_changes_nothing() -> None:
    inputs, indices = scaled((40, 40), 20)
    rotation, everyone = rotate(inputs), np.ones((80, 1))
    start = fit(rotation, indices, 2, everyone, 0.1)
    warm = fit(rotation, indices, 2, everyone, 0.01, start).logits(rotation.coordinates)
    cold = fit(rotation, indices, 2, everyone, 0.01).logits(rotation.coordinates)
    assert np.abs(warm - cold).max() < 0.03


def test_equal_inputs_leave_only_the_bias() -> None:
    rotation = rotate(np.zeros((9, 5), np.float32))
    assert rotation.coordinates.shape == (9, 0)
    indices = np.array([0] * 6 + [1] * 3, np.intp)
    logits = fit(rotation, indices, 2, np.ones((9, 1)), 0.1).logits(rotation.coordinates)[0, 0]
    assert np.exp(logits[0] - logits[1]) == pytest.approx(2, rel=1e-3)
