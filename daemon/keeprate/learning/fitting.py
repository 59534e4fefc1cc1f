"""Train a head: cross-validate the candidates, calibrate, choose a threshold, measure, ask the gate.

The order of things, and what keeps the figures honest:

1. Photos are split into folds; a group (burst, near-duplicates) lies in one fold.
2. Every candidate predicts each fold by a model that did not see it, fitted with balanced buckets. The logits of all
   folds together are what it is judged by. With very many labels the recipe is chosen on a part of them.
3. Each fold's logits are calibrated by what the *other* folds say; that also brings back how often buckets occur.
4. For each fold, the candidate and the threshold are chosen by what is best on the *other* folds. The probabilities
   and decisions so made are what all metrics and the gate are computed from: no photo had a say in its own figure.
5. The head itself gets the candidate, calibration and threshold that are best over all folds, and all photos.

A bucket with a single photo can be learned from, but not tested: then the default recipe is used and nothing is said
about how good it is. Runs in the worker; imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from keeprate.errors import UsageError
from keeprate.learning import gate
from keeprate.learning.calibration import Calibration, fit_calibration
from keeprate.learning.candidates import (
    DEFAULT,
    LOGISTIC,
    PENALTIES,
    VERY_FEW,
    Background,
    Candidate,
    candidates,
    doubt,
    evaluate,
    fit,
    logistic_path,
    prepare,
    usual_slope,
)
from keeprate.learning.dataset import FEW_LABELS, DataSet
from keeprate.learning.heads import Head, Recipe, choose_buckets
from keeprate.learning.metrics import Interval, Metrics, best_f1_threshold, measure, roc_auc
from keeprate.learning.splits import Folds, make_folds, sample_groups
from keeprate.learning.succession import Incumbent, ask_gate, why_another

ENOUGH_TO_CHOOSE: Final = 2000
"""From more labels than this, so many are drawn to choose the recipe on; the head itself learns from all."""
BLIND_SLOPE: Final = 0.3
"""Of the calibration where nothing could be held out: what was measured with one photo against nine."""


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """What was said about each photo by models that had not seen it; rows as in the data set."""

    probabilities: npt.NDArray[np.float64]
    """(n, k) calibrated"""
    decisions: npt.NDArray[np.intp]
    """(n,) index of the bucket chosen"""
    fold_of: npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class CandidateResult:
    """How the best recipe of one kind did, out of fold."""

    name: str
    """Such as "logistic + signals"."""
    penalty: float | None
    log_loss: float
    """Nats a photo."""
    roc_auc: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """A trained head and whether it should be used. It is not stored yet."""

    head: Head
    decision: gate.Decision
    metrics: Metrics | None
    """None if a bucket has a single photo: nothing could be held out."""
    out_of_fold: OutOfFold | None
    """None with `metrics`."""
    candidates: tuple[CandidateResult, ...]
    """Best first; empty if nothing could be held out."""
    ungrouped_roc_auc: float | None
    """What the ROC AUC would have been said to be if groups had been torn apart: too good, where there are bursts."""
    exchange: Head | None
    """The head for programs that know vectors only: linear over plain vectors, no signals. None if not asked for."""
    reliability: str
    """One sentence for people: how far to trust the scores."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Maker:
    """What all heads of one training have in common."""

    dataset: DataSet
    name: str
    version: int
    model_fingerprint: str
    signals_version: int | None
    trained_at: datetime

    def head(
        self, candidate: Candidate, calibration: Calibration, threshold: float | None, metrics: Metrics | None
    ) -> Head:
        scale = candidate.features.scale
        return Head(
            name=self.name,
            buckets=self.dataset.buckets,
            mean=scale.mean,
            scale=scale.scale,
            tempered=scale.tempered,
            classifier=candidate.classifier(),
            calibration=calibration,
            threshold=threshold,
            recipe=candidate.recipe,
            dimension=self.dataset.vectors.shape[1],
            signal_count=scale.signal_count,
            signals_version=self.signals_version if scale.signal_count else None,
            model_fingerprint=self.model_fingerprint,
            trained_at=self.trained_at,
            metrics=metrics,
            version=self.version,
        )


