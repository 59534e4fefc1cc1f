"""Heads as files in headmaster's format: `out/<head>.pt`, to be read by its own class, and to be taken over from it.

The format (headmaster's README, "Checkpoint Format"): a dictionary of plain values and a state dict of a network
`classifier` = Linear(d, 256), ReLU, Dropout, Linear(256, 128), ReLU, Dropout, Linear(128, 1 or k). Classes are sorted;
a single output is the log odds of `classes[1]`.

A linear head needs no other network beside it: ReLU(z) − ReLU(−z) = z, so two hidden units carry a logit unchanged
through both layers, and scale, calibration and all fit into three matrices. What headmaster computes from such a
checkpoint are our own calibrated probabilities, to the accuracy of float32.

torch is imported inside functions: only the worker, and commands about checkpoints, ever load it. A checkpoint comes
from a stranger: torch unpickles nothing but tensors and plain values here, and nothing in it is believed unchecked.
"""

from __future__ import annotations

import io
import math
import stat
import zipfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from keeprate.errors import KeeprateError
from keeprate.learning.calibration import Calibration
from keeprate.learning.classifiers import LinearClassifier, MlpClassifier
from keeprate.learning.heads import IMPORTED, Head
from keeprate.learning.metrics import Metrics
from keeprate.safe_files import replace_file

HIDDEN: Final = (256, 128)
"""Widths of headmaster's hidden layers."""
MOST_CLASSES: Final = HIDDEN[1] // 2
"""Each logit of a linear head takes two units of the narrower layer."""
LAYERS: Final = ("classifier.0", "classifier.3", "classifier.6")
LARGEST_FILE_BYTES: Final = 64 << 20
LARGEST_INPUT: Final = 32768
LARGEST_COMPONENT: Final = 1e6
"""No vision model gives vectors with larger numbers: with any up to here a head has to compute something finite."""
LONGEST_NAME: Final = 255
"""Characters; no folder has a longer name."""

Matrix = npt.NDArray[np.float64]


class CheckpointError(KeeprateError):
    """A checkpoint is damaged, is none of headmaster's, does not fit, or cannot be written for a head."""

    slug = "checkpoint"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head as headmaster writes it. Its inputs are raw vectors of `input_dim` numbers."""

    network: MlpClassifier
    """256, 128 and one output (two classes: log odds of `classes[1]`) or one for each class."""
    classes: tuple[str, ...]
    """Sorted."""
    threshold: float | None
    """Two classes: P(`classes[1]`) from which a picture counts as that class, 0–1; else None."""
    model: str
    """The name (not the path) under which the vision model was registered."""
    head: str
    created_at: str
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Class → paths of the pictures that were learned from, relative to `heads/`."""

    @property
    def input_dim(self) -> int:
        return self.network.input_width


