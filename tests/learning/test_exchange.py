"""Headmaster's checkpoints, written and read: H37–H44."""

from __future__ import annotations

import os
import pickle
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from keeprate.learning.calibration import Calibration
from keeprate.learning.classifiers import LinearClassifier, MlpClassifier
from keeprate.learning.exchange import LARGEST_COMPONENT, CheckpointError, head_from, read_checkpoint, write_checkpoint
from keeprate.learning.heads import Head
from support.made_heads import made_head, made_metrics

torch = pytest.importorskip("torch")

SIZE = 12


class Headmaster(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Its head, as its README describes it."""

    def __init__(self, input_dim: int, outputs: int) -> None:
        super().__init__()
        nn = torch.nn
        self.classifier = nn.Sequential(
            nn.Linear(input_dim, 256), nn.ReLU(), nn.Dropout(0.3),
            nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.2),
            nn.Linear(128, outputs),
        )  # fmt: skip

    def forward(self, vectors: Any) -> Any:
        return self.classifier(vectors)


def opened_by_headmaster(path: Path, vectors: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    """The dictionary, and the probabilities (n, k) in the order of its classes."""
    values = torch.load(path, weights_only=True)
    binary = values["type"] == "binary"
    network = Headmaster(values["input_dim"], 1 if binary else len(values["classes"]))
    network.load_state_dict(values["model_state_dict"], strict=True)
    network.eval()
    with torch.no_grad():
        logits = network(torch.from_numpy(vectors))
    if binary:
        second = torch.sigmoid(logits)[:, 0].numpy()
        return values, np.stack([1 - second, second], axis=1)
    return values, torch.softmax(logits, dim=1).numpy()


def random_head(buckets: tuple[str, ...], *, network: bool = False, outputs: int | None = None, **changes: Any) -> Head:
    """A head over vectors only, with a scale and a calibration that must not get lost."""
    generator = np.random.default_rng(7)

    def normal(*shape: int) -> npt.NDArray[np.float32]:
        return generator.normal(size=shape).astype(np.float32)

    k = outputs or len(buckets)
    classifier: LinearClassifier | MlpClassifier = LinearClassifier(normal(SIZE, k), normal(k))
    if network:
        sizes = (SIZE, 30, 20, k)
        classifier = MlpClassifier(
            tuple(normal(a, b) / np.float32(4) for a, b in pairwise(sizes)), tuple(normal(b) for b in sizes[1:])
        )
    values: dict[str, Any] = {
        "buckets": buckets, "mean": normal(SIZE), "scale": np.abs(normal(SIZE)) + 0.5, "classifier": classifier,
        "calibration": Calibration(0.7, tuple(float(x) for x in normal(len(buckets)))), "dimension": SIZE,
        "signal_count": 0, "signals_version": None, "tempered": False,
        "threshold": 0.3 if len(buckets) == 2 else None, "metrics": None,
    }  # fmt: skip
    return made_head(**{**values, **changes})


HEADS = {
    "linear": random_head(("positive", "negative")),
    "linear, first bucket sorted first": random_head(("delete", "keep")),
    "linear, five classes": random_head(("e", "b", "a", "d", "c")),
    "linear, as many classes as fit": random_head(tuple(f"{n:02}" for n in range(64))),
    "network": random_head(("positive", "negative"), network=True),
    "network, one output": random_head(("positive", "negative"), network=True, outputs=1),
    "network, one output, turned": random_head(("a", "b"), network=True, outputs=1),
    "network, three classes": random_head(("c", "a", "b"), network=True),
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_headmaster_computes_our_calibrated_probabilities(head: Head, tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).normal(size=(50, SIZE)).astype(np.float32)
    write_checkpoint(tmp_path / "out.pt", head, {}, "clip-vit-l", None)
    values, theirs = opened_by_headmaster(tmp_path / "out.pt", vectors)
    order = [head.buckets.index(one) for one in values["classes"]]
    assert values["classes"] == sorted(head.buckets)
    np.testing.assert_allclose(theirs, head.probabilities(vectors)[:, order], atol=1e-4)
    if len(head.buckets) == 2:
        chosen = np.where(theirs[:, 1] >= values["threshold"], values["classes"][1], values["classes"][0])
        ours = np.array(head.buckets)[head.choose(head.probabilities(vectors))]
        np.testing.assert_array_equal(chosen, ours)

    back = head_from(
        read_checkpoint(tmp_path / "out.pt"), name="x", buckets=head.buckets, model_fingerprint="f", version=1
    )
    np.testing.assert_allclose(back.probabilities(vectors), head.probabilities(vectors), atol=1e-4)
    if head.threshold is not None:
        assert back.threshold == pytest.approx(head.threshold)


def test_every_key_has_headmasters_name_and_type(tmp_path: Path) -> None:
    head = random_head(("keep", "delete"), metrics=made_metrics())
    sources = {"keep": ["hotdog/keep/1.jpg"], "delete": ["hotdog/delete/2.jpg", "hotdog/delete/3.jpg"]}
    write_checkpoint(tmp_path / "keep.pt", head, sources, "clip-vit-l", head.metrics)
    values = torch.load(tmp_path / "keep.pt", weights_only=True)
    assert list(values) == [
        "type", "input_dim", "model", "model_state_dict", "threshold", "classes", "sources", "metadata",
    ]  # fmt: skip
    assert (values["type"], values["input_dim"], values["model"]) == ("binary", SIZE, "clip-vit-l")
    assert type(values["threshold"]) is float
    assert values["classes"] == ["delete", "keep"]
    assert values["sources"] == sources
    assert list(values["model_state_dict"]) == [
        f"classifier.{n}.{part}" for n in (0, 3, 6) for part in ("weight", "bias")
    ]
    assert all(tensor.dtype == torch.float32 for tensor in values["model_state_dict"].values())
    assert list(values["metadata"]) == ["head", "created_at", "metrics"]
    assert values["metadata"]["created_at"].startswith("2025-05-04")
    assert {name: type(value) for name, value in values["metadata"]["metrics"].items()} == dict.fromkeys(
        ("accuracy", "precision", "recall", "f1"), float
    )

    several = random_head(("c", "a", "b"))
    write_checkpoint(tmp_path / "several.pt", several, {}, "m", None)
    values = torch.load(tmp_path / "several.pt", weights_only=True)
    assert "threshold" not in values
    assert values["type"] == "multiclass"
    assert set(values["metadata"]["metrics"]["per_class"]["a"]) == {"precision", "recall", "f1"}


REFUSED = {
    "signals": (made_head(), "measured signals"),
    "tempered": (random_head(("a", "b"), tempered=True), "tempered vectors"),
    "too many buckets": (random_head(tuple(f"{n:02}" for n in range(65))), "room for 64"),
    "too wide": (
        random_head(
            ("a", "b"),
            classifier=MlpClassifier(
                (np.ones((SIZE, 300), np.float32), np.ones((300, 2), np.float32)),
                (np.ones(300, np.float32), np.ones(2, np.float32)),
            ),
        ),
        "larger than headmaster's",
    ),
}


@pytest.mark.parametrize(("head", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_the_format_has_no_room_for_is_refused(head: Head, reason: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=reason):
        write_checkpoint(tmp_path / "out.pt", head, {}, "m", None)
    assert list(tmp_path.iterdir()) == []


# ---- what strangers bring ----


class _Command:
    """Unpickled by a careless program, it makes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._path),)


