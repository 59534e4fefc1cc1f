"""A trained head: what the daemon scores with, and the file that holds it.

Numpy and safetensors only; neither torch, scipy nor scikit-learn may be imported here. A head file comes from disk and
may be damaged, from a newer keeprate or from a stranger: nothing in it is believed before it is checked.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from keeprate.errors import KeeprateError
from keeprate.learning.calibration import Calibration
from keeprate.learning.classifiers import Classifier, classifier_from_tensors
from keeprate.learning.inputs import InputScale
from keeprate.learning.metrics import Metrics
from keeprate.safe_files import replace_file

FORMAT: Final = 2
"""Raised when a file can no longer be read by older keeprates. Format 1 knew linear heads only and is still read."""
METADATA_KEY: Final = "keeprate_head"
CLASSIFIER_PREFIX: Final = "classifier."
LARGEST_FILE_BYTES: Final = 256 << 20
MOST_BUCKETS: Final = 1000


class HeadFileError(KeeprateError):
    """A head file is damaged, was written by a newer keeprate, or is no head file at all."""

    slug = "head-file"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the classifier of a head was fitted, in so far as training chose: what the gate repeats."""

    candidate: str
    """The family in `fitting`, such as "logistic"; "imported" for a head that keeprate did not fit."""
    penalty: float | None = None
    """Strength of the L2 penalty, for families that have one."""
    signal_weight: float = 0.0
    """What signals count together, where vectors count 1; 0 if they are not used."""


IMPORTED: Final = Recipe("imported")


