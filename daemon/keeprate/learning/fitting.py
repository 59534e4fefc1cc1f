"""Train a head: cross-validate the candidates, calibrate, choose a threshold, measure, ask the gate.

The order of things, and what keeps the figures honest:

1. Photos are split into folds; a group (burst, near-duplicates) lies in one fold.
2. For every penalty, without and with signals, each fold is predicted by a model that did not see it, fitted with
   balanced buckets. The logits of all folds together are one candidate.
3. Each fold's logits are calibrated by what the *other* folds say; that also brings back how often buckets occur.
4. For each fold, the candidate and the threshold are chosen by what is best on the *other* folds. The probabilities
   and decisions so made are what all metrics and the gate are computed from: no photo had a say in its own figure.
5. The head itself gets the candidate, calibration and threshold that are best over all folds, and all photos.

Runs in the worker; imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from keeprate.errors import UsageError
from keeprate.learning import gate, logistic
from keeprate.learning.calibration import fit_calibration
from keeprate.learning.classifiers import LinearClassifier
from keeprate.learning.dataset import FEW_LABELS, DataSet
from keeprate.learning.heads import IMPORTED, Head, Recipe, choose_buckets
from keeprate.learning.inputs import InputScale, fit_input_scale
from keeprate.learning.metrics import Metrics, best_f1_threshold, measure, photo_losses
from keeprate.learning.splits import SMALL, Folds, make_folds

PENALTIES: Final = (1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5)
"""From strong to weak. Inputs have about unit length, so the list holds for every model. With many labels the best one
is hardly better than its neighbours, and every second will do."""

PATIENCE: Final = 2
"""The path ends when the loss has been higher than the lowest this often in a row: weaker only overfits more."""


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """What was said about each photo by models that had not seen it; rows as in the data set."""

    probabilities: npt.NDArray[np.float64]
    """(n, k) calibrated"""
    decisions: npt.NDArray[np.intp]
    """(n,) index of the bucket chosen"""
    fold_of: npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """A trained head and whether it should be used. It is not stored yet."""

    head: Head
    decision: gate.Decision
    metrics: Metrics
    out_of_fold: OutOfFold
    reliability: str
    """One sentence for people: how far to trust the scores."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Features:
    """Inputs without or with signals, scaled and rotated once for all penalties."""

    scale: InputScale
    rotation: logistic.Rotation


@dataclass(frozen=True, slots=True)
class _Candidate:
    features: _Features
    penalty: float
    logits: npt.NDArray[np.float64]
    """(n, k) out of fold"""
    calibrated: npt.NDArray[np.float64]
    """(n, k) out of fold, calibrated by the other folds"""
    fold_losses: npt.NDArray[np.float64]
    """(folds,) sum of the log losses of each fold's photos"""


def train(
    dataset: DataSet,
    *,
    head_name: str,
    version: int,
    model_fingerprint: str,
    trained_at: datetime,
    seed: int,
    signals_version: int | None = None,
    incumbent: Head | None = None,
    incumbent_trained_on: Collection[str] = (),
    threshold: float | None = None,
    progress: Callable[[float], None] | None = None,
) -> TrainingResult:
    """Train the next version of a head. Deterministic for a data set and a seed.

    `incumbent` is the version in use and `incumbent_trained_on` the content keys that it learned from. `threshold`
    overrides the chosen one (two buckets, between 0 and 1). `progress` is called with a share of the work, 0–1, and
    may raise to stop. 200 × 1280 takes about 0.2 s, 25,000 × 768 about 8 s (with signals 13 s) of one core.

    Raises NotEnoughLabels if a bucket has fewer than two photos, UsageError for a threshold that makes no sense.
    """
    dataset.require_enough_labels(head_name)
    _check_threshold(threshold, dataset)
    report = progress or (lambda _share: None)
    # One thread: sums come out the same on every machine, and on a busy one threads mostly wait for each other.
    with threadpool_limits(limits=1, user_api="blas"):
        folds = make_folds(dataset.bucket_indices, dataset.groups, len(dataset.buckets), seed=seed)

        candidates = _cross_validate(dataset, folds, report)
        out_of_fold, chosen_threshold = _choose_honestly(dataset, folds, candidates, threshold)
        best = min(candidates, key=lambda candidate: float(candidate.fold_losses.sum()))
        metrics = measure(
            out_of_fold.probabilities,
            out_of_fold.decisions,
            dataset.bucket_indices,
            dataset.groups,
            dataset.buckets,
            folds=folds.count,
            threshold=chosen_threshold,
            seed=seed,
        )
        everyone = _balanced(np.ones((len(dataset), 1)), dataset)
        final = logistic.fit(
            best.features.rotation, dataset.bucket_indices, len(dataset.buckets), everyone, best.penalty
        )
        signal_count = best.features.scale.signal_count
        head = Head(
            name=head_name,
            buckets=dataset.buckets,
            mean=best.features.scale.mean,
            scale=best.features.scale.scale,
            classifier=LinearClassifier(
                best.features.rotation.directions @ final.weights[:, 0].astype(np.float32),
                final.biases[0].astype(np.float32),
            ),
            calibration=fit_calibration(best.logits, dataset.bucket_indices, np.array(dataset.bucket_counts())),
            threshold=chosen_threshold,
            recipe=Recipe("logistic", best.penalty),
            dimension=dataset.vectors.shape[1],
            signal_count=signal_count,
            signals_version=signals_version if signal_count else None,
            model_fingerprint=model_fingerprint,
            trained_at=trained_at,
            metrics=metrics,
            version=version,
        )
        decision = _ask_gate(
            head, dataset, folds, out_of_fold, incumbent, frozenset(incumbent_trained_on), signals_version, seed
        )
    report(1.0)
    dissolved = tuple(
        f"All photos of “{dataset.buckets[bucket]}” come from one shoot; the figures flatter until there are more."
        for bucket in folds.dissolved_buckets
    )
    return TrainingResult(
        head=head,
        decision=decision,
        metrics=metrics,
        out_of_fold=out_of_fold,
        reliability=_reliability(metrics),
        warnings=dataset.small_bucket_warnings() + dissolved,
    )