def train(
    dataset: DataSet,
    *,
    head_name: str,
    version: int,
    model_fingerprint: str,
    trained_at: datetime,
    seed: int,
    signals_version: int | None = None,
    background: npt.NDArray[np.float32] | None = None,
    background_signals: npt.NDArray[np.float32] | None = None,
    incumbent: Head | None = None,
    incumbent_trained_on: Collection[str] = (),
    threshold: float | None = None,
    exchange: bool = True,
    progress: Callable[[float], None] | None = None,
) -> TrainingResult:
    """Train the next version of a head. Deterministic for a data set and a seed.

    `background` (m, d) and `background_signals` (m, s) are photos of the library, any of them, with or without a label:
    some thousands say better than a few labelled ones how vectors are spread. `incumbent` is the version in use and
    `incumbent_trained_on` the content keys that it learned from. `threshold` overrides the chosen one (two buckets,
    between 0 and 1). `exchange` asks for the head for other programs too. `progress` is called with a share of the
    work, 0–1, and may raise to stop. For how long it takes see docs/measured.md.

    Raises NotEnoughLabels if a bucket has no photo, UsageError for a threshold that makes no sense, ValueError if the
    background does not fit or is not finite.
    """
    dataset.require_enough_labels(head_name)
    _check_threshold(threshold, dataset)
    report = progress or (lambda _share: None)
    seen = None if background is None else Background(background, background_signals)
    maker = _Maker(dataset, head_name, version, model_fingerprint, signals_version, trained_at)
    # One thread: sums come out the same on every machine, and on a busy one threads mostly wait for each other. Only
    # with very many labels several are worth it.
    with threadpool_limits(limits=1 if len(dataset) <= ENOUGH_TO_CHOOSE else None, user_api="blas"):
        if min(dataset.bucket_counts()) < 2:
            result = _train_blindly(maker, seen, threshold, incumbent, exchange=exchange)
            report(1.0)
            return result
        folds = make_folds(dataset.bucket_indices, dataset.groups, len(dataset.buckets), seed=seed)
        found = _candidates(dataset, folds, seen, seed, report)
        out_of_fold, chosen_threshold = _choose_honestly(dataset, folds, found, threshold)
        best = found[_best(found, min(dataset.bucket_counts()))]
        metrics = _measure(dataset, folds, out_of_fold, chosen_threshold, seed)
        head = maker.head(best, _calibration(best, dataset), chosen_threshold, metrics)
        decision = ask_gate(
            best,
            out_of_fold.probabilities,
            dataset,
            folds,
            seen,
            Incumbent(incumbent, frozenset(incumbent_trained_on)) if incumbent else None,
            model_fingerprint=model_fingerprint,
            signals_version=signals_version,
            seed=seed,
        )
        ungrouped = _ungrouped_roc_auc(best, dataset, metrics, seed)
        exchanged = _exchange(maker, folds, seen, best, threshold, seed) if exchange else None
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
        candidates=_results(found, dataset),
        ungrouped_roc_auc=ungrouped,
        exchange=exchanged,
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


def _candidates(
    dataset: DataSet, folds: Folds, background: Background | None, seed: int, report: Callable[[float], None]
) -> list[Candidate]:
    """All candidates; with very many labels those near the one that is best on a part of them."""
    if len(dataset) <= ENOUGH_TO_CHOOSE:
        return candidates(dataset, folds, background, seed=seed, report=report)
    part = dataset.rows(
        sample_groups(dataset.bucket_indices, dataset.groups, len(dataset.buckets), ENOUGH_TO_CHOOSE, seed=seed)
    )
    part_folds = make_folds(part.bucket_indices, part.groups, len(part.buckets), seed=seed)
    tried = candidates(part, part_folds, background, seed=seed, report=lambda share: report(0.6 * share))
    linear = [candidate for candidate in tried if candidate.recipe.candidate == LOGISTIC]
    chosen = linear[_best(linear, min(part.bucket_counts()))].recipe
    features = prepare(dataset, background, signal_weight=chosen.signal_weight)
    # The more photos, the weaker the penalty that serves them best.
    weaker = tuple(penalty for penalty in PENALTIES if penalty <= (chosen.penalty or 0.0))[:3]
    found = []
    for step, candidate in enumerate(logistic_path(dataset, folds, features, chosen.signal_weight, weaker)):
        report(0.6 + 0.1 * (step + 1))
        found.append(candidate)
    return found


