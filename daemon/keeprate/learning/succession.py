"""Whether a head just fitted may follow the version in use: makes the two comparable, and asks the gate.

The version in use is held to the same photos and folds by fitting its recipe again without the labels that it did not
have; why not the version itself: docs/decisions/0010-gate.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keeprate.learning import gate
from keeprate.learning.candidates import Background, Candidate, evaluate, prepare
from keeprate.learning.dataset import DataSet
from keeprate.learning.heads import IMPORTED, Head
from keeprate.learning.splits import Folds


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The version in use."""

    head: Head
    trained_on: frozenset[str]
    """Content keys of the photos that it learned from."""


def ask_gate(
    candidate: Candidate,
    probabilities: npt.NDArray[np.float64],
    dataset: DataSet,
    folds: Folds,
    background: Background | None,
    incumbent: Incumbent | None,
    *,
    model_fingerprint: str,
    signals_version: int | None,
    seed: int,
) -> gate.Decision:
    """Compare with the recipe of the version in use; where that cannot be fitted again, with the base rate and with
    what the version in use itself says.

    `probabilities` (n, k) are the candidate's out of fold, its recipe chosen anew in every fold. Where both have the
    same recipe, it is compared with itself: a recipe that is chosen is told a little worse than one that is given, and
    only the labels shall make a difference.
    """
    if incumbent is None:
        return gate.decide_first(
            probabilities,
            dataset.bucket_indices,
            dataset.groups,
            seed=seed,
            circumstance="It is the first version",
            in_use=None,
        )
    head = incumbent.head
    known = np.array([key in incumbent.trained_on for key in dataset.content_keys])
    cannot_score = why_another(head, dataset, model_fingerprint) or _why_other_signals(head, dataset, signals_version)
    obstacle = cannot_score or _why_not_repeated(head, dataset, folds, known)
    if obstacle:
        return gate.decide_first(
            probabilities,
            dataset.bucket_indices,
            dataset.groups,
            seed=seed,
            circumstance=obstacle,
            in_use=None if cannot_score else _said_of(head, dataset),
        )
    features = prepare(dataset, background, signal_weight=head.recipe.signal_weight, tempered=head.tempered)
    repeated = evaluate(head.recipe, features, dataset, folds, known=known, seed=seed)
    same = (candidate.recipe, candidate.features.scale.tempered) == (head.recipe, head.tempered)
    added, lost = len(dataset) - int(known.sum()), len(incumbent.trained_on) - int(known.sum())
    return gate.decide(
        candidate.calibrated if same else probabilities,
        repeated.calibrated,
        dataset.bucket_indices,
        dataset.groups,
        seed=seed,
        more_labels=added > lost,
    )


def why_another(head: Head, dataset: DataSet, model_fingerprint: str) -> str:
    """Why the version in use is about something else; empty if it is not."""
    if head.model_fingerprint != model_fingerprint:
        return "The version in use was made for another model and cannot score this one's vectors"
    if set(head.buckets) != set(dataset.buckets):
        return "The version in use has other buckets"
    return ""


def _why_other_signals(head: Head, dataset: DataSet, signals_version: int | None) -> str:
    if head.uses_signals and (dataset.signals is None or head.signals_version != signals_version):
        return "The version in use needs signals that are measured differently now"
    return ""


def _why_not_repeated(head: Head, dataset: DataSet, folds: Folds, known: npt.NDArray[np.bool_]) -> str:
    """Why the version in use can score these photos, but its recipe cannot be fitted again; empty if it can."""
    if head.recipe == IMPORTED:
        return "The version in use was imported and cannot be trained again on the same labels"
    for fold in range(folds.count):
        teachers = known & (folds.fold_of != fold)
        if np.bincount(dataset.bucket_indices[teachers], minlength=len(dataset.buckets)).min() == 0:
            return "Too few of the labels that the version in use learned from are left to repeat it"
    return ""


def _said_of(head: Head, dataset: DataSet) -> npt.NDArray[np.float64]:
    """(n, k) what the version in use itself says of these photos, in the order of the data set's buckets."""
    probabilities = head.probabilities(dataset.vectors, dataset.signals)
    return probabilities[:, [head.buckets.index(bucket) for bucket in dataset.buckets]]