def write_checkpoint(
    path: Path, head: Head, sources: Mapping[str, Sequence[str]], model_name: str, metrics: Metrics | None
) -> bytes:
    """Write `head` to `path` in headmaster's format, atomically; its folder must exist. Returns what was written.

    Args:
        path: replaced if it exists.
        head: any that takes vectors only, as they are, and is linear or a network no larger than headmaster's.
        sources: bucket → paths that it learned from, relative to `heads/`.
        model_name: what the vision model is called in the registry.
        metrics: of the head; None becomes NaN.

    Raises:
        CheckpointError: the head cannot be told in this format, or torch is not installed.
        OSError: it cannot be written.
    """
    classes = tuple(sorted(head.buckets))
    network = _network_of(head, classes)
    torch = _torch()
    state = OrderedDict(
        (f"{layer}.{part}", torch.from_numpy(np.ascontiguousarray(array)))
        for layer, weights, bias in zip(LAYERS, network.weights, network.biases, strict=True)
        for part, array in (("weight", weights.T), ("bias", bias))
    )
    values: dict[str, Any] = {
        "type": "binary" if len(classes) == 2 else "multiclass",
        "input_dim": head.dimension,
        "model": model_name,
        "model_state_dict": state,
    }
    if len(classes) == 2:
        values["threshold"] = _threshold_of(head, classes)
    values["classes"] = list(classes)
    values["sources"] = {one: [str(path) for path in sources.get(one, ())] for one in classes}
    values["metadata"] = {
        "head": head.name,
        "created_at": head.trained_at.isoformat(timespec="seconds"),
        "metrics": _metrics_values(metrics, classes),
    }
    target = io.BytesIO()
    torch.save(values, target)
    data = target.getvalue()
    replace_file(path, data)
    return data


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of headmaster's (or of ours). No code in it is ever run.

    Raises:
        CheckpointError: it is missing, damaged, too large, malicious, or of another kind; or torch is not installed.
    """
    torch = _torch()
    try:
        _check_container(path)
        values = torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"The checkpoint cannot be read: {error.strerror or error}.", path=path) from error
    except Exception as error:
        # pickle, zipfile and torch raise whatever comes; torch's own text recommends to load it unsafely
        raise CheckpointError(
            "The file is no checkpoint that can be trusted: it is cut short, damaged, or holds more than weights.",
            path=path,
            advice="Nothing in it was run. Copy it again from where it came from.",
        ) from error
    try:
        return _checked(values, torch)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise CheckpointError(
            f"The file is no checkpoint of headmaster's: {reason}.", path=path, advice="Train the head anew."
        ) from error


def head_from(
    checkpoint: Checkpoint, *, name: str, buckets: tuple[str, ...], model_fingerprint: str, version: int
) -> Head:
    """The head that scores like `checkpoint`, for vectors of the model with this fingerprint.

    Raises:
        CheckpointError: its classes are not the `buckets`.
    """
    if set(buckets) != set(checkpoint.classes):
        raise CheckpointError(
            f"The checkpoint knows the classes {_listed(checkpoint.classes)}, "
            f"but the head {name!r} has the buckets {', '.join(buckets)}.",
            advice="Name the folders as the classes are named, or train the head anew.",
        )
    network, threshold = checkpoint.network, checkpoint.threshold
    if len(buckets) > 2:
        order = [checkpoint.classes.index(bucket) for bucket in buckets]
        network = _with_last(network, network.weights[-1][:, order], network.biases[-1][order])
    elif buckets[0] != checkpoint.classes[1]:
        network = _with_last(network, -network.weights[-1], -network.biases[-1])
        threshold = None if threshold is None else 1 - threshold
    width = checkpoint.input_dim
    return Head(
        name=name,
        buckets=buckets,
        mean=np.zeros(width, np.float32),
        scale=np.ones(width, np.float32),
        tempered=False,
        classifier=network,
        calibration=Calibration(1.0, (0.0,) * len(buckets)),
        threshold=None if threshold is None else min(max(threshold, 1e-6), 1 - 1e-6),
        recipe=IMPORTED,
        dimension=width,
        signal_count=0,
        signals_version=None,
        model_fingerprint=model_fingerprint,
        trained_at=_time_of(checkpoint.created_at),
        metrics=None,
        version=version,
    )


# ---- from a head to the network ----


def _network_of(head: Head, classes: tuple[str, ...]) -> MlpClassifier:
    """Headmaster's network with the probabilities of `head` for the sorted `classes`."""
    if head.uses_signals:
        raise _cannot_tell(head, "it looks at measured signals too, and a checkpoint takes vectors only")
    if head.tempered:
        raise _cannot_tell(head, "it looks at tempered vectors, and a checkpoint takes them as they are")
    match head.classifier:
        case LinearClassifier() as linear:
            if len(classes) > MOST_CLASSES:
                raise _cannot_tell(head, f"it has {len(classes)} buckets, and the format has room for {MOST_CLASSES}")
            layers = [(linear.weights.astype(np.float64), linear.bias.astype(np.float64))]
        case MlpClassifier() as network:
            layers = [
                (weights.astype(np.float64), bias.astype(np.float64))
                for weights, bias in zip(network.weights, network.biases, strict=True)
            ]
        case other:
            raise _cannot_tell(head, f"its classifier is of the kind {other.kind}")
    _take_in_scale(layers, head)
    _take_in_calibration(layers, head, classes)
    if len(layers) == 1:
        layers = _carried_through(*layers[0])
    if len(layers) != 3 or any(
        bias.size > width for (_, bias), width in zip(layers, (*HIDDEN, math.inf), strict=False)
    ):
        raise _cannot_tell(head, "its network is larger than headmaster's")
    weights, biases = [], []
    rows = head.dimension
    for (matrix, bias), width in zip(layers, (*HIDDEN, layers[-1][1].size), strict=True):
        wide, long = np.zeros((rows, width), np.float32), np.zeros(width, np.float32)
        wide[: matrix.shape[0], : matrix.shape[1]] = matrix
        long[: bias.size] = bias
        weights.append(wide)
        biases.append(long)
        rows = width
    return MlpClassifier(tuple(weights), tuple(biases))


