"""The ways of fitting that compete for a head, and what each says about photos that it has not seen.

A `Recipe` names a family, a penalty and what signals count. Fitting one for all folds at once and for all photos gives
a `Candidate`; `fitting` chooses among them. Families, the default and what was tried and left out: docs/decisions/0011.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from keeprate.learning import logistic, perceptron, prototypes
from keeprate.learning.calibration import fit_calibration
from keeprate.learning.classifiers import Classifier, LinearClassifier
from keeprate.learning.dataset import DataSet
from keeprate.learning.heads import Recipe
from keeprate.learning.inputs import InputScale, fit_input_scale, worth_tempering
from keeprate.learning.metrics import photo_losses
from keeprate.learning.splits import Folds

LOGISTIC: Final = "logistic"
PROTOTYPES: Final = "prototypes"
MLP: Final = "mlp"

PENALTIES: Final = (1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4)
"""From strong to weak. Inputs have about unit length, so the list holds for every model."""
SIGNAL_WEIGHTS: Final = (0.0, 0.05, 0.3)
DEFAULT: Final = Recipe(LOGISTIC, 0.01, 0.05)
"""Right, or nearly so, on every set that was measured: what few labels are given, which cannot tell what suits them."""
PENALTY_DOUBT: Final = 1.0
SIGNAL_DOUBT: Final = 1.5
FAMILY_DOUBT: Final = 1.0
"""By how many nats, over all photos together, a recipe must be better for each step (a factor of ten of the penalty,
another weight of signals, another family) that it is away from the default."""
VERY_FEW: Final = 10
"""Below this many photos in a bucket, doubts grow in proportion: what so few say is mostly chance. The head then also
stays close to how often each bucket occurs (`calibration`)."""
PATIENCE: Final = 2
"""The path ends when the loss has been higher than the lowest this often in a row: weaker only overfits more."""
USUAL_SLOPES: Final = ((1e-4, 1e-3, 1e-2, 1e-1, 1.0), (0.6, 1.0, 1.8, 5.0, 27.0))
"""Penalties, and the slopes that calibration found with them: on each of four sets of photos within a factor of 1.7."""
USUAL_SLOPE_OF_PROTOTYPES: Final = 14.0
ENOUGH_TO_SCALE: Final = 10_000
"""Photos, with and without labels, that means and spreads are measured on."""
MLP_LABELS: Final = range(500, 1501)
"""With fewer labels the network was never best (docs/decisions/0011), with more it takes too long."""


@dataclass(frozen=True, slots=True)
class Background:
    """Photos of the library without labels: what vectors look like at large. Raises ValueError if not finite."""

    vectors: npt.NDArray[np.float32]
    """(m, d)"""
    signals: npt.NDArray[np.float32] | None
    """(m, s)"""


@dataclass(frozen=True, slots=True)
class Features:
    """Inputs with signals of a certain weight, scaled and rotated once for all recipes that read them."""

    scale: InputScale
    column_weights: npt.NDArray[np.float32]
    """(w,) by what the scaled inputs are multiplied: 1, and less for signals."""
    rotation: logistic.Rotation


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recipe, fitted."""

    recipe: Recipe
    features: Features
    fitted: logistic.Fits | perceptron.Networks
    """A model for each fold, and last one of all photos."""
    logits: npt.NDArray[np.float64]
    """(n, k) out of fold"""
    calibrated: npt.NDArray[np.float64]
    """(n, k) out of fold, calibrated by the other folds"""
    fold_losses: npt.NDArray[np.float64]
    """(folds,) sum of the log losses of each fold's photos"""

    def classifier(self) -> Classifier:
        """The one of all photos, over scaled inputs."""
        return classifier_of_all(self.fitted, self.features)