def good(outputs: int = 1) -> dict[str, Any]:
    return {
        "type": "binary" if outputs == 1 else "multiclass",
        "input_dim": SIZE,
        "model": "clip",
        "model_state_dict": Headmaster(SIZE, outputs).state_dict(),
        "threshold": 0.42,
        "classes": ["negative", "positive"] if outputs == 1 else [str(n) for n in range(outputs)],
        "sources": {},
        "metadata": {"head": "hotdog", "created_at": "2026-02-17", "metrics": {}},
    }


def test_a_checkpoint_of_headmasters_own_is_used_as_it_is(tmp_path: Path) -> None:
    torch.save(good(), tmp_path / "hotdog.pt")
    checkpoint = read_checkpoint(tmp_path / "hotdog.pt")
    head = head_from(checkpoint, name="h", buckets=("positive", "negative"), model_fingerprint="f", version=1)
    vectors = np.random.default_rng(1).normal(size=(9, SIZE)).astype(np.float32)
    _, theirs = opened_by_headmaster(tmp_path / "hotdog.pt", vectors)
    np.testing.assert_allclose(head.probabilities(vectors)[:, 0], theirs[:, 1], atol=1e-5)
    assert (head.threshold, head.recipe.candidate, head.trained_at.year) == (0.42, "imported", 2026)
    with pytest.raises(CheckpointError, match=r"knows the classes negative, positive.*keep, delete"):
        head_from(checkpoint, name="h", buckets=("keep", "delete"), model_fingerprint="f", version=1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "ranking"}, "type is 'ranking'"),
        ({"classes": ["a"]}, "a binary head with the classes a"),
        ({"classes": "ab"}, "no list of names"),
        ({"classes": ["a", "b" * 100_000]}, "a name that no folder can have"),
        ({"input_dim": 7}, r"classifier.0.weight has the shape \(256, 12\) instead of \(256, 7\)"),
        ({"input_dim": True}, "input_dim is not possible"),
        ({"threshold": 7.0}, "threshold is not within"),
        ({"threshold": None}, "threshold is not within"),
        ({"model": 3}, "model has no name"),
        ({"model_state_dict": {"net.weight": torch.ones(1)}}, "weights are called net.weight"),
        ({"model_state_dict": []}, "no state dict"),
    ],
)
def test_each_malformed_part_is_named(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    torch.save(good() | change, tmp_path / "bad.pt")
    with pytest.raises(CheckpointError, match=said):
        read_checkpoint(tmp_path / "bad.pt")


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    values = good()
    values["model_state_dict"]["classifier.3.bias"][5] = float("nan")
    torch.save(values, tmp_path / "bad.pt")
    with pytest.raises(CheckpointError, match="not finite"):
        read_checkpoint(tmp_path / "bad.pt")


def test_weights_too_large_to_compute_with_are_refused(tmp_path: Path) -> None:
    """Finite themselves, they give infinite and undefined scores."""
    values = good()
    values["model_state_dict"] = {name: tensor * 1e30 for name, tensor in values["model_state_dict"].items()}
    torch.save(values, tmp_path / "huge.pt")
    with pytest.raises(CheckpointError, match="so large that nothing can be computed"):
        read_checkpoint(tmp_path / "huge.pt")
    values["model_state_dict"] = {name: tensor / 1e27 for name, tensor in values["model_state_dict"].items()}
    torch.save(values, tmp_path / "large.pt")
    head = head_from(
        read_checkpoint(tmp_path / "large.pt"), name="h", buckets=("positive", "negative"), model_fingerprint="f",
        version=1,
    )  # fmt: skip
    assert np.isfinite(head.probabilities(np.full((1, SIZE), LARGEST_COMPONENT, np.float32))).all()


def test_weights_that_are_only_announced_are_refused(tmp_path: Path) -> None:
    values = good()
    values["model_state_dict"]["classifier.3.bias"] = torch.empty(128, device="meta")
    torch.save(values, tmp_path / "bad.pt")
    with pytest.raises(CheckpointError, match=r"classifier.3.bias holds no numbers\.$"):
        read_checkpoint(tmp_path / "bad.pt")


def test_one_flipped_bit_in_the_weights_is_found(tmp_path: Path) -> None:
    torch.save(good(), tmp_path / "hotdog.pt")
    data = bytearray((tmp_path / "hotdog.pt").read_bytes())
    data[len(data) // 2] ^= 4
    (tmp_path / "hotdog.pt").write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged"):
        read_checkpoint(tmp_path / "hotdog.pt")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hotdog.pt")
    with pytest.raises(CheckpointError, match="it is no file"):
        read_checkpoint(tmp_path / "hotdog.pt")


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    torch.save(good(), tmp_path / "good.pt")
    whole = (tmp_path / "good.pt").read_bytes()
    flipped = bytearray(whole)
    flipped[60:90] = b"\x00" * 30
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("archive/data.pkl", b"\0" * (80 << 20))
    torch.save([1, 2], tmp_path / "list.zip")
    cases = {
        "empty.pt": b"", "cut.pt": whole[: len(whole) // 2], "flipped.pt": bytes(flipped), "text.pt": b"no weights\n",
        "bomb.pt": (tmp_path / "bomb.zip").read_bytes(), "list.pt": (tmp_path / "list.zip").read_bytes(),
    }  # fmt: skip
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(CheckpointError, match=r"no checkpoint") as caught:
            read_checkpoint(tmp_path / name)
        assert caught.value.path == tmp_path / name
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_checkpoint(tmp_path / "gone.pt")


def test_nothing_in_a_malicious_checkpoint_is_run(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    torch.save(good() | {"metadata": _Command(proof)}, tmp_path / "new.pt")
    torch.save(good() | {"metadata": _Command(proof)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps(_Command(proof)))
    for name in ("new.pt", "old.pt", "pickle.pt"):
        with pytest.raises(CheckpointError, match="can be trusted"):
            read_checkpoint(tmp_path / name)
        assert not proof.exists()
