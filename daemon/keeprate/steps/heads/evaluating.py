"""How a head in use does on photos whose buckets are known: a test set (H26–H28), or its own out-of-fold predictions.

A test set is one sub-folder a bucket. Without one, what the training said about each labelled photo without having seen
it takes its place: as honest, and no photo has to be set aside.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from keeprate.catalog import files, out_of_fold
from keeprate.catalog.heads import HeadVersion
from keeprate.errors import UsageError
from keeprate.learning.calibration import Calibration
from keeprate.learning.heads import choose_buckets
from keeprate.learning.metrics import (
    SMALLEST_PROBABILITY,
    Interval,
    auc_interval,
    average_precision,
    calibration_error,
    resample_groups,
    resampled_auc,
    roc_auc,
)
from keeprate.learning.prior_shift import shifted
from keeprate.pictures.formats import is_picture
from keeprate.steps.heads.judging import Unreadable, judge, trained_version, version_to_judge_by
from keeprate.steps.heads.priors import LABELS
from keeprate.steps.labels.filed_copies import RecordedCopies
from keeprate.steps.labels.shots import said_of_shots
from keeprate.steps.session import Session
from keeprate.steps.worker_client import WorkerClient

Indices = npt.NDArray[np.intp]
Probabilities = npt.NDArray[np.float64]
Measure = Callable[[Probabilities, npt.NDArray[np.bool_]], float]
"""Of scores (n,) and whether each picture belongs (n,)."""


@dataclass(frozen=True, slots=True)
class EvaluatedPicture:
    """One picture, where it belongs and where the head would have put it."""

    path: str
    actual: str
    predicted: str
    probabilities: dict[str, float]
    """By bucket, the head's first one first."""
    correct: bool
    trained_on: bool
    """The head has learned from this very picture (of out-of-fold predictions: but not for this prediction)."""


