"""How often each bucket occurs in the library: as among the labels, as the person says, or estimated."""

from __future__ import annotations

from typing import Final

import numpy as np

from keeprate.catalog.embeddings import VectorChunk
from keeprate.errors import UsageError
from keeprate.learning.dataset import DataSet
from keeprate.learning.heads import Head
from keeprate.learning.prior_shift import estimate_prior
from keeprate.steps.heads.training_details import PriorUsed

LABELS: Final = "labels"
ESTIMATE: Final = "estimate"


def parse_prior(text: str) -> str | float:
    """What `--prior` was given: `labels`, `estimate`, or a share between 0 and 1.

    Raises:
        UsageError: it is none of these.
    """
    if text in (LABELS, ESTIMATE):
        return text
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0.0 < share < 1.0:
        raise UsageError(
            f"{text!r} is no prior.",
            advice="Say “labels”, “estimate”, or the share of photos that you keep, such as 0.1.",
        )
    return share


def prior_used(
    prior: str | float | None, head: Head, dataset: DataSet, background: VectorChunk | None, seed: int
) -> PriorUsed:
    """What `prior` means for a head just trained on `dataset`, with `background` as its library.

    Raises:
        UsageError: a share is given for a head with more than two buckets.
    """
    labelled = tuple(count / len(dataset) for count in dataset.bucket_counts())
    if prior == ESTIMATE and background is not None:
        known = frozenset(dataset.content_keys)
        new = [row for row, key in enumerate(background.content_keys) if key not in known]
        signals = None if background.signals is None else background.signals[new]
        found = estimate_prior(head.probabilities(background.vectors[new], signals), np.array(labelled), seed=seed)
        return PriorUsed("estimate", labelled, found.shares, found.intervals, found.photos)
    if isinstance(prior, float):
        if len(dataset.buckets) != 2:
            raise UsageError(
                f"A prior of {prior:g} needs a head with two buckets; {head.name!r} has {len(dataset.buckets)}.",
                advice="“labels” and “estimate” work with any number.",
            )
        return PriorUsed("given", labelled, (prior, 1.0 - prior))
    return PriorUsed("labels", labelled, labelled)