def _best(found: Sequence[Candidate], fewest: int, without_fold: int | None = None) -> int:
    """Which candidate has the least log loss, doubts included, on all folds or all but one."""
    losses = np.array([candidate.fold_losses for candidate in found])
    totals = losses.sum(axis=1) + np.array([doubt(candidate.recipe, fewest) for candidate in found])
    return int(np.argmin(totals if without_fold is None else totals - losses[:, without_fold]))


def _choose_honestly(
    dataset: DataSet, folds: Folds, found: list[Candidate], threshold: float | None
) -> tuple[OutOfFold, float | None]:
    """Choose candidate and threshold for each fold by the other folds; also the threshold for the head itself."""
    first_bucket, fewest = dataset.bucket_indices == 0, min(dataset.bucket_counts())
    automatic = len(dataset.buckets) == 2 and threshold is None
    probabilities = np.empty_like(found[0].calibrated)
    decisions = np.empty(len(dataset), dtype=np.intp)
    for fold in range(folds.count):
        inside = folds.fold_of == fold
        calibrated = found[_best(found, fewest, fold)].calibrated
        fold_threshold = best_f1_threshold(calibrated[~inside, 0], first_bucket[~inside]) if automatic else threshold
        probabilities[inside] = calibrated[inside]
        decisions[inside] = choose_buckets(calibrated[inside], fold_threshold)
    if automatic:
        threshold = best_f1_threshold(found[_best(found, fewest)].calibrated[:, 0], first_bucket)
    return OutOfFold(probabilities, decisions, folds.fold_of), threshold


def _measure(dataset: DataSet, folds: Folds, out_of_fold: OutOfFold, threshold: float | None, seed: int) -> Metrics:
    return measure(
        out_of_fold.probabilities,
        out_of_fold.decisions,
        dataset.bucket_indices,
        dataset.groups,
        dataset.buckets,
        folds=folds.count,
        threshold=threshold,
        seed=seed,
    )


def _calibration(candidate: Candidate, dataset: DataSet) -> Calibration:
    return fit_calibration(
        candidate.logits,
        dataset.bucket_indices,
        np.array(dataset.bucket_counts()),
        usual_slope=usual_slope(candidate.recipe),
    )


def _exchange(
    maker: _Maker, folds: Folds, background: Background | None, best: Candidate, threshold: float | None, seed: int
) -> Head:
    """The recipe that was chosen, in so far as plain vectors allow it."""
    dataset = maker.dataset
    features = prepare(dataset, background, signal_weight=0.0, tempered=False)
    candidate = evaluate(Recipe(LOGISTIC, best.recipe.penalty or PENALTIES[0]), features, dataset, folds)
    out_of_fold, threshold = _choose_honestly(dataset, folds, [candidate], threshold)
    metrics = _measure(dataset, folds, out_of_fold, threshold, seed)
    return maker.head(candidate, _calibration(candidate, dataset), threshold, metrics)


def _ungrouped_roc_auc(best: Candidate, dataset: DataSet, metrics: Metrics, seed: int) -> float:
    """What the same recipe seems to reach if photos of a group may be on both sides of a split."""
    if metrics.groups == len(dataset):
        return metrics.roc_auc
    apart = make_folds(dataset.bucket_indices, np.arange(len(dataset)), len(dataset.buckets), seed=seed)
    leaky = evaluate(best.recipe, best.features, dataset, apart, start=best.fitted, seed=seed)
    return _mean_roc_auc(leaky, dataset)


