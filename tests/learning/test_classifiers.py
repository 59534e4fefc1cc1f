"""Classifiers compute what they say, and parts that do not fit never get as far as a score."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from keeprate.learning.calibration import softmax
from keeprate.learning.classifiers import LinearClassifier, MlpClassifier, classifier_from_tensors

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(20, 5)).astype(np.float32)


def network(*widths: int) -> MlpClassifier:
    pairs = list(itertools.pairwise(widths))
    return MlpClassifier(
        tuple(RNG.normal(size=pair).astype(np.float32) for pair in pairs),
        tuple(RNG.normal(size=pair[1]).astype(np.float32) for pair in pairs),
    )


def test_a_single_output_is_the_log_odds_of_the_first_bucket() -> None:
    classifier = network(5, 4, 1)
    hidden = np.maximum(INPUTS @ classifier.weights[0] + classifier.biases[0], 0)
    expected = 1 / (1 + np.exp(-(hidden @ classifier.weights[1] + classifier.biases[1])))
    assert np.allclose(softmax(classifier.logits(INPUTS))[:, :1], expected, atol=1e-6)
    assert classifier.bucket_count == 2


def test_more_rows_than_a_block_are_the_same_rows() -> None:
    classifier = network(5, 4, 3)
    many = np.tile(INPUTS, (500, 1))
    assert np.allclose(classifier.logits(many).reshape(500, 20, 3), classifier.logits(INPUTS), atol=1e-5)
    assert classifier.logits(INPUTS[:0]).shape == (0, 3)


@pytest.mark.parametrize(
    "classifier", [network(5, 4, 3, 1), LinearClassifier(np.ones((5, 2), "f4"), np.zeros(2, "f4"))]
)
def test_tensors_give_the_same_classifier(classifier: LinearClassifier | MlpClassifier) -> None:
    again = classifier_from_tensors(classifier.kind, classifier.tensors())
    assert again.logits(INPUTS).tolist() == classifier.logits(INPUTS).tolist()


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind of head 'oracle'"):
        classifier_from_tensors("oracle", {})


@pytest.mark.parametrize(
    ("weights", "bias", "message"),
    [
        (np.zeros((5, 2)), np.zeros(2, "f4"), "weights is float64"),
        (np.zeros((5, 2), "f4"), np.zeros(3, "f4"), "with a bias of 3"),
        (np.full((5, 2), np.inf, "f4"), np.zeros(2, "f4"), "not finite"),
        (np.zeros((5, 2), "f4"), np.zeros((2, 1), "f4"), "bias is"),
        (np.zeros((0, 2), "f4"), np.zeros(2, "f4"), "weights is"),
    ],
)
def test_parts_that_do_not_fit_are_refused(weights: np.ndarray, bias: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LinearClassifier(weights, bias)
    with pytest.raises(ValueError, match=message.split(" is")[0]):
        MlpClassifier((weights,), (bias,))


def test_layers_must_follow_on_each_other() -> None:
    with pytest.raises(ValueError, match="layer 1 takes 3 values"):
        MlpClassifier(
            (np.zeros((5, 4), "f4"), np.zeros((3, 1), "f4")),
            (np.zeros(4, "f4"), np.zeros(1, "f4")),
        )
    with pytest.raises(ValueError, match="0 layers"):
        MlpClassifier((), ())
