"""Scaling keeps what a component's spread means, tames what would drown the others, and is the same in scoring."""

from __future__ import annotations

import numpy as np
import pytest

from keeprate.learning.inputs import SIGNAL_LIMIT, fit_input_scale, temper, worth_tempering

GENERATOR = np.random.default_rng(0)


def test_components_keep_their_proportions_unless_one_dwarfs_all() -> None:
    vectors = (GENERATOR.normal(size=(2000, 10)) * [1, 2, 3, 1, 1, 1, 1, 1, 1, 1000] + 5).astype(np.float32)
    deviations = fit_input_scale(vectors, None, tempered=False).apply(vectors, None).std(axis=0)
    assert deviations[1] / deviations[0] == pytest.approx(2, rel=0.1)
    assert deviations[9] < 310 * deviations[0]


def test_tempering_keeps_signs_and_order_and_brings_lengths_together() -> None:
    vectors = GENERATOR.normal(size=(50, 8)).astype(np.float32)
    vectors[:25] *= 100
    tempered = temper(vectors)
    assert (np.sign(tempered) == np.sign(vectors)).all()
    assert (np.argsort(tempered, axis=1) == np.argsort(vectors, axis=1)).all()
    lengths = np.linalg.norm(tempered, axis=1)
    assert lengths[:25].mean() / lengths[25:].mean() == pytest.approx(100**0.3, rel=0.1)
    assert temper(np.zeros((1, 8), np.float32)).tolist() == [[0.0] * 8]


def test_rows_have_about_unit_length_whatever_the_model() -> None:
    for width in (3, 300):
        vectors = (7 * GENERATOR.normal(size=(500, width))).astype(np.float32)
        lengths = np.linalg.norm(fit_input_scale(vectors, None).apply(vectors, None), axis=1)
        assert np.sqrt((lengths**2).mean()) == pytest.approx(1, rel=0.02)


def test_what_is_not_finite_has_no_scale() -> None:
    with pytest.raises(ValueError, match="not finite"):
        fit_input_scale(np.array([[1.0, np.inf]], np.float32), None)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_constant_inputs_become_zero(value: float) -> None:
    vectors = np.full((50, 3), value, np.float32)
    assert np.abs(fit_input_scale(vectors, vectors).apply(vectors, vectors)).max() < 1e-2


def test_an_outlying_signal_is_limited() -> None:
    vectors = GENERATOR.normal(size=(100, 3)).astype(np.float32)
    signals = GENERATOR.normal(size=(100, 4)).astype(np.float32)
    scale = fit_input_scale(vectors, signals)
    panorama = np.array([[1000.0, 0, 0, 0]], np.float32)
    assert scale.apply(vectors[:1], panorama)[0, 3] == pytest.approx(SIGNAL_LIMIT / 2)


def test_widths_that_do_not_fit_are_refused() -> None:
    vectors = np.ones((2, 3), np.float32)
    scale = fit_input_scale(vectors, vectors)
    with pytest.raises(ValueError, match="expected vectors of 3 components"):
        scale.apply(vectors[:, :2], vectors)
    with pytest.raises(ValueError, match="expected 3 signals for each of 2 photos"):
        scale.apply(vectors, None)


def test_only_vectors_with_few_negative_components_are_worth_tempering() -> None:
    generator = np.random.default_rng(0)
    signed = generator.normal(size=(50, 8)).astype(np.float32)
    assert not worth_tempering(signed)
    assert worth_tempering(np.abs(signed))
    rounding = np.abs(signed)
    rounding[0, 0] = -1e-6
    assert worth_tempering(rounding)
