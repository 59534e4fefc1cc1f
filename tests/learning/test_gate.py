"""The gate lets better heads through, stops worse ones, and says why."""

from __future__ import annotations

import numpy as np
import pytest

from keeprate.learning.calibration import softmax
from keeprate.learning.gate import Decision, decide, decide_first


def photos(count: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Buckets and the true logit of the first, as an ideal classifier would see it."""
    generator = np.random.default_rng(seed)
    truth = 2 * generator.normal(size=count)
    return np.where(generator.random(count) < 1 / (1 + np.exp(-truth)), 0, 1).astype(np.intp), truth


def classifier(truth: np.ndarray, *, noise: float, slope: float = 1.0, seed: int = 7) -> np.ndarray:
    """Out-of-fold probabilities of someone who sees the truth through noise."""
    seen = slope * (truth + noise * np.random.default_rng(seed).normal(size=len(truth)))
    return softmax(np.stack([seen / 2, -seen / 2], axis=1))


def compared(
    candidate_noise: float, incumbent_noise: float, count: int = 400, *, more_labels: bool = False
) -> Decision:
    indices, truth = photos(count)
    candidate, incumbent = (classifier(truth, noise=noise) for noise in (candidate_noise, incumbent_noise))
    return decide(candidate, incumbent, indices, np.arange(count), seed=0, more_labels=more_labels)


def test_a_better_head_is_promoted() -> None:
    decision = compared(0.2, 2.0)
    assert decision.promote
    assert decision.difference < 0
    assert decision.interval.low < decision.difference < decision.interval.high < 0
    assert decision.reason.startswith("It predicts better than the version in use (log loss -0.")
    assert decision.because == "it is better on photos that it has not seen"


@pytest.mark.parametrize("more_labels", [False, True])
def test_a_worse_head_is_not(more_labels: bool) -> None:
    decision = compared(2.0, 0.2, more_labels=more_labels)
    assert not decision.promote
    assert decision.interval.low > 0
    assert decision.reason.startswith("It most likely predicts worse than the version in use (log loss +0.")
    assert decision.because == ""


def test_a_head_worse_within_the_noise_is_not_promoted_either() -> None:
    decision = compared(0.55, 0.5, count=60)
    assert decision.interval.low < 0 < decision.difference < decision.interval.high
    assert not decision.promote
    assert "perhaps worse" in decision.reason
    assert decision.reason.endswith("and learned from no more labels.")


def test_unless_it_learned_from_more_labels() -> None:
    decision = compared(0.55, 0.5, count=60, more_labels=True)
    assert decision.difference > 0
    assert decision.promote
    assert "learned from more labels" in decision.reason
    assert decision.because == "it learned from more, and is about as good on photos that it has not seen"


def test_a_head_better_within_the_noise_is_promoted() -> None:
    decision = compared(0.5, 0.55, count=60)
    assert decision.interval.high > 0 > decision.difference
    assert decision.promote
    assert "no worse" in decision.reason
    assert decision.because == "it is no worse on photos that it has not seen"


def test_the_same_head_is_no_worse() -> None:
    assert compared(0.5, 0.5).promote


def test_less_sure_but_in_a_worse_order_is_not_promoted() -> None:
    """A certain head beside one that shrugs: the log loss prefers the shrug, the person would not."""
    indices, truth = photos(600)
    certain = classifier(truth, noise=0.0, slope=6)
    shrug = classifier(truth, noise=2.0, slope=0.3)
    decision = decide(shrug, certain, indices, np.arange(600), seed=0)
    assert decision.difference < 0
    assert not decision.promote
    assert "orders photos worse" in decision.reason


def test_a_burst_counts_once() -> None:
    """Thirty photos, each a burst of twenty: what looks certain photo by photo is noise burst by burst."""
    indices, truth = photos(30, seed=3)
    candidate, incumbent = classifier(truth, noise=0.7), classifier(truth, noise=1.0, seed=8)
    candidate, incumbent, indices = (np.repeat(array, 20, axis=0) for array in (candidate, incumbent, indices))
    by_photo = decide(candidate, incumbent, indices, np.arange(600), seed=0)
    by_burst = decide(candidate, incumbent, indices, np.repeat(np.arange(30), 20), seed=0)
    width_by_photo = by_photo.interval.high - by_photo.interval.low
    assert by_burst.interval.high - by_burst.interval.low > 3 * width_by_photo


def first(noise: float, count: int, *, slope: float = 1.0) -> Decision:
    indices, truth = photos(count)
    probabilities = classifier(truth, noise=noise, slope=slope)
    return decide_first(probabilities, indices, np.arange(count), seed=0)


def test_a_first_head_that_beats_the_base_rate_is_promoted() -> None:
    decision = first(0.5, 100)
    assert decision.promote
    assert decision.reason.startswith("It is the first version, and it predicts better than the base rate")
    assert decision.because == "it is better than chance on photos that it has not seen"


def test_a_first_head_without_a_clue_is_not() -> None:
    indices, _ = photos(200)
    decision = decide_first(classifier(np.zeros(200), noise=1.0), indices, np.arange(200), seed=0)
    assert not decision.promote
    assert "no better than the base rate" in decision.reason


def test_a_first_head_too_sure_of_itself_but_in_good_order_is_promoted() -> None:
    decision = first(1.0, 200, slope=20)
    assert decision.difference > 0
    assert decision.promote
    assert "orders photos better than chance" in decision.reason
    assert decision.because == "it orders photos that it has not seen better than chance"


def test_the_base_rate_itself_is_not_promoted() -> None:
    indices = np.array([0] * 10 + [1] * 30, np.intp)
    decision = decide_first(np.tile([0.25, 0.75], (40, 1)), indices, np.arange(40), seed=0)
    assert decision.difference == pytest.approx(0, abs=1e-12)
    assert not decision.promote


def test_what_may_be_chance_is_not_believed_unless_there_are_very_few() -> None:
    """The same gain in every draw: from ten photos the first version is let in, from forty it must be likelier."""
    wins, losses = 0.56, 0.43
    said = np.array([wins] * 6 + [losses] * 4)
    indices = np.arange(10) % 2
    few = np.where(np.arange(10) % 2 == 0, said, 1 - said)
    probabilities = np.stack([few, 1 - few], axis=1)
    assert decide_first(probabilities, indices, np.arange(10), seed=0).promote
    groups = np.repeat(np.arange(10), 4)
    many = decide_first(np.repeat(probabilities, 4, axis=0), np.repeat(indices, 4), groups, seed=0)
    assert many.difference < 0
    assert not many.promote
    assert many.reason.startswith("It perhaps predicts no better than the base rate")


def test_who_contradicts_the_labels_gives_way_even_to_a_shrug() -> None:
    """The person has changed their mind, and what they want now cannot be seen yet: nothing beats something wrong."""
    indices, truth = photos(60)
    shrug = classifier(np.zeros(60), noise=1.0, slope=0.2, seed=1)
    wrong, right = classifier(-truth, noise=0.5), classifier(truth, noise=0.5)
    alone, over_wrong, over_right = (
        decide_first(shrug, indices, np.arange(60), seed=0, circumstance="Too few are left", in_use=in_use)
        for in_use in (None, wrong, right)
    )
    assert (alone.promote, over_wrong.promote, over_right.promote) == (False, True, False)
    assert over_wrong.reason.startswith("Too few are left, and the labels that stand contradict it: the new one")
    assert "though no better than the base rate (log loss +0." in over_wrong.reason
    assert over_right.reason == alone.reason


def test_too_sure_but_in_good_order_does_not_give_way_to_a_shrug() -> None:
    indices, truth = photos(60)
    shrug = classifier(np.zeros(60), noise=1.0, slope=0.2, seed=1)
    too_sure = classifier(truth, noise=1.0, slope=20)
    assert not decide_first(shrug, indices, np.arange(60), seed=0, in_use=too_sure).promote


@pytest.mark.parametrize(("candidate", "incumbent", "says"), [(0.2, 0.3, "But it"), (0.3, 0.0, "That one")])
def test_it_says_where_the_one_in_use_is_no_better_than_the_base_rate(
    candidate: float, incumbent: float, says: str
) -> None:
    indices, _ = photos(200)
    of_candidate, of_incumbent = (classifier(np.zeros(200), noise=1.0, slope=slope) for slope in (candidate, incumbent))
    reason = decide(of_candidate, of_incumbent, indices, np.arange(200), seed=0).reason
    assert f" {says} predicts no better than the base rate now (log loss +0." in reason
    assert "base rate" not in compared(0.2, 0.3).reason


def test_the_circumstance_is_told() -> None:
    indices, truth = photos(100)
    decision = decide_first(
        classifier(truth, noise=0.1), indices, np.arange(100), seed=0, circumstance="The moon is full"
    )
    assert decision.reason.startswith("The moon is full, and it predicts")


def test_the_same_seed_gives_the_same_interval() -> None:
    assert compared(0.3, 0.5) == compared(0.3, 0.5)
