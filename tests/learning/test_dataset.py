"""The data set refuses what would train nonsense, and its hash says exactly when to train."""

from __future__ import annotations

import numpy as np
import pytest

from keeprate.learning.dataset import DataSet, NotEnoughLabels, label_hash
from support.synthetic_labels import clouds, dataset_of

VECTORS = np.ones((3, 4), dtype=np.float32)
INDICES = np.array([0, 1, 0], dtype=np.intp)


def test_counts_follow_the_buckets() -> None:
    assert clouds((3, 0, 5)).bucket_counts() == (3, 0, 5)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.array([[1, 2], [np.nan, 0], [1, 1]], np.float32), "vectors of 1 photos are not finite; the first is row 1"),
        (np.array([[1, 2], [0, 0], [np.inf, 1]], np.float32), "first is row 2"),
        (np.ones((2, 4), np.float32), r"vectors has the shape \(2, 4\) for 3 photos"),
        (np.ones((3, 0), np.float32), "shape"),
        (np.ones(3, np.float32), "shape"),
        (np.ones((3, 4)), "vectors must be float32, not float64"),
    ],
)
def test_bad_vectors_are_refused(vectors: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataset_of(vectors, INDICES)


def test_bad_signals_are_refused() -> None:
    signals = np.array([[1.0], [np.nan], [2.0]], np.float32)
    with pytest.raises(ValueError, match="signals of 1 photos are not finite"):
        dataset_of(VECTORS, INDICES, signals=signals)


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        (np.array([0, 1, 2], np.intp), "bucket index 2 with 2 buckets"),
        (np.array([0, -1, 1], np.intp), "negative"),
        (np.array([0, 1], np.intp), "must be 3 integers"),
        (np.array([0.0, 1.0, 0.0]), "must be 3 integers"),
    ],
)
def test_bad_bucket_indices_are_refused(indices: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataset_of(VECTORS, indices, keys=("a", "b", "c"))


def test_the_same_photo_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="content key occurs twice"):
        dataset_of(VECTORS, INDICES, keys=("a", "b", "a"))


def test_the_same_bucket_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="bucket occurs twice"):
        DataSet(("a", "b", "c"), VECTORS, None, INDICES, ("keep", "keep"), np.arange(3))


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((5, 0), "needs a photo in each bucket: “delete” has none"),
        ((0, 0), "“keep” has none, “delete” has none"),
        ((5, 5, 0), "“bucket2” has none"),
        ((5,), "has 1 buckets; learning needs at least two"),
    ],
)
def test_too_few_labels_name_each_lacking_bucket(counts: tuple[int, ...], message: str) -> None:
    with pytest.raises(NotEnoughLabels, match=message):
        clouds(counts).require_enough_labels("keep")


def test_one_photo_in_each_bucket_is_enough() -> None:
    clouds((1, 1)).require_enough_labels("keep")


def test_small_buckets_are_named() -> None:
    (warning,) = clouds((19, 20)).small_bucket_warnings()
    assert "only 19 photos in “keep”;" in warning


LABELS = {"a": "keep", "b": "delete", "c": "keep"}


def hash_of(
    labels: dict[str, str] | None = None,
    buckets: tuple[str, ...] = ("keep", "delete"),
    model: str = "model1",
    signals_version: int = 1,
) -> str:
    labels = LABELS if labels is None else labels
    return label_hash(labels, buckets=buckets, model_fingerprint=model, signals_version=signals_version)


def test_the_order_of_labels_does_not_change_the_hash() -> None:
    assert hash_of(dict(reversed(LABELS.items()))) == hash_of()


@pytest.mark.parametrize(
    "other",
    [
        hash_of({**LABELS, "a": "delete"}),
        hash_of({**LABELS, "d": "keep"}),
        hash_of({"a": "keep", "b": "delete"}),
        hash_of(buckets=("delete", "keep")),
        hash_of(buckets=("keep", "delete", "later")),
        hash_of(model="model2"),
        hash_of(signals_version=2),
        hash_of({"ak": "eep", "b": "delete", "c": "keep"}),
    ],
)
def test_everything_that_changes_a_training_changes_the_hash(other: str) -> None:
    assert other != hash_of()


def test_the_hash_is_the_same_in_every_process_and_version() -> None:
    """A changed value here makes every user's heads train anew: only a new RECIPE may do that."""
    assert hash_of() == "785fdd7662de35cc49d297030b44ca83"


def test_names_that_are_not_utf8_can_be_hashed() -> None:
    assert hash_of({"a": "caf\udce9"}) != hash_of({"a": "cafe"})
