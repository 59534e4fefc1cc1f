"""The plots: PNGs of ours, of every shape of evaluation, with whatever names buckets have."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from keeprate.catalog.heads import HeadVersion
from keeprate.errors import UsageError
from keeprate.steps.heads.evaluating import BucketResult, EvaluatedPicture, Evaluation

pytest.importorskip("matplotlib")

from keeprate.plots.evaluation import draw_evaluation, wilson_interval
from keeprate.plots.figure import MARK
from keeprate.plots.learning_curve import draw_learning_curve


def evaluation_of(buckets: tuple[str, ...], count: int, *, only: int | None = None) -> Evaluation:
    """`count` pictures with random probabilities; `only`: all of them in this bucket."""
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(len(buckets)), count)
    actual = generator.integers(0, len(buckets), count) if only is None else np.full(count, only)
    predicted = probabilities.argmax(axis=1)
    counts = np.zeros((len(buckets), len(buckets)), int)
    np.add.at(counts, (actual, predicted), 1)
    return Evaluation(
        head="keep", version=3, test_set=None, buckets=buckets,
        matrix=tuple(tuple(int(value) for value in row) for row in counts), first_bucket=buckets[0],
        threshold=0.5 if len(buckets) == 2 else None, correct=int((actual == predicted).sum()), total=count,
        accuracy=float((actual == predicted).mean()), balanced_accuracy=0.5, roc_auc=0.5, roc_auc_interval=None,
        average_precision=0.5, calibration_error=0.1, keepers_lost=None,
        per_bucket=tuple(BucketResult(bucket, 1, None, 0.5) for bucket in buckets), trained_on=0, notes=(),
        pictures=tuple(
            EvaluatedPicture(
                "/p", buckets[actual[row]], buckets[predicted[row]],
                dict(zip(buckets, map(float, probabilities[row]), strict=True)), bool(actual[row] == predicted[row]),
                trained_on=False,
            )
            for row in range(count)
        ),
        unreadable=(),
    )  # fmt: skip


def pixels(png: bytes) -> tuple[int, int]:
    assert MARK in png[:4096]
    image = Image.open(io.BytesIO(png))
    assert len(image.convert("RGB").resize((200, 60)).getcolors(12_000) or ()) > 20, "something is drawn"
    return image.size


@pytest.mark.parametrize(
    "evaluation",
    [
        evaluation_of(("keep", "delete"), 200),
        evaluation_of(("keep", "delete"), 1),
        evaluation_of(("keep", "delete"), 20, only=1),
        evaluation_of(("$x^{", "漢字 🙂 of a rather long name"), 30),
        evaluation_of(tuple(f"bucket {number}" for number in range(20)), 100),
    ],
    ids=["usual", "one picture", "one bucket", "odd names", "twenty buckets"],
)
def test_an_evaluation_is_drawn(evaluation: Evaluation) -> None:
    width, height = pixels(draw_evaluation(evaluation))
    assert width > 2 * height > 1000


def test_a_learning_curve_is_drawn() -> None:
    first = HeadVersion(
        head="keep", version=1, trained_at=1.79e9, kind="logistic", buckets=("keep", "delete"),
        label_counts={"keep": 5, "delete": 5}, label_hash="", model_id=1, fingerprint="f", threshold=0.5,
        metrics={"roc_auc": 0.8, "roc_auc_interval": {"low": 0.7, "high": 0.9}}, file=None, in_use=False,
        reason="", promoted=True,
    )  # fmt: skip
    better = {"roc_auc": 1.0, "roc_auc_interval": {"low": 0.95, "high": 1.0}}
    second = replace(first, version=2, trained_at=1.7901e9, label_counts={"keep": 50}, metrics=better, in_use=True)
    third = replace(second, version=3, in_use=False, promoted=False)
    imported = replace(first, version=4, metrics={})
    pixels(draw_learning_curve([imported, third, second, first]))
    with pytest.raises(UsageError, match="Nothing has been measured"):
        draw_learning_curve([imported])


def test_wilson_intervals_against_known_values() -> None:
    """8 of 10: 0.490–0.943 (Newcombe 1998, method 3); 0 of 10 and 10 of 10 stay within 0–1."""
    low, high = wilson_interval(np.array([0.8, 0.0, 1.0]), np.array([10, 10, 10]))
    assert (low[0], high[0]) == (pytest.approx(0.490, abs=1e-3), pytest.approx(0.943, abs=1e-3))
    assert (low[1], high[2]) == (pytest.approx(0, abs=1e-12), pytest.approx(1))
