"""How well and how fast heads learn from few labels, beside headmaster's procedure and plain logistic regression.

    python bench/learning.py [--draws 10] [--epochs 5] [--json]

Needs the photos and models of KEEPRATE_SHARED (default ../shared), torch, transformers and scikit-learn; without the
photos only the times are measured. Each draw trains on some photos and is tested on all others, the same for all three
methods; buckets of the test are weighted as they occur among the labels. Vectors are kept in the temp folder.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial

import numpy as np
import numpy.typing as npt

import baselines
from keeprate.learning.dataset import DataSet
from keeprate.learning.fitting import TrainingResult, train
from keeprate.learning.groups import find_groups
from keeprate.learning.metrics import roc_auc
from labelled_photos import MODEL, Draw, Indices, LabelledPhotos, Vectors, Weights, draw, load

SETS = ("hotdog", "dogs_cats", "webpages_scored", "savoias")
LABELS = (10, 20, 50, 100, 200)
PROPORTIONS = ((1, 1), (1, 9))
FLIPPED = 0.1
FLIPPED_LABELS = (50, 100, 200)
MOST_BINS, PHOTOS_A_BIN = 15, 20
CALIBRATED_TESTS = 50

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over the draws, on photos that were not trained on."""

    photos: str
    labels: int
    proportion: str
    flipped: float
    """The share of labels that were turned around before training."""
    roc_auc: float
    headmaster_roc_auc: float
    plain_roc_auc: float
    calibration_error: float
    calibrated_error: float
    """What the same probabilities would show on tests of this size if they were right: less cannot be seen."""
    headmaster_calibration_error: float
    plain_calibration_error: float
    expected_roc_auc: float | None
    """What training itself said, out of fold; None where nothing could be held out."""
    audit_precision: float | None
    """Of the first N suspects, where N labels were flipped, how many were."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Speed:
    what: str
    seconds: float


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--draws", type=int, default=10, help="trainings that each line is the mean of (default 10)")
    parser.add_argument(
        "--epochs", type=int, default=5, help="epochs of headmaster's 50 that are timed; the rest is multiplied"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    qualities = measure_quality(options.draws)
    speeds = measure_speed(options.epochs)
    if options.json:
        print(json.dumps({"quality": [asdict(line) for line in qualities], "speed": [asdict(line) for line in speeds]}))
        return
    print("photos           labels  share flipped   AUC headm. plain    ECE (right) headm. plain  said  audit  train s")
    for line in qualities:
        print(
            f"{line.photos:<16} {line.labels:>6} {line.proportion:>6} {line.flipped:>7.0%}  {line.roc_auc:.3f} "
            f"{line.headmaster_roc_auc:.3f} {line.plain_roc_auc:.3f}  {line.calibration_error:.3f} "
            f"({line.calibrated_error:.3f})  {line.headmaster_calibration_error:.3f} "
            f"{line.plain_calibration_error:.3f} {_shown(line.expected_roc_auc)}  {_shown(line.audit_precision)} "
            f"{line.seconds:>7.2f}"
        )
    print()
    for speed in speeds:
        print(f"{speed.what:<60} {speed.seconds:>8.2f} s")


def _shown(value: float | None) -> str:
    return "    –" if value is None else f"{value:.3f}"


def measure_quality(draws: int) -> list[Quality]:
    if not MODEL.is_dir():
        print(f"{MODEL} is not on this machine: quality is not measured", file=sys.stderr)
        return []
    import torch

    torch.set_num_threads(1)  # networks this small are slower with more
    lines: list[Quality] = []
    for name in SETS:
        photos = load(name)
        for proportion in PROPORTIONS:
            lines.extend(quality(photos, labels, proportion, 0.0, draws) for labels in LABELS)
        lines.extend(quality(photos, labels, (1, 1), FLIPPED, draws) for labels in FLIPPED_LABELS)
    return lines


def quality(photos: LabelledPhotos, labels: int, proportion: tuple[int, int], flipped: float, draws: int) -> Quality:
    rows, said, audits = [], [], []
    for seed in range(draws):
        drawn = draw(photos, proportion, labels, seed=seed, flipped=flipped)
        started = time.perf_counter()
        result = fit_drawn(photos, drawn, seed)
        seconds = time.perf_counter() - started
        tested, truth = photos.vectors[drawn.rest], photos.indices[drawn.rest] == 0
        ours = result.head.probabilities(tested, photos.signals[drawn.rest])[:, 0]
        taught = photos.vectors[drawn.chosen]
        theirs = baselines.headmaster(taught, drawn.given, tested, seed=seed)[0]
        plain = baselines.plain_logistic(taught, drawn.given, tested)
        rows.append(
            (
                *(roc_auc(scores, truth) for scores in (ours, theirs, plain)),
                calibration_error(ours, truth, drawn.rest_weights),
                error_if_calibrated(ours, drawn.rest_weights, seed),
                *(calibration_error(scores, truth, drawn.rest_weights) for scores in (theirs, plain)),
                seconds,
            )
        )
        if result.metrics is not None:
            said.append(result.metrics.roc_auc)
        if flipped and result.out_of_fold is not None:
            audits.append(audit_precision(result, drawn, photos.indices))
    means = [float(mean) for mean in np.mean(rows, axis=0)]
    return Quality(
        photos=photos.name,
        labels=labels,
        proportion=":".join(map(str, proportion)),
        flipped=flipped,
        roc_auc=means[0],
        headmaster_roc_auc=means[1],
        plain_roc_auc=means[2],
        calibration_error=means[3],
        calibrated_error=means[4],
        headmaster_calibration_error=means[5],
        plain_calibration_error=means[6],
        expected_roc_auc=float(np.mean(said)) if said else None,
        audit_precision=float(np.mean(audits)) if audits else None,
        seconds=means[7],
    )


def fit_drawn(photos: LabelledPhotos, drawn: Draw, seed: int) -> TrainingResult:
    """As the daemon trains: groups, signals, and the whole library as background."""
    dataset = DataSet(
        content_keys=tuple(map(str, drawn.chosen)),
        vectors=photos.vectors[drawn.chosen],
        signals=photos.signals[drawn.chosen],
        bucket_indices=drawn.given,
        buckets=("first", "second"),
        groups=photos.groups[drawn.chosen],
    )
    return _train(dataset, seed, photos.vectors, photos.signals)


def audit_precision(result: TrainingResult, drawn: Draw, truth: Indices) -> float:
    """Of as many first suspects as labels were flipped, the share that were."""
    from keeprate.learning.audit import suspects

    assert result.out_of_fold is not None
    wrong = drawn.given != truth[drawn.chosen]
    first = suspects(drawn.given, result.out_of_fold.probabilities).order[: int(wrong.sum())]
    return float(wrong[first].mean())


def calibration_error(scores: Scores, truth: npt.NDArray[np.bool_], weights: Weights) -> float:
    """Expected calibration error with bins of equal weight: at most 15, at least 20 photos' worth in each."""
    shares = weights / weights.sum()
    effective = 1.0 / float((shares**2).sum())  # Kish's effective number of photos
    bins = int(np.clip(effective // PHOTOS_A_BIN, 1, MOST_BINS))
    order = np.argsort(scores, kind="stable")
    middles = np.cumsum(shares[order]) - shares[order] / 2
    gaps = np.bincount((middles * bins).astype(int), weights=((scores - truth) * shares)[order])
    return float(np.abs(gaps).sum())


def error_if_calibrated(scores: Scores, weights: Weights, seed: int) -> float:
    """The mean calibration error if buckets were drawn as the scores say."""
    generator = np.random.default_rng(seed)
    drawn = generator.random((CALIBRATED_TESTS, len(scores))) < scores
    return float(np.mean([calibration_error(scores, truth, weights) for truth in drawn]))


def fit(
    vectors: Vectors, indices: Indices, signals: Vectors | None = None, *, exchange: bool = False
) -> TrainingResult:
    count = len(indices)
    dataset = DataSet(
        content_keys=tuple(map(str, range(count))),
        vectors=vectors,
        signals=signals,
        bucket_indices=indices,
        buckets=("first", "second"),
        groups=np.arange(count),
    )
    return _train(dataset, 0, None, None, exchange=exchange)


def _train(
    dataset: DataSet,
    seed: int,
    background: Vectors | None,
    background_signals: Vectors | None,
    *,
    exchange: bool = False,
) -> TrainingResult:
    return train(
        dataset,
        head_name="bench",
        version=1,
        model_fingerprint="bench",
        trained_at=datetime.now(UTC),
        seed=seed,
        signals_version=1,
        background=background,
        background_signals=background_signals,
        exchange=exchange,
    )


def measure_speed(epochs: int) -> list[Speed]:
    """Vectors whose spread falls off as that of real models does; two buckets."""
    lines: list[Speed] = []
    for count, width in ((200, 1280), (2000, 768), (25_000, 768)):
        generator = np.random.default_rng(0)
        mixing = generator.normal(size=(width, width)) * (np.arange(1, width + 1) ** -0.7)[:, np.newaxis]
        vectors = (generator.normal(size=(count, width)) @ mixing).astype(np.float32)
        truth = vectors @ generator.normal(size=width)
        indices = (generator.random(count) < 1 / (1 + np.exp(-2 * truth / truth.std()))).astype(np.intp)
        signals = generator.normal(size=(count, 13)).astype(np.float32)
        hashes = generator.integers(-(2**63), 2**63 - 1, count)
        times = np.linspace(0, 300 * count, count)
        fit(vectors[:50], indices[:50])
        name = f"{count} × {width}"
        ours = timed(f"train {name} + signals", partial(fit, vectors, indices, signals))
        plain = timed(f"train {name}", partial(fit, vectors, indices))
        both = timed(
            f"train {name} + signals + head for others", partial(fit, vectors, indices, signals, exchange=True)
        )
        lines += [plain, ours, both]
        lines.append(timed(f"groups {name}", partial(find_groups, vectors, hashes, times, [""] * count)))
        theirs = headmaster_time(vectors, indices, epochs if count > 5000 else baselines.EPOCHS)
        lines.append(Speed(f"headmaster {name}", theirs))
        lines.append(Speed(f"share of headmaster's time {name}", plain.seconds / theirs))
        lines.append(Speed(f"share with signals {name}", ours.seconds / theirs))
        lines.append(Speed(f"share with signals and head for others {name}", both.seconds / theirs))
    return lines


def headmaster_time(vectors: Vectors, indices: Indices, epochs: int) -> float:
    """Seconds of its 50 epochs, in one thread or on all cores, whichever is faster here; few are run and multiplied."""
    import torch

    seconds = []
    for threads in (1, os.cpu_count() or 1):
        torch.set_num_threads(threads)
        started = time.perf_counter()
        baselines.headmaster(vectors, indices, vectors[:10], seed=0, epochs=epochs)
        seconds.append((time.perf_counter() - started) * baselines.EPOCHS / epochs)
    return min(seconds)


def timed(what: str, work: Callable[[], object]) -> Speed:
    started = time.perf_counter()
    work()
    return Speed(what, time.perf_counter() - started)


if __name__ == "__main__":
    main()
