from __future__ import annotations

import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from keeprate.errors import KeeprateError
from keeprate.learning.audit import suspects
from keeprate.learning.fitting import train
from support.synthetic_labels import dataset_of, draw

pytest.importorskip("cleanlab")


def test_flipped_labels_come_first() -> None:
    vectors, truth = draw((60, 60), width=16, distance=4.5, seed=3)
    flipped = np.arange(0, 120, 10)
    said = truth.copy()
    said[flipped] = 1 - said[flipped]
    result = train(
        dataset_of(vectors, said), head_name="keep", version=1, model_fingerprint="m",
        trained_at=datetime.now(UTC), seed=0,
    )  # fmt: skip
    assert result.out_of_fold is not None
    found = suspects(said, result.out_of_fold.probabilities)
    assert len(set(found.order[: len(flipped)]) & set(flipped)) >= 10
    assert 8 <= found.likely <= 18
    assert sorted(found.order) == list(range(120))


def test_a_head_that_agrees_has_no_suspects_and_one_that_disagrees_says_how_much() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8], [0.3, 0.1, 0.6]])
    assert suspects(np.array([0, 1, 2, 2]), probabilities).likely == 0
    wrong = suspects(np.array([0, 1, 2, 0]), probabilities)
    assert wrong.order[0] == 3
    assert wrong.margins[3] == pytest.approx(-0.3)


def test_without_cleanlab_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cleanlab.count", None)
    with pytest.raises(KeeprateError, match="cleanlab") as caught:
        suspects(np.array([0, 1]), np.array([[0.2, 0.8], [0.2, 0.8]]))
    assert "keeprate[audit]" in str(caught.value.advice)