@dataclass(frozen=True, slots=True)
class BucketResult:
    """One bucket against all others; None where there is nothing to divide by."""

    bucket: str
    pictures: int
    precision: float | None
    recall: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All shares lie within 0–1; None where the pictures cannot tell."""

    head: str
    version: int
    test_set: str | None
    """The folder; None: out-of-fold predictions."""
    buckets: tuple[str, ...]
    """In alphabetical order, as in `matrix`."""
    matrix: tuple[tuple[int, ...], ...]
    """How many pictures of each bucket (row) were put into each bucket (column)."""
    first_bucket: str
    """The bucket whose probability is the score."""
    threshold: float | None
    correct: int
    total: int
    accuracy: float
    balanced_accuracy: float
    """Mean recall of the buckets that have pictures."""
    roc_auc: float | None
    """Two buckets: P(a picture of the first scores above one of the second); more: mean over buckets, each against
    the rest."""
    roc_auc_interval: Interval | None
    """95 %, by resampling pictures; for out-of-fold predictions, groups of pictures while all their labels stand."""
    average_precision: float | None
    """Of the first bucket; with more than two, the mean over buckets."""
    calibration_error: float
    """Expected calibration error with bins of equal size; of out-of-fold predictions before any prior was applied."""
    keepers_lost: float | None
    """Two buckets: the share of the first bucket's pictures that were put into the second."""
    per_bucket: tuple[BucketResult, ...]
    trained_on: int
    """How many pictures of the test set the head has learned from; 0 for out-of-fold predictions."""
    notes: tuple[str, ...]
    pictures: tuple[EvaluatedPicture, ...]
    unreadable: tuple[Unreadable, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """Pictures whose buckets are known, and what the head says of them; one entry a picture."""

    paths: tuple[str, ...]
    content_keys: tuple[str, ...]
    actual: Indices
    """Into the version's buckets."""
    predicted: Indices
    probabilities: Probabilities


def evaluate(session: Session, worker: WorkerClient, head: str, test_dir: Path | None = None) -> Evaluation:
    """Compare what the head in use says with what is known.

    Args:
        test_dir: one sub-folder a bucket; None: that of the workspace, else out-of-fold predictions.

    Raises:
        UsageError: there is no such folder, its sub-folders are not the head's buckets, it holds no picture, or the
            head cannot judge (see `judging.version_to_judge_by`).
        KeeprateError: see `judging.judge`.
    """
    folder = test_dir or session.home.test_dir(head)
    if test_dir is None and (folder is None or not folder.is_dir()):
        return _of_training(session, head)
    assert folder is not None  # noqa: S101 (it is one of the two)
    version = version_to_judge_by(session, head)
    found, notes = _test_set(folder, version)
    actual_of = {path: bucket for bucket, paths in enumerate(found) for path in paths}
    judgement = judge(session, worker, version, list(actual_of))
    if not judgement.paths:
        raise UsageError(
            f"None of the {len(actual_of)} pictures could be read.",
            path=folder,
            advice=f"The first: {judgement.unreadable[0].reason}.",
        )
    known = _Known(
        paths=judgement.paths,
        content_keys=judgement.content_keys,
        actual=np.array([actual_of[path] for path in judgement.paths], np.intp),
        predicted=choose_buckets(judgement.probabilities, version.threshold),
        probabilities=judgement.probabilities,
    )
    learned_from = set(out_of_fold.load(session.catalog, head, version.version).content_keys)
    learned_from |= said_of_shots(session, head).of_photos().keys()
    trained_on = sum(key in learned_from for key in known.content_keys)
    if trained_on:
        notes.append(f"{trained_on} of these pictures were trained on: the figures flatter the head")
    twice = len(known.paths) - len(set(known.content_keys))
    if twice:
        notes.append(f"{twice} pictures are there more than once")
    copies = RecordedCopies()
    guessed = sum(copies.names(path) is True for path in known.paths)
    if guessed:
        notes.insert(
            0, f"{guessed} of these pictures lie where `classify` put them: the figures compare guesses with guesses"
        )
    return _evaluation(
        version, known, test_set=str(folder), interval=_interval(known), trained_on=trained_on, notes=notes,
        learned_from=learned_from, unreadable=judgement.unreadable,
    )  # fmt: skip


def _of_training(session: Session, head: str) -> Evaluation:
    """Of the version in use, from what its training said out of fold of the labels that still stand.

    Where the head was moved to another prior, so are the probabilities: they, the threshold and what was chosen then
    fit together, and to what the head says of new photos. Only the calibration error is of those before, for the
    labels occur as they occurred there.
    """
    version = trained_version(session, head)
    learned_from = out_of_fold.load(session.catalog, head, version.version)
    rows = learned_from.that_stand(said_of_shots(session, head).of_photos())
    index = {bucket: number for number, bucket in enumerate(version.buckets)}
    if not len(learned_from):
        raise UsageError(
            f"There is no test set for the head {head!r}, and nothing is known of its training.",
            advice="Name a folder with one sub-folder for each bucket: --test-dir DIR.",
        )
    if not len(rows):
        raise UsageError(
            f"None of the {len(learned_from)} labels that the head {head!r} learned from stands any more.",
            advice=f"`keeprate train --head {head}` learns from those that do; --test-dir DIR names a test set.",
        )
    notes = []
    changed = len(learned_from) - len(rows)
    if changed:
        notes.append(
            f"{changed} of the {len(learned_from)} labels that it learned from were changed or withdrawn since: "
            "they are left out"
        )
    said = rows.probabilities.astype(np.float64)
    probabilities, note = _as_said_now(said, version)
    notes += [note] if note else []
    known = _Known(
        paths=tuple(_path_of(session, key) for key in rows.content_keys),
        content_keys=rows.content_keys,
        actual=np.array([index[bucket] for bucket in rows.buckets], np.intp),
        predicted=np.array([index[bucket] for bucket in rows.chosen], np.intp),
        probabilities=probabilities,
    )
    measured = version.metrics.get("roc_auc_interval")
    interval = Interval(**measured) if measured and not changed else _interval(known)
    evaluation = _evaluation(
        version, known, test_set=None, interval=interval, trained_on=0, notes=notes,
        learned_from=set(rows.content_keys), unreadable=(),
    )  # fmt: skip
    return replace(evaluation, calibration_error=calibration_error(said, known.actual))


def _as_said_now(probabilities: Probabilities, version: HeadVersion) -> tuple[Probabilities, str]:
    """Out-of-fold probabilities (n, k) moved to the prior that the version is for, and a note; "" if there is none."""
    prior = version.details.get("prior")
    if not prior or prior["source"] == LABELS:
        return probabilities, ""
    unmoved = Calibration(1.0, (0.0,) * len(version.buckets))
    moved = shifted(unmoved, np.array(prior["label_shares"]), np.array(prior["shares"]))
    note = (
        f"probabilities and threshold are for photos of which {prior['shares'][0]:.1%} are {version.buckets[0]!r}, not "
        f"{prior['label_shares'][0]:.1%} as among the labels; the calibration error is from before they were moved"
    )
    return moved.probabilities(np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))), note


def _path_of(session: Session, content_key: str) -> str:
    lying = files.of_photo(session.catalog, content_key)
    return lying[0].path if lying else f"(gone: {content_key})"