def _check_threshold(threshold: float | None, dataset: DataSet) -> None:
    if threshold is None:
        return
    if len(dataset.buckets) != 2:
        raise UsageError(f"A threshold needs a head with two buckets; this one has {len(dataset.buckets)}.")
    if not 0.0 < threshold < 1.0:
        raise UsageError(f"The threshold {threshold:g} is not between 0 and 1.")


def _cross_validate(dataset: DataSet, folds: Folds, report: Callable[[float], None]) -> list[_Candidate]:
    """All candidates that are worth a look, strongest penalty first, without signals first."""
    signal_choices = [None] if dataset.signals is None else [None, dataset.signals]
    penalties = PENALTIES if len(dataset) < SMALL else PENALTIES[::2]
    weights = _balanced(folds.training_weights(), dataset)
    candidates = []
    for number, signals in enumerate(signal_choices):
        scale = fit_input_scale(dataset.vectors, signals)
        features = _Features(scale, logistic.rotate(scale.apply(dataset.vectors, signals)))
        fits: logistic.Fits | None = None
        lowest, worse_in_a_row = np.inf, 0
        for step, penalty in enumerate(penalties):
            report(0.95 * (number + step / len(penalties)) / len(signal_choices))
            fits = _fit(features, dataset, weights, penalty, fits)
            logits = _held_out(fits, features, folds)
            candidate = _calibrated_candidate(features, penalty, logits, dataset, folds)
            candidates.append(candidate)
            loss = float(candidate.fold_losses.sum())
            worse_in_a_row = worse_in_a_row + 1 if loss > lowest else 0
            lowest = min(lowest, loss)
            if worse_in_a_row == PATIENCE:
                break
    return candidates


def _fit(
    features: _Features,
    dataset: DataSet,
    weights: npt.NDArray[np.float64],
    penalty: float,
    start: logistic.Fits | None = None,
) -> logistic.Fits:
    return logistic.fit(features.rotation, dataset.bucket_indices, len(dataset.buckets), weights, penalty, start)


def _balanced(weights: npt.NDArray[np.float64], dataset: DataSet) -> npt.NDArray[np.float64]:
    """(n, m) weights such that in each column every bucket weighs the same."""
    members = np.eye(len(dataset.buckets))[dataset.bucket_indices]
    bucket_weights = members.T @ weights
    balanced: npt.NDArray[np.float64] = weights / bucket_weights[dataset.bucket_indices]
    return balanced


def _held_out(fits: logistic.Fits, features: _Features, folds: Folds) -> npt.NDArray[np.float64]:
    """(n, k): for each photo the logits of the model of its own fold."""
    logits: npt.NDArray[np.float64] = fits.logits(features.rotation.coordinates)[
        np.arange(len(folds.fold_of)), folds.fold_of
    ]
    return logits


def _calibrated_candidate(
    features: _Features,
    penalty: float,
    logits: npt.NDArray[np.float64],
    dataset: DataSet,
    folds: Folds,
) -> _Candidate:
    everyone = np.ones(len(dataset), dtype=np.bool_)
    calibrated = _cross_calibrate(logits, dataset.bucket_indices, folds, everyone)
    losses = photo_losses(calibrated, dataset.bucket_indices)
    fold_losses = np.bincount(folds.fold_of, weights=losses, minlength=folds.count).astype(np.float64)
    return _Candidate(features, penalty, logits, calibrated, fold_losses)


