"""Scaling trusts a component's own deviation only as far as the number of photos allows."""

from __future__ import annotations

import numpy as np
import pytest

from keeprate.learning.inputs import SIGNAL_LIMIT, fit_input_scale

GENERATOR = np.random.default_rng(0)


def test_with_many_photos_every_component_counts_alike() -> None:
    vectors = (GENERATOR.normal(size=(20_000, 4)) * [1, 2, 5, 20] + 5).astype(np.float32)
    scaled = fit_input_scale(vectors, None).apply(vectors, None)
    assert np.allclose(scaled.std(axis=0), 1 / 2, rtol=0.15)


def test_with_few_photos_the_common_scale_counts_most() -> None:
    vectors = np.array([[0.0, 0.0], [1.0, 10.0]] * 2, np.float32)
    deviations = fit_input_scale(vectors, None).apply(vectors, None).std(axis=0)
    assert deviations[1] / deviations[0] == pytest.approx(10, rel=0.1), "their proportion is kept"


def test_rows_have_about_unit_length_whatever_the_model() -> None:
    for width in (3, 300):
        vectors = (7 * GENERATOR.normal(size=(500, width))).astype(np.float32)
        lengths = np.linalg.norm(fit_input_scale(vectors, None).apply(vectors, None), axis=1)
        assert np.sqrt((lengths**2).mean()) == pytest.approx(1, rel=0.02)


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
