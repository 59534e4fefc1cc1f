"""The train step, in the worker: labels and cached vectors in, a head version out, in use if it is better."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from keeprate.catalog import embeddings, heads, labels, models
from keeprate.catalog.heads import HeadVersion
from keeprate.catalog.models import Model
from keeprate.learning.dataset import DataSet, NotEnoughLabels, label_hash
from keeprate.learning.fitting import TrainingResult
from keeprate.learning.fitting import train as fit
from keeprate.learning.groups import find_groups
from keeprate.learning.heads import Head, HeadFileError, save_head
from keeprate.pictures.signals import SIGNALS_VERSION
from keeprate.safe_files import sweep_temporaries
from keeprate.service.scoring import head_of
from keeprate.service.session import Progress, Session
from keeprate.service.tasks import TrainOutcome, TrainTask


def train(session: Session, task: TrainTask) -> TrainOutcome:
    """Train one head on the labels that stand now.

    The labels' photos need not exist any more: their vectors do. A head version is recorded whether or not it is
    taken into use; nothing at all is done if neither labels nor model have changed since the last one.

    Raises:
        UsageError: there is no such head, or the threshold makes no sense for it.
    """
    started = time.monotonic()
    (buckets,) = session.heads(task.head).values()
    model = models.active(session.catalog)
    said = {
        key: label.bucket
        for key, label in labels.current(session.catalog, task.head).items()
        if label.bucket in buckets
    }
    dataset = _dataset(session, model, said, buckets)
    if model.fingerprint is None or dataset is None:
        return _untrained(task, "Not trained: none of the labelled photos has a vector by the active model yet.")
    used = {key: said[key] for key in dataset.content_keys}
    digest = label_hash(used, buckets=buckets, model_fingerprint=model.fingerprint, signals_version=SIGNALS_VERSION)
    history = heads.history(session.catalog, task.head)
    if history and history[0].label_hash == digest and task.threshold is None and not task.force:
        return _untrained(task, "Not trained: no label has changed since the last time.")
    incumbent = _incumbent(session, task.head)
    number = heads.next_version(session.catalog, task.head)
    try:
        result = fit(
            dataset,
            head_name=task.head,
            version=number,
            model_fingerprint=model.fingerprint,
            trained_at=datetime.now(UTC),
            seed=session.config.training.seed,
            signals_version=SIGNALS_VERSION,
            incumbent=incumbent.head if incumbent else None,
            incumbent_trained_on=incumbent.trained_on if incumbent else (),
            threshold=task.threshold,
            progress=lambda share: session.reporter.progress(Progress("train", round(100 * share), 100, task.head)),
        )
    except NotEnoughLabels as error:
        return _untrained(task, f"Not trained: {error.what}")
    version = _record(session, model, task, result, number, digest, used)
    return TrainOutcome(
        head=task.head,
        trained=True,
        promoted=version.in_use,
        version=number,
        reason=version.reason,
        labels=version.label_counts,
        metrics=version.metrics,
        seconds=time.monotonic() - started,
    )


def _untrained(task: TrainTask, reason: str) -> TrainOutcome:
    return TrainOutcome(task.head, trained=False, promoted=False, version=None, reason=reason)


def _dataset(session: Session, model: Model, said: dict[str, str], buckets: tuple[str, ...]) -> DataSet | None:
    """The labelled photos that have a vector and signals, in the order of their content keys."""
    catalog = session.catalog
    vectors = embeddings.vectors_of(catalog, model.id, sorted(said))
    signals = embeddings.signals_of(catalog, SIGNALS_VERSION, list(vectors))
    keys = tuple(key for key in vectors if key in signals)
    if not keys:
        return None
    matrix = np.stack([vectors[key] for key in keys])
    bucket_indices = np.array([buckets.index(said[key]) for key in keys], np.intp)
    facts = embeddings.group_facts(catalog, keys)
    groups = find_groups(
        matrix,
        perceptual_hashes=np.array([fact.perceptual_hash for fact in facts], np.int64),
        taken_at=np.array([np.nan if fact.taken_at is None else fact.taken_at for fact in facts], np.float64),
        folders=[fact.first_folder for fact in facts],
        bucket_indices=bucket_indices,
    )
    return DataSet(
        content_keys=keys,
        vectors=matrix,
        signals=np.stack([signals[key] for key in keys]),
        bucket_indices=bucket_indices,
        buckets=buckets,
        groups=groups,
    )


@dataclass(frozen=True, slots=True)
class _Incumbent:
    head: Head
    trained_on: frozenset[str]


def _incumbent(session: Session, name: str) -> _Incumbent | None:
    """The head in use and the photos that it was trained on; None if its file is lost or damaged."""
    version = heads.in_use(session.catalog, name)
    if version is None:
        return None
    try:
        head = head_of(session, version)
    except (HeadFileError, OSError):
        return None
    return _Incumbent(head, frozenset(labels.photos_labelled_at(session.catalog, name, version.trained_at)))


def _record(
    session: Session,
    model: Model,
    task: TrainTask,
    result: TrainingResult,
    number: int,
    digest: str,
    used: dict[str, str],
) -> HeadVersion:
    """Keep the head's file and its row. A threshold set by hand is in use at once: the person has decided."""
    head = result.head
    promote = result.decision.promote or task.threshold is not None
    file = f"{task.head}-{number:04d}.safetensors"
    session.home.heads_dir.mkdir(parents=True, exist_ok=True)
    sweep_temporaries(session.home.heads_dir)
    save_head(head, session.home.heads_dir / file)
    counts = dict.fromkeys(head.buckets, 0)
    for bucket in used.values():
        counts[bucket] += 1
    version = HeadVersion(
        head=task.head,
        version=number,
        trained_at=head.trained_at.timestamp(),
        kind=head.kind,
        buckets=head.buckets,
        label_counts=counts,
        label_hash=digest,
        model_id=model.id,
        fingerprint=head.model_fingerprint,
        threshold=head.threshold,
        metrics=json.loads(result.metrics.to_json()),
        file=file,
        in_use=promote,
        reason=" ".join((result.decision.reason, result.reliability, *result.warnings)),
    )
    heads.add(session.catalog, version)
    return version
