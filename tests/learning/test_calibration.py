"""Calibrated probabilities hold, and little data never makes anyone certain."""

from __future__ import annotations

import numpy as np
import pytest

from keeprate.learning.calibration import Calibration, fit_calibration, softmax
from keeprate.learning.metrics import calibration_error


def drawn(count: int, *, slope: float, offset: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and buckets drawn with P(first) = sigmoid(slope · (difference of logits) + offset)."""
    generator = np.random.default_rng(seed)
    difference = generator.normal(size=count)
    first = generator.random(count) < 1 / (1 + np.exp(-(slope * difference + offset)))
    return np.stack([difference / 2, -difference / 2], axis=1), np.where(first, 0, 1).astype(np.intp)


def fitted(logits: np.ndarray, indices: np.ndarray) -> Calibration:
    return fit_calibration(logits, indices, np.bincount(indices, minlength=logits.shape[1]))


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (0.3, 0.0), (4.0, 0.0), (1.0, -1.6), (3.0, 2.0)])
def test_finds_the_truth(slope: float, offset: float) -> None:
    calibration = fitted(*drawn(4000, slope=slope, offset=offset))
    assert calibration.slope == pytest.approx(slope, rel=0.15)
    assert calibration.offsets[0] - calibration.offsets[1] == pytest.approx(offset, abs=0.2)


def test_nine_in_ten_means_nine_in_ten_on_new_photos_with_rare_keeps() -> None:
    """Trained on balanced buckets, calibrated and used where five deletes come to one keep."""
    calibration = fitted(*drawn(2000, slope=2, offset=-2.5))
    logits, indices = drawn(20_000, slope=2, offset=-2.5, seed=1)
    probabilities = calibration.probabilities(logits)
    assert (indices == 0).mean() < 0.2
    assert calibration_error(probabilities, indices) < 0.02
    assert calibration_error(softmax(logits), indices) > 0.2, "without calibration it is wrong"


def test_three_buckets() -> None:
    generator = np.random.default_rng(0)
    logits = 2 * generator.normal(size=(5000, 3))
    truth = softmax(0.7 * logits + np.array([0.5, 0.0, -1.0]))
    indices = (generator.random((5000, 1)) > truth.cumsum(axis=1)).sum(axis=1).astype(np.intp)
    calibration = fitted(logits, indices)
    assert np.abs(calibration.probabilities(logits) - truth).mean() < 0.02


def test_four_photos_without_a_mistake_are_not_certainty() -> None:
    logits = np.array([[5.0, -5], [6, -6], [-5, 5], [-6, 6]])
    probabilities = fitted(logits, np.array([0, 0, 1, 1])).probabilities(logits)
    assert 0.6 < probabilities[0, 0] < 0.95


@pytest.mark.parametrize("counts", [(8, 2), (2, 8), (500, 100)])
def test_logits_that_say_nothing_give_the_base_rate(counts: tuple[int, int]) -> None:
    indices = np.repeat([0, 1], counts).astype(np.intp)
    probabilities = fitted(np.zeros((len(indices), 2)), indices).probabilities(np.zeros((1, 2)))
    assert probabilities[0, 0] == pytest.approx(counts[0] / sum(counts), abs=0.08)


def test_an_order_upside_down_is_flattened_not_turned() -> None:
    """A classifier that is wrong out of fold must not be used backwards."""
    logits, indices = drawn(300, slope=-2, offset=0)
    calibration = fitted(logits, indices)
    assert 0 < calibration.slope < 0.02


def test_a_held_out_photo_does_not_change_how_common_its_bucket_is() -> None:
    indices = np.repeat([0, 1], [5, 5]).astype(np.intp)
    logits = np.zeros((10, 2))
    without_first = fit_calibration(logits[1:], indices[1:], np.array([5, 5])).probabilities(logits[:1])
    assert without_first[0, 0] == pytest.approx(0.5, abs=1e-3)


def test_very_many_photos_are_thinned_without_harm() -> None:
    logits, indices = drawn(30_000, slope=1.5, offset=-3)
    calibration = fitted(logits, indices)
    assert calibration.slope == pytest.approx(1.5, rel=0.15)
    assert calibration.offsets[0] - calibration.offsets[1] == pytest.approx(-3, abs=0.2)


def test_softmax_does_not_overflow() -> None:
    assert softmax(np.array([[1e4, 0.0], [-1e4, 0.0]])).tolist() == [[1, 0], [0, 1]]
