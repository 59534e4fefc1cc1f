"""The metrics agree with scikit-learn where it has them, and with arithmetic where it has not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics as reference

from keeprate.learning.metrics import (
    Interval,
    Metrics,
    MetricsError,
    average_precision,
    best_f1_threshold,
    brier,
    calibration_error,
    measure,
    photo_losses,
    resample_groups,
    resampled_auc,
    roc_auc,
)
from support.made_heads import made_metrics

GENERATOR = np.random.default_rng(0)
BELONGS = GENERATOR.random(200) < 0.3
SCORES = np.round(np.clip(0.3 * BELONGS + 0.7 * GENERATOR.random(200), 0, 1), 2).astype(
    np.float64
)  # rounding makes ties
PROBABILITIES = np.stack([SCORES, 1 - SCORES], axis=1)
INDICES = np.where(BELONGS, 0, 1).astype(np.intp)


def measured(probabilities: np.ndarray, indices: np.ndarray, groups: np.ndarray | None = None) -> Metrics:
    names = tuple(f"bucket{number}" for number in range(probabilities.shape[1]))
    groups = np.arange(len(indices)) if groups is None else groups
    decisions = probabilities.argmax(axis=1)
    return measure(probabilities, decisions, indices, groups, names, folds=5, threshold=None, seed=0)


def test_ranking_agrees_with_scikit_learn() -> None:
    assert roc_auc(SCORES, BELONGS) == pytest.approx(reference.roc_auc_score(BELONGS, SCORES))
    assert average_precision(SCORES, BELONGS) == pytest.approx(reference.average_precision_score(BELONGS, SCORES))


def test_losses_agree_with_scikit_learn() -> None:
    safe = np.clip(SCORES, 0.01, 0.99)
    probabilities = np.stack([safe, 1 - safe], axis=1)
    assert photo_losses(probabilities, INDICES).mean() == pytest.approx(reference.log_loss(BELONGS, safe))
    assert brier(probabilities, INDICES) == pytest.approx(reference.brier_score_loss(BELONGS, safe))


def test_measure_agrees_with_scikit_learn_for_three_buckets() -> None:
    probabilities = GENERATOR.dirichlet([1, 1, 1], 300)
    indices = (GENERATOR.random((300, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).astype(np.intp)
    metrics = measured(probabilities, indices)
    decisions = probabilities.argmax(axis=1)
    precision, recall, f1, _ = reference.precision_recall_fscore_support(indices, decisions)
    assert metrics.accuracy == pytest.approx(reference.accuracy_score(indices, decisions))
    assert metrics.balanced_accuracy == pytest.approx(reference.balanced_accuracy_score(indices, decisions))
    assert metrics.roc_auc == pytest.approx(reference.roc_auc_score(indices, probabilities, multi_class="ovr"))
    assert [bucket.precision for bucket in metrics.buckets] == pytest.approx(precision)
    assert [bucket.recall for bucket in metrics.buckets] == pytest.approx(recall)
    assert [bucket.f1 for bucket in metrics.buckets] == pytest.approx(f1)
    assert metrics.brier == pytest.approx(((probabilities - np.eye(3)[indices]) ** 2).sum(axis=1).mean())
    assert metrics.keepers_lost is None


@pytest.mark.parametrize(
    ("scores", "belongs", "auc"),
    [
        ([0.1, 0.9], [False, True], 1.0),
        ([0.9, 0.1], [False, True], 0.0),
        ([0.5, 0.5], [False, True], 0.5),
        ([0.5, 0.6], [True, True], 0.5),
        ([], [], 0.5),
    ],
)
def test_roc_auc_at_the_edges(scores: list[float], belongs: list[bool], auc: float) -> None:
    assert roc_auc(np.array(scores), np.array(belongs, bool)) == auc


def test_average_precision_of_nothing_is_zero() -> None:
    assert average_precision(np.array([0.5, 0.6]), np.array([False, False])) == 0.0


def test_calibration_error_by_hand() -> None:
    """Forty photos, two bins of twenty: says 0.2 and 0.9, happens 0.25 and 0.8."""
    said = np.repeat([0.2, 0.9], 20)
    indices = np.array([0] * 5 + [1] * 15 + [0] * 16 + [1] * 4, np.intp)
    assert calibration_error(np.stack([said, 1 - said], axis=1), indices) == pytest.approx((0.05 + 0.1) / 2)


def test_calibration_error_of_many_buckets_is_about_the_likeliest() -> None:
    probabilities = np.tile([0.5, 0.3, 0.2], (40, 1))
    indices = np.array([0] * 30 + [1] * 10, np.intp)
    assert calibration_error(probabilities, indices) == pytest.approx(0.25)


def test_keepers_lost_and_the_first_photos() -> None:
    first = np.linspace(0.99, 0.01, 40)
    indices = np.ones(40, np.intp)
    indices[[0, 1, 2, 3, 4, 5, 6, 7, 30, 31]] = 0
    metrics = measured(np.stack([first, 1 - first], axis=1), indices)
    assert metrics.keepers_lost == pytest.approx(0.2)
    assert [(top.count, top.precision) for top in metrics.buckets[0].first] == [(10, 0.8), (25, 0.32)]
    assert [(top.count, top.precision) for top in metrics.buckets[1].first] == [(10, 0.8), (25, 0.92)]


def test_base_log_loss_is_the_entropy_of_the_buckets() -> None:
    indices = np.array([0] * 2 + [1] * 6, np.intp)
    metrics = measured(np.tile([0.25, 0.75], (8, 1)), indices)
    assert metrics.base_log_loss == pytest.approx(metrics.log_loss)


def test_duplicates_do_not_narrow_the_interval() -> None:
    """Every photo five times says no more than once; only an interval over groups knows."""
    once = measured(PROBABILITIES, INDICES)
    five_times, groups = np.repeat(PROBABILITIES, 5, axis=0), np.repeat(np.arange(200), 5)
    grouped = measured(five_times, np.repeat(INDICES, 5), groups)
    naive = measured(five_times, np.repeat(INDICES, 5))

    def width(interval: Interval) -> float:
        return interval.high - interval.low

    assert width(grouped.roc_auc_interval) == pytest.approx(width(once.roc_auc_interval), rel=0.2)
    assert width(naive.roc_auc_interval) < 0.6 * width(once.roc_auc_interval)
    assert grouped.roc_auc_interval.low < grouped.roc_auc < grouped.roc_auc_interval.high


def test_ten_photos_without_a_mistake_prove_little() -> None:
    first = np.array([0.9] * 5 + [0.1] * 5)
    metrics = measured(np.stack([first, 1 - first], axis=1), np.array([0] * 5 + [1] * 5, np.intp))
    assert metrics.roc_auc == 1.0
    assert metrics.roc_auc_interval.low == pytest.approx(0.4)
    assert metrics.roc_auc_interval.high == 1.0


def test_resampled_auc_agrees_with_repeating_photos() -> None:
    resampled = resample_groups(np.arange(200), seed=0)
    fast = resampled_auc(PROBABILITIES, INDICES, resampled)
    for weights, auc in zip(resampled.group_counts, fast, strict=True):
        assert auc == pytest.approx(reference.roc_auc_score(BELONGS, SCORES, sample_weight=weights))


@pytest.mark.parametrize(
    ("scores", "belongs", "low", "high"),
    [
        ([0.9, 0.8, 0.3, 0.1], [True, True, False, False], 0.3, 0.8),
        ([0.2, 0.1, 0.02, 0.01] * 25, [True, True, False, False] * 25, 0.02, 0.1),
        ([0.5, 0.5], [True, False], 0.5, 0.5),
        ([0.5, 0.6], [False, False], 0.5, 0.5),
    ],
)
def test_threshold(scores: list[float], belongs: list[bool], low: float, high: float) -> None:
    assert low <= best_f1_threshold(np.array(scores), np.array(belongs)) <= high


def test_threshold_is_as_good_as_any_within_one_photo() -> None:
    threshold = best_f1_threshold(SCORES, BELONGS)
    best = max(reference.f1_score(BELONGS, candidate <= SCORES) for candidate in np.unique(SCORES))
    assert reference.f1_score(BELONGS, threshold <= SCORES) >= best - 1 / BELONGS.sum()


def test_metrics_survive_json() -> None:
    metrics = made_metrics()
    assert Metrics.from_json(metrics.to_json()) == metrics


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "[" * 100_000, '{"photos": 1}'])
def test_damaged_metrics_are_an_error(text: str) -> None:
    with pytest.raises(MetricsError):
        Metrics.from_json(text)


def test_unknown_metrics_are_an_error() -> None:
    values = json.loads(made_metrics().to_json())
    with pytest.raises(MetricsError, match="unexpected"):
        Metrics.from_json(json.dumps({**values, "unexpected": 1}))