def _mean_roc_auc(candidate: Candidate, dataset: DataSet) -> float:
    buckets = range(len(dataset.buckets))
    return float(np.mean([roc_auc(candidate.calibrated[:, one], dataset.bucket_indices == one) for one in buckets]))


def _results(found: list[Candidate], dataset: DataSet) -> tuple[CandidateResult, ...]:
    """The best of each kind, best first."""
    fewest = min(dataset.bucket_counts())
    winner = found[_best(found, fewest)]
    kinds: dict[str, list[Candidate]] = {}
    for candidate in found:
        kinds.setdefault(_kind(candidate), []).append(candidate)
    results = []
    for name, alike in kinds.items():
        shown = winner if any(candidate is winner for candidate in alike) else alike[_best(alike, fewest)]
        results.append(
            CandidateResult(
                name,
                shown.recipe.penalty,
                float(shown.fold_losses.sum()) / len(dataset),
                _mean_roc_auc(shown, dataset),
                shown is winner,
            )
        )
    return tuple(sorted(results, key=lambda result: (not result.chosen, result.log_loss)))


def _kind(candidate: Candidate) -> str:
    """What a recipe is called."""
    return candidate.recipe.candidate + (" + signals" if candidate.recipe.signal_weight else "")


def _train_blindly(
    maker: _Maker, background: Background | None, threshold: float | None, incumbent: Head | None, *, exchange: bool
) -> TrainingResult:
    """With a single photo in a bucket nothing can be held out: the default recipe, and no word about how good it is."""
    dataset = maker.dataset
    counts = np.array(dataset.bucket_counts())
    offsets = np.log((counts + 0.5) / (counts + 0.5).sum())
    calibration = Calibration(BLIND_SLOPE, tuple(float(offset) for offset in offsets - offsets.mean()))
    default = DEFAULT if dataset.signals is not None else replace(DEFAULT, signal_weight=0.0)
    chosen_threshold = 0.5 if threshold is None and len(counts) == 2 else threshold

    def head(recipe: Recipe, *, tempered: bool) -> Head:
        features = prepare(dataset, background, signal_weight=recipe.signal_weight, tempered=tempered)
        fitted = fit(recipe, features, dataset, np.ones((len(dataset), 1)))
        nothing = np.empty((0, len(counts)))
        candidate = Candidate(recipe, features, fitted, nothing, nothing, np.empty(0))
        return maker.head(candidate, calibration, chosen_threshold, None)

    lone = " and ".join(f"“{bucket}”" for bucket, count in zip(dataset.buckets, counts, strict=True) if count == 1)
    comparable = incumbent is not None and not why_another(incumbent, dataset, maker.model_fingerprint)
    reason = f"With one photo in {lone} nothing can be measured yet"
    decision = gate.Decision(
        not comparable,
        f"{reason}; the version in use stays." if comparable else f"It is the first version. {reason}.",
        0.0,
        Interval(0.0, 0.0),
        "" if comparable else "it is a first attempt, and how good it is nobody can know yet",
    )
    return TrainingResult(
        head=head(default, tempered=True),
        decision=decision,
        metrics=None,
        out_of_fold=None,
        candidates=(),
        ungrouped_roc_auc=None,
        exchange=head(replace(default, signal_weight=0.0), tempered=False) if exchange else None,
        reliability=(
            f"A first attempt from {len(dataset)} photos, kept close to how often each bucket occurs: "
            "how good it is nobody can know yet."
        ),
        warnings=dataset.small_bucket_warnings(),
    )


def _reliability(metrics: Metrics) -> str:
    fewest = min(bucket.photos for bucket in metrics.buckets)
    interval = metrics.roc_auc_interval
    attempt = "A first attempt" if fewest < FEW_LABELS else "Learned"
    cautious = ", kept close to how often each bucket occurs" if fewest < VERY_FEW else ""
    return (
        f"{attempt} from {metrics.photos} photos{cautious}: of two photos from different buckets it ranks the right "
        f"one first in {metrics.roc_auc:.0%} of cases (95 %: {interval.low:.0%} to {interval.high:.0%})."
    )