def _take_in_scale(layers: list[tuple[Matrix, Matrix]], head: Head) -> None:
    """(x − mean) / scale @ W + b = x @ (W / scale) + (b − mean / scale @ W)"""
    weights, bias = layers[0]
    scale = head.scale.astype(np.float64)
    scaled = weights / scale[:, None]
    layers[0] = (scaled, bias - head.mean.astype(np.float64) @ scaled)


def _take_in_calibration(layers: list[tuple[Matrix, Matrix]], head: Head, classes: tuple[str, ...]) -> None:
    """Calibrated logits in the order of `classes`; of two classes the log odds of the second."""
    weights, bias = layers[-1]
    slope, offsets = head.calibration.slope, np.asarray(head.calibration.offsets)
    if bias.size == 1:  # log odds of the head's first bucket
        weights, bias = slope * weights, slope * bias + (offsets[0] - offsets[1])
        sign = 1.0 if head.buckets[0] == classes[1] else -1.0
        layers[-1] = (sign * weights, sign * bias)
        return
    order = [head.buckets.index(one) for one in classes]
    weights, bias = slope * weights[:, order], (slope * bias + offsets)[order]
    if len(classes) == 2:
        weights, bias = weights[:, 1:] - weights[:, :1], bias[1:] - bias[:1]
    layers[-1] = (weights, bias)


def _carried_through(weights: Matrix, bias: Matrix) -> list[tuple[Matrix, Matrix]]:
    """Three layers that give x @ weights + bias: each logit goes as ReLU(z) and ReLU(−z) through both hidden ones."""
    count = bias.size
    both = np.vstack([np.eye(count), -np.eye(count)])
    return [
        (np.hstack([weights, -weights]), np.concatenate([bias, -bias])),
        (np.eye(2 * count), np.zeros(2 * count)),
        (both, np.zeros(count)),
    ]


def _cannot_tell(head: Head, reason: str) -> CheckpointError:
    return CheckpointError(f"The head {head.name!r} cannot be written as a checkpoint: {reason}.")


def _threshold_of(head: Head, classes: tuple[str, ...]) -> float:
    threshold = 0.5 if head.threshold is None else head.threshold
    return float(threshold if head.buckets[0] == classes[1] else 1 - threshold)


def _metrics_values(metrics: Metrics | None, classes: tuple[str, ...]) -> dict[str, Any]:
    """What headmaster's `status` shows."""
    accuracy = math.nan if metrics is None else float(metrics.accuracy)
    of_class = {
        one: dict.fromkeys(("precision", "recall", "f1"), math.nan) for one in classes
    }  # NaN: nothing could be held out
    for bucket in metrics.buckets if metrics is not None else ():
        of_class[bucket.bucket] = {
            "precision": float(bucket.precision), "recall": float(bucket.recall), "f1": float(bucket.f1),
        }  # fmt: skip
    if len(classes) == 2:
        return {"accuracy": accuracy, **of_class[classes[1]]}
    return {"accuracy": accuracy, "per_class": of_class}


# ---- from a file to the network ----