def _cross_calibrate(
    logits: npt.NDArray[np.float64],
    bucket_indices: npt.NDArray[np.intp],
    folds: Folds,
    known: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """(n, k): each fold calibrated by the `known` (n,) photos of the other folds."""
    calibrated = np.empty_like(logits)
    bucket_sizes = np.bincount(bucket_indices[known], minlength=logits.shape[1])
    for fold in range(folds.count):
        inside = folds.fold_of == fold
        teachers = known & ~inside
        calibration = fit_calibration(logits[teachers], bucket_indices[teachers], bucket_sizes)
        calibrated[inside] = calibration.probabilities(logits[inside])
    return calibrated


def _choose_honestly(
    dataset: DataSet, folds: Folds, candidates: list[_Candidate], threshold: float | None
) -> tuple[OutOfFold, float | None]:
    """Choose candidate and threshold for each fold by the other folds; also the threshold for the head itself."""
    losses = np.array([candidate.fold_losses for candidate in candidates])
    totals = losses.sum(axis=1)
    first_bucket = dataset.bucket_indices == 0
    binary = len(dataset.buckets) == 2
    probabilities = np.empty_like(candidates[0].calibrated)
    decisions = np.empty(len(dataset), dtype=np.intp)
    for fold in range(folds.count):
        inside = folds.fold_of == fold
        calibrated = candidates[int(np.argmin(totals - losses[:, fold]))].calibrated
        fold_threshold = threshold
        if binary and threshold is None:
            fold_threshold = best_f1_threshold(calibrated[~inside, 0], first_bucket[~inside])
        probabilities[inside] = calibrated[inside]
        decisions[inside] = choose_buckets(calibrated[inside], fold_threshold)
    if binary and threshold is None:
        threshold = best_f1_threshold(candidates[int(np.argmin(totals))].calibrated[:, 0], first_bucket)
    return OutOfFold(probabilities, decisions, folds.fold_of), threshold


def _ask_gate(
    head: Head,
    dataset: DataSet,
    folds: Folds,
    out_of_fold: OutOfFold,
    incumbent: Head | None,
    incumbent_keys: frozenset[str],
    signals_version: int | None,
    seed: int,
) -> gate.Decision:
    """Compare with the recipe of the version in use, refitted without the labels that it did not have."""
    known = np.array([key in incumbent_keys for key in dataset.content_keys])
    added, lost = len(dataset) - int(known.sum()), len(incumbent_keys) - int(known.sum())
    obstacle = ""
    if incumbent is not None:
        obstacle = _why_not_comparable(head, dataset, folds, incumbent, known, signals_version)
    if incumbent is None or obstacle:
        return gate.decide_first(
            out_of_fold.probabilities,
            dataset.bucket_indices,
            dataset.groups,
            seed=seed,
            circumstance=obstacle or "It is the first version",
        )
    signals = dataset.signals if incumbent.uses_signals else None
    scale = fit_input_scale(dataset.vectors, signals)
    features = _Features(scale, logistic.rotate(scale.apply(dataset.vectors, signals)))
    weights = _balanced(folds.training_weights() * known[:, np.newaxis], dataset)
    assert incumbent.recipe.penalty is not None  # noqa: S101 (else it would not be comparable)
    fits = _fit(features, dataset, weights, incumbent.recipe.penalty)
    logits = _held_out(fits, features, folds)
    return gate.decide(
        out_of_fold.probabilities,
        _cross_calibrate(logits, dataset.bucket_indices, folds, known),
        dataset.bucket_indices,
        dataset.groups,
        seed=seed,
        more_labels=added > lost,
    )


def _why_not_comparable(
    head: Head,
    dataset: DataSet,
    folds: Folds,
    incumbent: Head,
    known: npt.NDArray[np.bool_],
    signals_version: int | None,
) -> str:
    """Why the version in use cannot be refitted on these photos; empty if it can."""
    if incumbent.model_fingerprint != head.model_fingerprint:
        return "The version in use was made for another model and cannot score this one's vectors"
    if incumbent.recipe == IMPORTED:
        return "The version in use was imported and cannot be trained again on the same labels"
    if set(incumbent.buckets) != set(head.buckets):
        return "The version in use has other buckets"
    if incumbent.uses_signals and (dataset.signals is None or incumbent.signals_version != signals_version):
        return "The version in use needs signals that are measured differently now"
    for fold in range(folds.count):
        teachers = known & (folds.fold_of != fold)
        if np.bincount(dataset.bucket_indices[teachers], minlength=len(dataset.buckets)).min() == 0:
            return "Too few of the labels that the version in use learned from are left to repeat it"
    return ""


def _reliability(metrics: Metrics) -> str:
    fewest = min(bucket.photos for bucket in metrics.buckets)
    interval = metrics.roc_auc_interval
    guess = "A first guess" if fewest < FEW_LABELS else "Learned"
    return (
        f"{guess} from {metrics.photos} photos: of two photos from different buckets it ranks the right one first "
        f"in {metrics.roc_auc:.0%} of cases (95 %: {interval.low:.0%} to {interval.high:.0%})."
    )