def _test_set(folder: Path, version: HeadVersion) -> tuple[list[list[str]], list[str]]:
    """The pictures of each of the version's buckets, and notes about what is odd.

    Raises:
        UsageError: see `evaluate`.
    """
    if not folder.is_dir():
        what = "This is a file, not a folder." if folder.exists() else "There is no such folder."
        raise UsageError(what, path=folder, advice="A test set has one sub-folder for each bucket of the head.")
    root = folder.resolve()
    try:
        present = {entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith(".")}
        unknown = present - set(version.buckets)
        if unknown or not present:
            raise UsageError(
                f"The sub-folders of the test set ({', '.join(sorted(present)) or 'none'}) must be called as the "
                f"buckets of the head {version.head!r} ({', '.join(sorted(version.buckets))}).",
                path=folder,
            )
        found = [_pictures_in(root / bucket) if bucket in present else [] for bucket in version.buckets]
    except OSError as error:
        raise UsageError(f"The test set cannot be read: {error.strerror or error}.", path=folder) from error
    if not any(found):
        raise UsageError("There is no picture in the sub-folders of the test set.", path=folder)
    notes = [
        f"there is no picture for {bucket!r}" for bucket, paths in zip(version.buckets, found, strict=True) if not paths
    ]
    return found, notes


def _pictures_in(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(
            entry.path
            for entry in entries
            if is_picture(entry.name) and not entry.name.startswith(".") and not entry.is_dir()
        )


def _evaluation(
    version: HeadVersion,
    known: _Known,
    *,
    test_set: str | None,
    interval: Interval | None,
    trained_on: int,
    notes: Sequence[str],
    learned_from: set[str],
    unreadable: tuple[Unreadable, ...],
) -> Evaluation:
    actual, predicted, probabilities = known.actual, known.predicted, known.probabilities
    buckets = version.buckets
    counts = np.zeros((len(buckets), len(buckets)), np.intp)
    np.add.at(counts, (actual, predicted), 1)
    order = sorted(range(len(buckets)), key=lambda index: buckets[index])
    per_bucket = tuple(
        BucketResult(
            bucket=buckets[index],
            pictures=int(counts[index].sum()),
            precision=_share(counts[index, index], counts[:, index].sum()),
            recall=_share(counts[index, index], counts[index].sum()),
        )
        for index in order
    )
    right = actual == predicted
    first = per_bucket[order.index(0)]
    return Evaluation(
        head=version.head,
        version=version.version,
        test_set=test_set,
        buckets=tuple(buckets[index] for index in order),
        matrix=tuple(tuple(int(counts[row, column]) for column in order) for row in order),
        first_bucket=buckets[0],
        threshold=version.threshold,
        correct=int(right.sum()),
        total=len(right),
        accuracy=float(right.mean()),
        balanced_accuracy=float(np.mean([one.recall for one in per_bucket if one.recall is not None])),
        roc_auc=_mean_over_buckets(roc_auc, known),
        roc_auc_interval=interval,
        average_precision=_mean_over_buckets(average_precision, known),
        calibration_error=calibration_error(probabilities, actual),
        keepers_lost=None if len(buckets) > 2 or first.recall is None else 1 - first.recall,
        per_bucket=per_bucket,
        trained_on=trained_on,
        notes=tuple(notes),
        pictures=tuple(
            EvaluatedPicture(
                path=path,
                actual=buckets[known.actual[row]],
                predicted=buckets[known.predicted[row]],
                probabilities=dict(zip(buckets, map(float, probabilities[row]), strict=True)),
                correct=bool(right[row]),
                trained_on=known.content_keys[row] in learned_from,
            )
            for row, path in enumerate(known.paths)
        ),
        unreadable=unreadable,
    )


def _share(part: np.intp, whole: np.intp) -> float | None:
    return float(part / whole) if whole else None


def _mean_over_buckets(measure: Measure, known: _Known) -> float | None:
    """Of the first bucket if there are two, else the mean over those that some pictures belong to and some do not."""
    columns = range(1 if known.probabilities.shape[1] == 2 else known.probabilities.shape[1])
    values = [
        measure(known.probabilities[:, column], known.actual == column)
        for column in columns
        if 0 < (known.actual == column).sum() < len(known.actual)
    ]
    return float(np.mean(values)) if values else None


def _interval(known: _Known) -> Interval | None:
    """Of the ROC AUC, where all buckets have pictures; copies of one picture count as one observation."""
    if len(np.unique(known.actual)) < known.probabilities.shape[1]:
        return None
    groups = np.unique(known.content_keys, return_inverse=True)[1].astype(np.intp)
    aucs = resampled_auc(known.probabilities, known.actual, resample_groups(groups, seed=0))
    columns = range(known.probabilities.shape[1])
    auc = float(np.mean([roc_auc(known.probabilities[:, column], known.actual == column) for column in columns]))
    return auc_interval(auc, aucs, known.actual, groups)