def _check_container(path: Path) -> None:
    """A whole zip archive, as torch.save writes it, that is no larger in memory than it says.

    torch itself does not look at the archive's checksums.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):  # a pipe would keep us waiting for ever
        raise CheckpointError("The checkpoint cannot be read: it is no file.", path=path)
    if found.st_size > LARGEST_FILE_BYTES:
        raise ValueError(f"it is larger than {LARGEST_FILE_BYTES >> 20} MB")
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > LARGEST_FILE_BYTES:
            raise ValueError("it would be too large in memory")
        if (damaged := archive.testzip()) is not None:
            raise ValueError(f"{damaged} is damaged")


def _checked(values: Any, torch: Any) -> Checkpoint:
    """The checkpoint that `values` describe. Raises KeyError, TypeError or ValueError with what is wrong."""
    if not isinstance(values, dict):
        raise TypeError("it holds no dictionary")
    kind, classes, input_dim = values["type"], values["classes"], values["input_dim"]
    if kind not in ("binary", "multiclass"):
        raise ValueError(f"its type is {str(kind)[:40]!r}")
    if not isinstance(classes, list) or not all(isinstance(one, str) and one for one in classes):
        raise TypeError("its classes are no list of names")
    if any(len(one) > LONGEST_NAME for one in classes):
        raise ValueError("one of its classes has a name that no folder can have")
    if len(set(classes)) != len(classes) or (len(classes) != 2 if kind == "binary" else len(classes) < 2):
        raise ValueError(f"a {kind} head with the classes {_listed(classes)}")
    if type(input_dim) is not int or not 1 <= input_dim <= LARGEST_INPUT:
        raise ValueError("its input_dim is not possible")
    metadata, model = values.get("metadata"), values["model"]
    metadata = metadata if isinstance(metadata, dict) else {}
    if not isinstance(model, str):
        raise TypeError("its model has no name")
    sources = values.get("sources")
    return Checkpoint(
        network=_network(values["model_state_dict"], input_dim, 1 if kind == "binary" else len(classes), torch),
        classes=tuple(classes),
        threshold=_probability(values["threshold"]) if kind == "binary" else None,
        model=model,
        head=str(metadata.get("head", "")),
        created_at=str(metadata.get("created_at", "")),
        sources={str(one): tuple(map(str, paths)) for one, paths in sources.items() if isinstance(paths, list)}
        if isinstance(sources, dict)
        else {},
    )


def _network(state: Any, input_dim: int, outputs: int, torch: Any) -> MlpClassifier:
    if not isinstance(state, dict):
        raise TypeError("its weights are no state dict")
    expected = {f"{layer}.{part}" for layer in LAYERS for part in ("weight", "bias")}
    if set(state) != expected:
        raise ValueError(f"its weights are called {', '.join(map(str, list(state)[:6]))[:120]}")
    weights, biases = [], []
    widths = (input_dim, *HIDDEN, outputs)
    for layer, rows, columns in zip(LAYERS, widths[:-1], widths[1:], strict=True):
        weights.append(_array(state, f"{layer}.weight", (columns, rows), torch).T.copy())
        biases.append(_array(state, f"{layer}.bias", (columns,), torch))
    network = MlpClassifier(tuple(weights), tuple(biases))
    if _largest_value(network) > float(np.finfo(np.float32).max):
        raise ValueError("its weights are so large that nothing can be computed with them")
    return network


def _largest_value(network: MlpClassifier) -> float:
    """What no value on the way through `network` exceeds, for vectors of components up to LARGEST_COMPONENT."""
    bounds, largest = np.full(network.input_width, LARGEST_COMPONENT), 0.0
    for weights, bias in zip(network.weights, network.biases, strict=True):  # float64 does not overflow
        bounds = bounds @ np.abs(weights.astype(np.float64)) + np.abs(bias.astype(np.float64))
        largest = max(largest, float(bounds.max()))
    return largest


def _array(state: dict[str, Any], name: str, shape: tuple[int, ...], torch: Any) -> npt.NDArray[np.float32]:
    tensor = state[name]
    plain = isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided and tensor.device.type == "cpu"
    if not plain or not tensor.is_floating_point():
        raise TypeError(f"{name} holds no numbers")
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{name} has the shape {tuple(tensor.shape)} instead of {shape}")
    array: npt.NDArray[np.float32] = tensor.detach().to(torch.float32).contiguous().numpy()
    return array


def _listed(names: Sequence[str]) -> str:
    text = ", ".join(names)
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def _probability(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("its threshold is not within 0 and 1")
    return float(value)


def _with_last(
    network: MlpClassifier, weights: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]
) -> MlpClassifier:
    return MlpClassifier((*network.weights[:-1], weights), (*network.biases[:-1], bias))


def _time_of(text: str) -> datetime:
    """An ISO time, taken as UTC if it names no zone; the beginning of unix time if it is none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise CheckpointError(
            "Checkpoints in headmaster's format need torch.", advice="pip install 'keeprate[models]' brings it."
        ) from error
    return torch
