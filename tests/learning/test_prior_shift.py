from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from keeprate.learning.calibration import Calibration
from keeprate.learning.metrics import calibration_error
from keeprate.learning.prior_shift import estimate_prior, shifted, shifted_threshold

LABELLED = np.array([0.5, 0.5])
CALIBRATED = Calibration(1.0, (0.0, 0.0))
"""Right for logits (x, -x) where x is normal around ±1 with variance 1 and both buckets are equally frequent."""


def library(first_share: float, photos: int, seed: int = 0) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Logits (m, 2) and true buckets of photos of which `first_share` are in the first bucket."""
    random = np.random.default_rng(seed)
    truth = (random.random(photos) >= first_share).astype(np.intp)
    seen = np.where(truth == 0, 1.0, -1.0) + random.normal(size=photos)
    return np.stack([seen, -seen], axis=1), truth


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.9])
def test_a_shifted_share_is_found_and_the_truth_lies_in_the_interval(share: float) -> None:
    covered = 0
    for seed in range(20):
        logits, truth = library(share, 3000, seed)
        found = estimate_prior(CALIBRATED.probabilities(logits), LABELLED, seed=seed)
        assert found.converged
        assert found.shares[0] == pytest.approx(share, abs=0.04)
        covered += found.intervals[0].low <= (truth == 0).mean() <= found.intervals[0].high
    assert covered >= 17


def test_shifting_makes_probabilities_hold_in_the_library_and_keeps_decisions() -> None:
    logits, truth = library(0.1, 20_000)
    before = CALIBRATED.probabilities(logits)
    found = estimate_prior(before, LABELLED)
    after = shifted(CALIBRATED, LABELLED, np.array(found.shares)).probabilities(logits)
    assert calibration_error(before, truth) > 0.1
    assert calibration_error(after, truth) < 0.015
    threshold = shifted_threshold(0.3, LABELLED, np.array(found.shares))
    np.testing.assert_array_equal(before[:, 0] >= 0.3, after[:, 0] >= threshold)


def test_three_buckets() -> None:
    random = np.random.default_rng(0)
    wanted, labelled = np.array([0.7, 0.2, 0.1]), np.array([0.2, 0.3, 0.5])
    truth = random.choice(3, 4000, p=wanted)
    seen = 2 * np.eye(3)[truth] + random.normal(size=(4000, 3))
    calibration = Calibration(2.0, tuple(np.log(labelled)))
    found = estimate_prior(calibration.probabilities(seen), labelled)
    np.testing.assert_allclose(found.shares, wanted, atol=0.03)
    back = shifted(shifted(calibration, labelled, wanted), wanted, labelled).probabilities(seen)
    np.testing.assert_allclose(back, calibration.probabilities(seen))


def test_it_never_runs_to_certainty_and_needs_photos_to_move() -> None:
    sure = np.tile([[1.0, 0.0]], (50, 1))
    found = estimate_prior(sure, LABELLED)
    assert 0.5 < found.shares[0] < 0.95
    assert estimate_prior(np.empty((0, 2)), np.array([0.2, 0.8])).shares == pytest.approx((0.2, 0.8))
    with pytest.raises(ValueError, match="do not fit"):
        estimate_prior(sure, np.array([1.0, 0.0]))
