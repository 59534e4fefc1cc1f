"""A small head for tests of files and scoring."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from keeprate.learning.calibration import Calibration
from keeprate.learning.classifiers import LinearClassifier
from keeprate.learning.heads import Head, Recipe
from keeprate.learning.metrics import Metrics, measure


def made_metrics() -> Metrics:
    """Metrics of twenty photos, half of each bucket, mostly right."""
    generator = np.random.default_rng(0)
    indices = np.repeat([0, 1], 10).astype(np.intp)
    first = np.clip(np.where(indices == 0, 0.7, 0.3) + 0.2 * generator.normal(size=20), 0.01, 0.99)
    probabilities = np.stack([first, 1 - first], axis=1)
    return measure(
        probabilities,
        probabilities.argmax(axis=1),
        indices,
        np.arange(20),
        ("keep", "delete"),
        folds=5,
        threshold=0.5,
        seed=0,
    )


def made_head(**changes: Any) -> Head:
    """A head over four-component vectors and two signals: keep grows with the first component."""
    weights = np.zeros((6, 2), np.float32)
    weights[0] = (1, -1)
    weights[4] = (0.5, -0.5)
    values: dict[str, Any] = {
        "name": "keep",
        "buckets": ("keep", "delete"),
        "mean": np.zeros(6, np.float32),
        "scale": np.ones(6, np.float32),
        "classifier": LinearClassifier(weights, np.array([0.1, -0.1], np.float32)),
        "calibration": Calibration(1.5, (0.2, -0.2)),
        "threshold": 0.4,
        "recipe": Recipe("logistic", 0.01, 1.0),
        "dimension": 4,
        "signal_count": 2,
        "signals_version": 3,
        "model_fingerprint": "model1",
        "trained_at": datetime(2025, 5, 4, 3, 2, 1, tzinfo=UTC),
        "metrics": made_metrics(),
        "version": 7,
    }
    return Head(**{**values, **changes})