@dataclass(frozen=True, slots=True)
class Head:
    """One version of a head, ready to score: softmax(calibration(classifier(scaled inputs))).

    Raises ValueError if its parts do not fit together or hold values that are not finite.
    """

    name: str
    buckets: tuple[str, ...]
    """The first is the one whose probability is the score."""
    mean: npt.NDArray[np.float32]
    """(dimension + signal_count,)"""
    scale: npt.NDArray[np.float32]
    """(dimension + signal_count,) positive"""
    classifier: Classifier
    calibration: Calibration
    threshold: float | None
    """Two buckets: P(first) from which a photo counts as first bucket, within 0–1; None with more buckets."""
    recipe: Recipe
    dimension: int
    signal_count: int
    signals_version: int | None
    """The version of the signals that it was trained on, or None: others must not be scored with it."""
    model_fingerprint: str
    """Of the embedder whose vectors it was trained on: those of another model must not be scored with it."""
    trained_at: datetime
    metrics: Metrics | None
    """Out of fold; None where nothing could be held out, and for imported heads."""
    version: int
    tempered: bool = False
    """Whether vectors are tempered before they are scaled (`inputs.temper`)."""

    def __post_init__(self) -> None:
        width, classes = self.dimension + self.signal_count, len(self.buckets)
        if not 2 <= classes <= MOST_BUCKETS or len(set(self.buckets)) != classes:
            raise ValueError(f"{classes} buckets, of which {len(set(self.buckets))} differ")
        if self.dimension < 1 or self.signal_count < 0:
            raise ValueError(f"{self.dimension} components and {self.signal_count} signals")
        for name, array, shape in (
            ("mean", self.mean, (width,)),
            ("scale", self.scale, (width,)),
        ):
            if array.dtype != np.float32 or array.shape != shape:
                raise ValueError(f"{name} is {array.dtype} {array.shape} instead of float32 {shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"{name} holds values that are not finite")
        if not (self.scale > 0).all():
            raise ValueError("scale must be positive")
        if (self.classifier.input_width, self.classifier.bucket_count) != (width, classes):
            raise ValueError(
                f"a classifier of {self.classifier.input_width} inputs and {self.classifier.bucket_count} buckets "
                f"in a head of {width} and {classes}"
            )
        offsets = self.calibration.offsets
        if len(offsets) != classes or not all(map(math.isfinite, (self.calibration.slope, *offsets))):
            raise ValueError("the calibration does not fit the buckets")
        if self.calibration.slope <= 0:
            raise ValueError("the slope of the calibration must be positive")
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise ValueError(f"the threshold {self.threshold} is not between 0 and 1")
        if self.trained_at.tzinfo is None:
            raise ValueError("trained_at needs a time zone")

    @property
    def kind(self) -> str:
        """What sort of classifier scores: "logistic" (linear) or "mlp"."""
        return self.classifier.kind

    @property
    def uses_signals(self) -> bool:
        return self.signal_count > 0

    def probabilities(
        self, vectors: npt.NDArray[np.float32], signals: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.float64]:
        """Calibrated probabilities (n, k) of (n, dimension) vectors and, if it uses them, (n, signal_count)
        signals.

        Rows sum to 1. Raises ValueError if widths differ, or a value or a logit is not finite.
        """
        inputs = InputScale(self.mean, self.scale, self.signal_count, self.tempered).apply(vectors, signals)
        if not np.isfinite(inputs).all():
            raise ValueError("a vector or signal is not finite")
        logits = self.classifier.logits(inputs)
        if not np.isfinite(logits).all():
            raise ValueError("the head's weights are too large for these vectors")
        return self.calibration.probabilities(logits)

    def choose(self, probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        """(n,) index of the bucket for each row: by the threshold if there is one, else the likeliest."""
        return choose_buckets(probabilities, self.threshold)


def choose_buckets(probabilities: npt.NDArray[np.float64], threshold: float | None) -> npt.NDArray[np.intp]:
    """(n, k) probabilities -> (n,) bucket: P(first) ≥ threshold is the first, without a threshold the likeliest."""
    if threshold is None:
        likeliest: npt.NDArray[np.intp] = probabilities.argmax(axis=1)
        return likeliest
    second: npt.NDArray[np.intp] = (probabilities[:, 0] < threshold).astype(np.intp)
    return second


def save_head(head: Head, path: Path) -> None:
    """Write one safetensors file, atomically; its folder must exist. OSError passes through."""
    from safetensors.numpy import save as tensors_to_bytes

    description = {
        "format": FORMAT,
        "name": head.name,
        "buckets": head.buckets,
        "kind": head.kind,
        "slope": head.calibration.slope,
        "offsets": head.calibration.offsets,
        "threshold": head.threshold,
        "recipe": asdict(head.recipe),
        "tempered": head.tempered,
        "dimension": head.dimension,
        "signal_count": head.signal_count,
        "signals_version": head.signals_version,
        "model_fingerprint": head.model_fingerprint,
        "trained_at": head.trained_at.isoformat(),
        "metrics": None if head.metrics is None else head.metrics.to_json(),
        "version": head.version,
    }
    tensors = {"mean": head.mean, "scale": head.scale}
    tensors |= {CLASSIFIER_PREFIX + name: tensor for name, tensor in head.classifier.tensors().items()}
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    replace_file(path, tensors_to_bytes(contiguous, {METADATA_KEY: json.dumps(description, sort_keys=True)}))


def load_head(path: Path) -> Head:
    """Read what `save_head` wrote.

    Raises HeadFileError if the file is missing, damaged, too large, newer than this keeprate or no head file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        _check_size(path)
        with safe_open(path, framework="numpy") as file:
            description = _description(file.metadata(), path)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- no mapping
        return _head(description, tensors)
    except HeadFileError:
        raise
    except (OSError, SafetensorError, KeeprateError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise HeadFileError(
            f"The head file {path.name} cannot be read: {error}.",
            advice="Train the head again, or go back to an earlier version with “keeprate heads rollback”.",
            path=path,
        ) from error


def _check_size(path: Path) -> None:
    if path.stat().st_size > LARGEST_FILE_BYTES:
        raise ValueError(f"it is larger than {LARGEST_FILE_BYTES >> 20} MB")


def _description(metadata: dict[str, str] | None, path: Path) -> dict[str, Any]:
    if not metadata or METADATA_KEY not in metadata:
        raise ValueError("it is not a head of keeprate")
    description = json.loads(metadata[METADATA_KEY])
    if not isinstance(description, dict) or not isinstance(description.get("format"), int):
        raise TypeError("its description is malformed")
    if description["format"] > FORMAT:
        raise HeadFileError(
            f"The head file {path.name} was written by a newer keeprate (format {description['format']}; "
            f"this one reads up to {FORMAT}).",
            advice="Update keeprate, or train the head again with this one.",
            path=path,
        )
    return description


def _head(description: dict[str, Any], tensors: dict[str, npt.NDArray[Any]]) -> Head:
    """Build the head; `Head` itself checks that its parts fit together."""
    threshold, signals_version = description["threshold"], description["signals_version"]
    metrics = description["metrics"]
    prefix = CLASSIFIER_PREFIX if description["format"] > 1 else ""
    classifier = classifier_from_tensors(
        str(description["kind"]),
        {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)},
    )
    return Head(
        name=str(description["name"]),
        buckets=tuple(str(bucket) for bucket in description["buckets"]),
        mean=tensors["mean"],
        scale=tensors["scale"],
        tempered=description["format"] > 1 and bool(description["tempered"]),
        classifier=classifier,
        calibration=Calibration(float(description["slope"]), tuple(float(offset) for offset in description["offsets"])),
        threshold=None if threshold is None else float(threshold),
        recipe=_recipe(description),
        dimension=int(description["dimension"]),
        signal_count=int(description["signal_count"]),
        signals_version=None if signals_version is None else int(signals_version),
        model_fingerprint=str(description["model_fingerprint"]),
        trained_at=datetime.fromisoformat(description["trained_at"]),
        metrics=None if metrics is None else Metrics.from_json(metrics),
        version=int(description["version"]),
    )


def _recipe(description: dict[str, Any]) -> Recipe:
    if description["format"] == 1:
        return Recipe("logistic", float(description["penalty"]), float(int(description["signal_count"]) > 0))
    recipe = description["recipe"]
    penalty = recipe["penalty"]
    return Recipe(str(recipe["candidate"]), None if penalty is None else float(penalty), float(recipe["signal_weight"]))