def doubt(recipe: Recipe, fewest: int) -> float:
    """Nats that are added to the log loss of all photos when recipes are compared; `fewest` photos in a bucket."""
    steps = 0.0
    if recipe.penalty is not None and DEFAULT.penalty is not None:
        steps += PENALTY_DOUBT * abs(float(np.log10(recipe.penalty / DEFAULT.penalty)))
    steps += SIGNAL_DOUBT * (recipe.signal_weight != DEFAULT.signal_weight)
    steps += FAMILY_DOUBT * (recipe.candidate != DEFAULT.candidate)
    return steps * max(1.0, VERY_FEW / fewest)


def usual_slope(recipe: Recipe) -> float:
    """The slope of the calibration that is usual for a recipe: strong penalties make logits too small."""
    if recipe.penalty is None:
        return USUAL_SLOPE_OF_PROTOTYPES if recipe.candidate == PROTOTYPES else 1.0
    penalties, slopes = USUAL_SLOPES
    return float(np.interp(np.log(recipe.penalty), np.log(penalties), slopes))


def prepare(
    dataset: DataSet, background: Background | None, *, signal_weight: float, tempered: bool = True
) -> Features:
    """Scale by all photos at hand, rotate those with labels. `tempered`: where the vectors are of that kind."""
    signals = dataset.signals if signal_weight else None
    step = max(1, len(dataset) // ENOUGH_TO_SCALE)
    seen, seen_signals = dataset.vectors[::step], None if signals is None else signals[::step]
    lacking = ENOUGH_TO_SCALE - len(dataset)
    if background is not None and lacking > 0:
        seen = np.concatenate([seen, background.vectors[:lacking]])
        if signals is not None and background.signals is not None:
            seen_signals = np.concatenate([signals, background.signals[:lacking]])
    scale = fit_input_scale(seen, seen_signals, tempered=tempered and worth_tempering(seen))
    inputs = scale.apply(dataset.vectors, signals)
    column_weights = np.ones(inputs.shape[1], np.float32)
    column_weights[dataset.vectors.shape[1] :] = np.sqrt(signal_weight)
    inputs *= column_weights
    return Features(scale, column_weights, logistic.rotate(inputs))


def candidates(
    dataset: DataSet,
    folds: Folds,
    background: Background | None,
    *,
    seed: int,
    report: Callable[[float], None],
) -> list[Candidate]:
    """All that are worth a look, by weight of signals, family and penalty."""
    signal_weights = SIGNAL_WEIGHTS if dataset.signals is not None else (0.0,)
    found: list[Candidate] = []
    for number, signal_weight in enumerate(signal_weights):
        features = prepare(dataset, background, signal_weight=signal_weight)
        steps = len(PENALTIES) + 1
        for step, candidate in enumerate(_family_by_family(dataset, folds, features, signal_weight, seed)):
            report(0.95 * (number + min(1.0, step / steps)) / len(signal_weights))
            found.append(candidate)
    return found


def logistic_path(
    dataset: DataSet, folds: Folds, features: Features, signal_weight: float, penalties: tuple[float, ...]
) -> Iterator[Candidate]:
    """Logistic regressions from strong to weak penalties, until weaker ones only get worse."""
    start: logistic.Fits | perceptron.Networks | None = None
    lowest, worse_in_a_row = np.inf, 0
    for penalty in penalties:
        candidate = evaluate(Recipe(LOGISTIC, penalty, signal_weight), features, dataset, folds, start=start)
        yield candidate
        start = candidate.fitted
        loss = float(candidate.fold_losses.sum())
        worse_in_a_row = worse_in_a_row + 1 if loss > lowest else 0
        lowest = min(lowest, loss)
        if worse_in_a_row == PATIENCE:
            return


def _family_by_family(
    dataset: DataSet, folds: Folds, features: Features, signal_weight: float, seed: int
) -> Iterator[Candidate]:
    yield from logistic_path(dataset, folds, features, signal_weight, PENALTIES)
    yield evaluate(Recipe(PROTOTYPES, None, signal_weight), features, dataset, folds)
    slow = signal_weight > DEFAULT.signal_weight
    if len(dataset) in MLP_LABELS and features.rotation.spread.size and not slow:
        yield evaluate(Recipe(MLP, None, signal_weight), features, dataset, folds, seed=seed)


def evaluate(
    recipe: Recipe,
    features: Features,
    dataset: DataSet,
    folds: Folds,
    *,
    known: npt.NDArray[np.bool_] | None = None,
    start: logistic.Fits | perceptron.Networks | None = None,
    seed: int = 0,
) -> Candidate:
    """Fit a recipe for all folds; only `known` (n,) photos teach and calibrate, all are predicted."""
    everyone = np.ones(len(dataset), dtype=np.bool_) if known is None else known
    weights = np.hstack([folds.training_weights(), np.ones((len(dataset), 1))])
    weights *= everyone[:, np.newaxis]
    fitted = fit(recipe, features, dataset, weights, start=start, seed=seed)
    rows = np.arange(len(dataset))
    logits: npt.NDArray[np.float64] = fitted.logits(features.rotation.coordinates)[rows, folds.fold_of]
    calibrated = _cross_calibrate(logits, dataset.bucket_indices, folds, everyone, usual_slope(recipe))
    losses = photo_losses(calibrated, dataset.bucket_indices)
    fold_losses = np.bincount(folds.fold_of, weights=losses, minlength=folds.count).astype(np.float64)
    return Candidate(recipe, features, fitted, logits, calibrated, fold_losses)


def fit(
    recipe: Recipe,
    features: Features,
    dataset: DataSet,
    weights: npt.NDArray[np.float64],
    *,
    start: logistic.Fits | perceptron.Networks | None = None,
    seed: int = 0,
) -> logistic.Fits | perceptron.Networks:
    """A model for each column of `weights` (n, m), each with balanced buckets. `recipe` must not be imported."""
    balanced = _balanced(weights, dataset)
    rotation, indices, buckets = features.rotation, dataset.bucket_indices, len(dataset.buckets)
    if recipe.candidate == PROTOTYPES:
        return prototypes.fit(rotation, indices, buckets, balanced)
    if recipe.candidate == MLP:
        return perceptron.fit(rotation, indices, buckets, balanced, seed=seed)
    if recipe.candidate != LOGISTIC or recipe.penalty is None:
        raise ValueError(f"{recipe} cannot be fitted")
    warm = start if isinstance(start, logistic.Fits) else None
    return logistic.fit(rotation, indices, buckets, balanced, recipe.penalty, warm)


def classifier_of_all(fitted: logistic.Fits | perceptron.Networks, features: Features) -> Classifier:
    """The last model, which is that of all photos, as a head carries it: over scaled inputs."""
    directions = features.column_weights[:, np.newaxis] * features.rotation.directions
    if isinstance(fitted, perceptron.Networks):
        return fitted.over_inputs(-1, directions)
    return LinearClassifier(directions @ fitted.weights[:, -1].astype(np.float32), fitted.biases[-1].astype(np.float32))


def _balanced(weights: npt.NDArray[np.float64], dataset: DataSet) -> npt.NDArray[np.float64]:
    """(n, m) weights such that in each column every bucket weighs the same."""
    members = np.eye(len(dataset.buckets))[dataset.bucket_indices]
    bucket_weights = members.T @ weights
    balanced: npt.NDArray[np.float64] = weights / bucket_weights[dataset.bucket_indices]
    return balanced


def _cross_calibrate(
    logits: npt.NDArray[np.float64],
    bucket_indices: npt.NDArray[np.intp],
    folds: Folds,
    known: npt.NDArray[np.bool_],
    slope: float,
) -> npt.NDArray[np.float64]:
    """(n, k): each fold calibrated by the `known` (n,) photos of the other folds."""
    calibrated = np.empty_like(logits)
    bucket_sizes = np.bincount(bucket_indices[known], minlength=logits.shape[1])
    for fold in range(folds.count):
        inside = folds.fold_of == fold
        teachers = known & ~inside
        calibration = fit_calibration(logits[teachers], bucket_indices[teachers], bucket_sizes, usual_slope=slope)
        calibrated[inside] = calibration.probabilities(logits[inside])
    return calibrated
