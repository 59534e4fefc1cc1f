"""A head scores the same after a round trip through its file, and a bad file is an error, never a bad score."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from keeprate.learning.calibration import Calibration
from keeprate.learning.classifiers import LinearClassifier, MlpClassifier
from keeprate.learning.heads import FORMAT, IMPORTED, METADATA_KEY, HeadFileError, load_head, save_head
from support.made_heads import made_head, made_metrics

VECTORS = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
SIGNALS = np.random.default_rng(1).normal(size=(50, 2)).astype(np.float32)


def linear(weights: np.ndarray) -> LinearClassifier:
    return LinearClassifier(weights.astype(np.float32), np.zeros(weights.shape[1], np.float32))


def parts_of(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return json.loads(file.metadata()[METADATA_KEY]), tensors


def saved(tmp_path: Path) -> Path:
    path = tmp_path / "keep.safetensors"
    save_head(made_head(), path)
    return path


def test_probabilities_follow_the_formula() -> None:
    head = made_head()
    logit = 2 * (VECTORS[:, 0].astype(float) + 0.5 * SIGNALS[:, 0]) + 0.2
    expected = 1 / (1 + np.exp(-(1.5 * logit + 0.4)))
    probabilities = head.probabilities(VECTORS, SIGNALS)
    assert probabilities.dtype == np.float64
    assert np.allclose(probabilities[:, 0], expected, atol=1e-6)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-12)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_weights_that_overflow_give_an_error_and_no_score() -> None:
    huge = LinearClassifier(np.full((6, 2), 3e38, np.float32), np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="too large for these vectors"):
        made_head(classifier=huge).probabilities(np.full((1, 4), 1e6, np.float32), SIGNALS[:1])


def test_no_photos_no_probabilities() -> None:
    assert made_head().probabilities(VECTORS[:0], SIGNALS[:0]).shape == (0, 2)


def test_a_photo_is_scored_alone_as_among_others() -> None:
    head = made_head()
    together = head.probabilities(VECTORS, SIGNALS)
    alone = np.concatenate([head.probabilities(VECTORS[[i]], SIGNALS[[i]]) for i in range(50)])
    assert np.allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize(
    ("vectors", "signals", "message"),
    [
        (VECTORS[:, :3], SIGNALS, "expected vectors of 4 components"),
        (VECTORS, None, "expected 2 signals"),
        (VECTORS, SIGNALS[:1], "expected 2 signals"),
        (np.full((1, 4), np.nan, np.float32), SIGNALS[:1], "not finite"),
        (VECTORS[:1], np.full((1, 2), np.nan, np.float32), "not finite"),
    ],
)
def test_what_it_was_not_trained_for_is_refused(vectors: np.ndarray, signals: np.ndarray | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made_head().probabilities(vectors, signals)


def test_the_threshold_decides() -> None:
    probabilities = np.array([[0.39, 0.61], [0.4, 0.6], [0.9, 0.1]])
    assert made_head(threshold=0.4).choose(probabilities).tolist() == [1, 0, 0]
    assert made_head(threshold=None).choose(probabilities).tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"buckets": ("keep",)}, "1 buckets"),
        ({"buckets": ("keep", "keep")}, "2 buckets, of which 1 differ"),
        ({"dimension": 5}, "mean is float32"),
        ({"dimension": 0, "signal_count": 6}, "0 components"),
        ({"classifier": linear(np.zeros((6, 3)))}, "a classifier of 6 inputs and 3 buckets"),
        ({"classifier": linear(np.zeros((5, 2)))}, "a classifier of 5 inputs"),
        ({"scale": np.zeros(6, np.float32)}, "scale must be positive"),
        ({"calibration": Calibration(1.0, (0.0,))}, "calibration does not fit"),
        ({"calibration": Calibration(float("nan"), (0.0, 0.0))}, "calibration does not fit"),
        ({"calibration": Calibration(-1.0, (0.0, 0.0))}, "slope of the calibration must be positive"),
        ({"threshold": 7.0}, "threshold 7.0 is not between 0 and 1"),
        ({"threshold": float("nan")}, "threshold"),
        ({"trained_at": datetime(2025, 1, 1)}, "time zone"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made_head(**changes)


@pytest.mark.parametrize("threshold", [0.4, None])
def test_round_trip(tmp_path: Path, threshold: float | None) -> None:
    head, path = made_head(name="Hündchen", threshold=threshold), tmp_path / "keep.safetensors"
    save_head(head, path)
    again = load_head(path)
    assert again.probabilities(VECTORS, SIGNALS).tolist() == head.probabilities(VECTORS, SIGNALS).tolist()
    for field in head.__slots__:
        value = getattr(head, field)
        if field != "classifier" and not isinstance(value, np.ndarray):
            assert getattr(again, field) == value, field


def test_weights_in_column_order_survive(tmp_path: Path) -> None:
    """safetensors writes the memory as it lies; a transposed array must be laid out first."""
    weights = np.asfortranarray(np.arange(12, dtype=np.float32).reshape(6, 2))
    save_head(made_head(classifier=linear(weights)), tmp_path / "head")
    assert load_head(tmp_path / "head").classifier.tensors()["weights"].tolist() == weights.tolist()


def test_saving_replaces_and_leaves_no_temporary(tmp_path: Path) -> None:
    path = saved(tmp_path)
    save_head(made_head(version=8), path)
    assert load_head(path).version == 8
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_newer_file_says_so(tmp_path: Path) -> None:
    path = saved(tmp_path)
    description, tensors = parts_of(path)
    save_file(tensors, path, {METADATA_KEY: json.dumps({**description, "format": FORMAT + 1})})
    with pytest.raises(HeadFileError, match=r"newer keeprate \(format 3") as caught:
        load_head(path)
    assert "Update keeprate" in caught.value.advice
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "1"),
        ("format", None),
        ("buckets", ["keep"]),
        ("buckets", 5),
        ("kind", "oracle"),
        ("offsets", [0.0]),
        ("slope", "steep"),
        ("slope", float("nan")),
        ("threshold", 7),
        ("dimension", 10**9),
        ("dimension", -4),
        ("signal_count", 3),
        ("trained_at", "yesterday"),
        ("trained_at", 5),
        ("metrics", "{}"),
        ("metrics", 5),
        ("recipe", None),
        ("recipe", {"candidate": "logistic"}),
        ("version", [1]),
    ],
)
def test_a_damaged_description_is_an_error(tmp_path: Path, field: str, value: object) -> None:
    path = saved(tmp_path)
    description, tensors = parts_of(path)
    save_file(tensors, path, {METADATA_KEY: json.dumps({**description, field: value})})
    with pytest.raises(HeadFileError, match="cannot be read") as caught:
        load_head(path)
    assert "rollback" in caught.value.advice


@pytest.mark.parametrize("field", ["format", "buckets", "threshold", "metrics", "model_fingerprint"])
def test_a_missing_field_is_an_error(tmp_path: Path, field: str) -> None:
    path = saved(tmp_path)
    description, tensors = parts_of(path)
    del description[field]
    save_file(tensors, path, {METADATA_KEY: json.dumps(description)})
    with pytest.raises(HeadFileError):
        load_head(path)


@pytest.mark.parametrize("description", ["", "null", "[]", "{", "[" * 100_000])
def test_a_description_that_is_none_is_an_error(tmp_path: Path, description: str) -> None:
    path = saved(tmp_path)
    save_file(parts_of(path)[1], path, {METADATA_KEY: description})
    with pytest.raises(HeadFileError):
        load_head(path)


def test_another_safetensors_file_is_no_head(tmp_path: Path) -> None:
    save_file({"mean": np.zeros(3, np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(HeadFileError, match="not a head of keeprate"):
        load_head(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("classifier.weights", np.full((6, 2), np.nan, np.float32)),
        ("classifier.weights", np.zeros((6, 2), np.float64)),
        ("scale", -np.ones(6, np.float32)),
        ("mean", np.zeros((6, 1), np.float32)),
    ],
)
def test_damaged_tensors_are_an_error(tmp_path: Path, name: str, tensor: np.ndarray) -> None:
    path = saved(tmp_path)
    description, tensors = parts_of(path)
    save_file({**tensors, name: tensor}, path, {METADATA_KEY: json.dumps(description)})
    with pytest.raises(HeadFileError, match=name.removeprefix("classifier.")):
        load_head(path)


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(HeadFileError, match=path.name):
            load_head(path)


def test_a_file_of_the_first_format_scores_as_it_did(tmp_path: Path) -> None:
    """Heads that people have were written with the weights of one linear classifier and a penalty."""
    path = saved(tmp_path)
    description, tensors = parts_of(path)
    old = {name.removeprefix("classifier."): tensor for name, tensor in tensors.items()}
    del description["recipe"]
    save_file(old, path, {METADATA_KEY: json.dumps({**description, "format": 1, "penalty": 0.01})})
    assert load_head(path).recipe == made_head().recipe
    assert (
        load_head(path).probabilities(VECTORS, SIGNALS).tolist() == made_head().probabilities(VECTORS, SIGNALS).tolist()
    )


def test_an_imported_network_survives_its_file(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    layers = [generator.normal(size=shape).astype(np.float32) for shape in ((6, 8), (8, 4), (4, 1))]
    network = MlpClassifier(tuple(layers), tuple(np.full(layer.shape[1], 0.1, np.float32) for layer in layers))
    head = made_head(classifier=network, recipe=IMPORTED, metrics=None)
    save_head(head, tmp_path / "head")
    again = load_head(tmp_path / "head")
    assert (again.kind, again.recipe, again.metrics) == ("mlp", IMPORTED, None)
    assert again.probabilities(VECTORS, SIGNALS).tolist() == head.probabilities(VECTORS, SIGNALS).tolist()


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_an_error_or_harmless(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Truncated or with some bytes changed: HeadFileError, or a head that is valid in itself; nothing else."""
    path = saved(tmp_path_factory.mktemp("damaged"))
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        probabilities = load_head(path).probabilities(VECTORS, SIGNALS)
    except HeadFileError:
        return
    assert np.allclose(probabilities.sum(axis=1), 1)


def test_scoring_needs_neither_torch_nor_scipy_nor_scikit_learn(tmp_path: Path) -> None:
    program = f"""
import sys, numpy
from keeprate.learning.heads import load_head
head = load_head(__import__("pathlib").Path({str(saved(tmp_path))!r}))
head.probabilities(numpy.zeros((3, 4), "f4"), numpy.zeros((3, 2), "f4"))
heavy = {{"torch", "transformers", "sklearn", "scipy"}} & {{name.partition(".")[0] for name in sys.modules}}
sys.exit(f"imported {{heavy}}" if heavy else 0)
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_metrics_come_along(tmp_path: Path) -> None:
    assert load_head(saved(tmp_path)).metrics == made_metrics()
