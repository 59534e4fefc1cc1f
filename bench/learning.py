"""How well and how fast heads learn from few labels, on real photos with an ImageNet backbone.

    python bench/learning.py [--draws 5] [--json]

Needs the photos and models of KEEPRATE_SHARED (default ../shared), torch and transformers; without them only the times
are measured. Each draw trains on some photos and is tested on all others; an imbalanced draw is tested on photos in
the same proportion. Vectors are kept in the temp folder, for embedding takes longer than everything else.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from keeprate.learning.dataset import DataSet
from keeprate.learning.fitting import TrainingResult, train
from keeprate.learning.groups import find_groups
from keeprate.learning.metrics import average_precision, calibration_error, roc_auc

SHARED = Path(os.environ.get("KEEPRATE_SHARED", Path(__file__).resolve().parents[2] / "shared"))
MODEL = SHARED / "models" / "mobilenetv2-224"

Vectors = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over the draws, on photos that were not trained on."""

    photos: str
    labels: int
    proportion: str
    roc_auc: float
    average_precision: float
    accuracy: float
    calibration_error: float
    expected_roc_auc: float
    """What training itself said, out of fold."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Speed:
    what: str
    seconds: float


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--draws", type=int, default=5, help="trainings that each line is the mean of (default 5)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    qualities = measure_quality(options.draws)
    speeds = measure_speed()
    if options.json:
        print(json.dumps({"quality": [asdict(line) for line in qualities], "speed": [asdict(line) for line in speeds]}))
        return
    print("photos           labels  proportion   ROC AUC  avg.prec.  accuracy     ECE  AUC said   train s")
    for line in qualities:
        print(
            f"{line.photos:<16} {line.labels:>6}  {line.proportion:>10}  {line.roc_auc:>8.4f} "
            f"{line.average_precision:>10.4f} {line.accuracy:>9.3f} {line.calibration_error:>7.3f} "
            f"{line.expected_roc_auc:>9.3f} {line.seconds:>9.2f}"
        )
    print()
    for speed in speeds:
        print(f"{speed.what:<40} {speed.seconds:>8.2f} s")


def measure_quality(draws: int) -> list[Quality]:
    if not MODEL.is_dir():
        print(f"{MODEL} is not on this machine: quality is not measured", file=sys.stderr)
        return []
    lines: list[Quality] = []
    for name in ("hotdog", "dogs_cats", "flowers5", "webpages_scored"):
        vectors, indices = load(name)
        buckets = int(indices.max()) + 1
        lines.extend(quality(name, vectors, indices, labels, (1,) * buckets, draws) for labels in (10, 20, 50, 100))
        if buckets == 2:
            lines.extend(
                quality(name, vectors, indices, labels, proportion, draws)
                for labels, proportion in ((30, (5, 1)), (120, (5, 1)), (120, (1, 5)))
            )
    return lines


def quality(
    name: str, vectors: Vectors, indices: Indices, labels: int, proportion: tuple[int, ...], draws: int
) -> Quality:
    rows = []
    for draw in range(draws):
        generator = np.random.default_rng(draw)
        chosen = take(indices, proportion, labels, generator)
        rest = np.setdiff1d(np.arange(len(indices)), chosen)
        left = np.bincount(indices[rest])
        scale = min(count / share for count, share in zip(left, proportion, strict=True))
        if len(set(proportion)) > 1:
            rest = rest[take(indices[rest], proportion, int(scale * sum(proportion)), generator)]
        started = time.perf_counter()
        result = fit(vectors[chosen], indices[chosen])
        seconds = time.perf_counter() - started
        probabilities, truth = result.head.probabilities(vectors[rest]), indices[rest]
        buckets = range(len(proportion))
        rows.append(
            (
                float(np.mean([roc_auc(probabilities[:, bucket], truth == bucket) for bucket in buckets])),
                float(np.mean([average_precision(probabilities[:, bucket], truth == bucket) for bucket in buckets])),
                float((result.head.choose(probabilities) == truth).mean()),
                calibration_error(probabilities, truth),
                result.metrics.roc_auc,
                seconds,
            )
        )
    means = [float(mean) for mean in np.mean(rows, axis=0)]
    return Quality(name, labels, ":".join(map(str, proportion)), *means)


def take(indices: Indices, proportion: tuple[int, ...], total: int, generator: np.random.Generator) -> Indices:
    """Rows drawn so that buckets are in proportion."""
    drawn = [
        generator.permutation(np.flatnonzero(indices == bucket))[: total * share // sum(proportion)]
        for bucket, share in enumerate(proportion)
    ]
    return np.concatenate(drawn)


def fit(vectors: Vectors, indices: Indices, signals: Vectors | None = None) -> TrainingResult:
    count = len(indices)
    dataset = DataSet(
        content_keys=tuple(map(str, range(count))),
        vectors=vectors,
        signals=signals,
        bucket_indices=indices,
        buckets=tuple(f"bucket{bucket}" for bucket in range(int(indices.max()) + 1)),
        groups=np.arange(count),
    )
    return train(dataset, head_name="bench", version=1, model_fingerprint="bench", trained_at=datetime.now(UTC), seed=0)


def load(name: str) -> tuple[Vectors, Indices]:
    """Vectors and buckets of one folder of photos; web pages are above or below the median of their ratings."""
    with (SHARED / "photos" / name / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    cache = Path(tempfile.gettempdir()) / f"keeprate-bench-{MODEL.name}-{name}-{len(rows)}.npy"
    if not cache.exists():
        np.save(cache, embed([SHARED / "photos" / name / row["path"] for row in rows]))
    if "label" in rows[0]:
        indices = np.unique([row["label"] for row in rows], return_inverse=True)[1]
    else:
        scores = np.array([float(row["score"]) for row in rows])
        indices = scores <= np.median(scores)
    return np.load(cache), indices.astype(np.intp)


def embed(paths: Sequence[Path]) -> Vectors:
    from keeprate.embedding.embedder import ModelSpec, load_embedder
    from keeprate.pictures.decoding import open_picture

    threads = os.cpu_count() or 1
    embedder = load_embedder(ModelSpec("mobilenetv2", str(MODEL), None, None), device="cpu", threads=threads)
    vectors = []
    for start in range(0, len(paths), 32):
        pictures = [
            open_picture(path, shortest_edge=embedder.shortest_edge, max_pixels=100_000_000)
            for path in paths[start : start + 32]
        ]
        vectors.append(embedder.embed([embedder.prepare(picture.image) for picture in pictures]))
    return np.concatenate(vectors)


def measure_speed() -> list[Speed]:
    """Vectors whose spread falls off as that of real models does; two buckets."""
    lines: list[Speed] = []
    for count, width in ((200, 1280), (2000, 768), (25_000, 768)):
        generator = np.random.default_rng(0)
        mixing = generator.normal(size=(width, width)) * (np.arange(1, width + 1) ** -0.7)[:, np.newaxis]
        vectors = (generator.normal(size=(count, width)) @ mixing).astype(np.float32)
        truth = vectors @ generator.normal(size=width)
        indices = (generator.random(count) < 1 / (1 + np.exp(-2 * truth / truth.std()))).astype(np.intp)
        signals = generator.normal(size=(count, 12)).astype(np.float32)
        hashes = generator.integers(-(2**63), 2**63 - 1, count)
        times = np.linspace(0, 300 * count, count)
        fit(vectors[:50], indices[:50])  # imports scipy
        name = f"{count} × {width}"
        lines.append(timed(f"train {name}", partial(fit, vectors, indices)))
        lines.append(timed(f"train {name} + 12 signals", partial(fit, vectors, indices, signals)))
        lines.append(timed(f"groups {name}", partial(find_groups, vectors, hashes, times, [""] * count)))
    return lines


def timed(what: str, work: Callable[[], object]) -> Speed:
    started = time.perf_counter()
    work()
    return Speed(what, time.perf_counter() - started)


if __name__ == "__main__":
    main()
