from __future__ import annotations

import numpy as np
import pytest

from keeprate.learning.thresholds import reject_threshold


def simulated(seed: int, *, keepers: int, burst: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of `keepers` keepers (in bursts that agree) and as many others."""
    random = np.random.default_rng(seed)
    scenes = np.repeat(random.normal(size=keepers // burst), burst)
    noise = random.normal(size=len(scenes))
    kept = scenes if burst == 1 else 0.9 * scenes + np.sqrt(1 - 0.81) * noise
    logits = np.concatenate([1 + kept, -1 + random.normal(size=keepers)])
    groups = np.concatenate([np.repeat(np.arange(keepers // burst), burst), keepers + np.arange(keepers)])
    return 1 / (1 + np.exp(-logits)), np.arange(len(logits)) < len(kept), groups


def true_share_lost(threshold: float) -> float:
    """The share of all keepers to come below it: their logits are normal around 1."""
    from statistics import NormalDist

    return NormalDist(1, 1).cdf(float(np.log(threshold / (1 - threshold))))


@pytest.mark.parametrize("burst", [1, 4])
def test_the_promise_and_the_interval_hold_for_keepers_to_come(burst: int) -> None:
    lost, covered = [], 0
    for seed in range(400):
        found = reject_threshold(*simulated(seed, keepers=400, burst=burst), keepers_lost=0.02, seed=seed)
        assert found.promised
        lost.append(true_share_lost(found.threshold))
        covered += found.interval.low <= lost[-1] <= found.interval.high
    assert np.mean(lost) <= 0.021
    assert np.mean(lost) >= 0.011  # and it does not give the photos away that it could reject
    assert covered >= 0.92 * 400


def test_too_few_keepers_are_told_so_and_none_of_them_is_lost() -> None:
    found = reject_threshold(*simulated(1, keepers=40), keepers_lost=0.01)
    assert not found.promised
    assert found.keepers_lost == found.interval.low == 0
    assert found.interval.high == pytest.approx(3.69 / 41, abs=0.01)  # the two-sided rule of three
    assert found.keepers_needed == 99
    assert "about 99 are needed" in found.sentence
    enough = reject_threshold(*simulated(1, keepers=99), keepers_lost=0.01)
    assert (enough.promised, enough.keepers_lost) == (True, 0)
    assert "needed" not in enough.sentence


def test_more_loss_allowed_rejects_more_and_says_what_it_rejects() -> None:
    scores, keepers, groups = simulated(5, keepers=500)
    strict, lax = (reject_threshold(scores, keepers, groups, keepers_lost=share) for share in (0.01, 0.1))
    assert strict.threshold < lax.threshold
    assert lax.keepers_lost == (scores[keepers] < lax.threshold).mean() <= 0.1
    assert lax.others_rejected == (scores[~keepers] < lax.threshold).mean() > strict.others_rejected


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_shares_outside_0_to_1_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        reject_threshold(*simulated(0, keepers=10), keepers_lost=share)
