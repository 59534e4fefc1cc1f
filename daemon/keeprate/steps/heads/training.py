"""The train step, in the worker: labels and cached vectors in, a head version out, in use if it is better."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec

import numpy as np

from keeprate.catalog import companions, embeddings, heads, labels, models, out_of_fold
from keeprate.catalog.embeddings import Float32Array, VectorChunk
from keeprate.catalog.heads import HeadVersion
from keeprate.catalog.models import Model
from keeprate.catalog.out_of_fold import OutOfFoldRows
from keeprate.errors import UsageError
from keeprate.learning.dataset import DataSet, NotEnoughLabels, label_hash
from keeprate.learning.fitting import TrainingResult
from keeprate.learning.fitting import train as fit
from keeprate.learning.gate import Decision
from keeprate.learning.groups import find_groups
from keeprate.learning.heads import Head, HeadFileError, save_head
from keeprate.learning.prior_shift import shifted, shifted_threshold
from keeprate.learning.succession import Incumbent
from keeprate.learning.thresholds import RejectThreshold, reject_threshold
from keeprate.paths import make_own_folder
from keeprate.pictures.signals import SIGNALS_VERSION
from keeprate.safe_files import sweep_temporaries
from keeprate.steps.exchange.exporting import stand_in_file, write_exchange
from keeprate.steps.heads.priors import ESTIMATE, LABELS, prior_used
from keeprate.steps.heads.scoring import head_of
from keeprate.steps.heads.training_details import PriorUsed, TrainingDetails
from keeprate.steps.labels.shots import said_of_shots
from keeprate.steps.session import Progress, Session
from keeprate.steps.tasks import TrainOutcome, TrainTask

BACKGROUND_PHOTOS = 20_000
"""Photos of the library, labelled or not, that say how vectors are spread."""


def train(session: Session, task: TrainTask) -> TrainOutcome:
    """Train one head on the labels that stand now.

    The labels' photos need not exist any more: their vectors do. A head version is recorded whether or not it is
    taken into use; nothing at all is done if neither labels nor model nor settings have changed since the last one.

    Raises:
        UsageError: there is no such head, or a threshold makes no sense for it.
    """
    started = time.monotonic()
    by_hand = any(value is not None for value in (task.threshold, task.keepers_lost, task.prior))
    (buckets,) = session.heads(task.head).values()
    task = _with_settings(session, task, buckets)
    model = models.active(session.catalog)
    said = _said(session, model, task.head, buckets)
    if model.fingerprint is None or said is None:
        return _untrained(task, "Not trained: none of the labelled photos has a vector by the active model yet.")
    digest = label_hash(
        said.bucket_of, buckets=buckets, model_fingerprint=model.fingerprint, signals_version=SIGNALS_VERSION
    )
    # what was asked by hand is no part of it, or the next training in passing would undo it at once
    settings = session.config.training
    digest = f"{digest} {settings.prior} {settings.keepers_lost}"
    history = [one for one in heads.history(session.catalog, task.head) if one.file is not None]
    incumbent = _incumbent(session, model, task.head)
    damaged = incumbent is None and any(one.in_use for one in history)
    if history and history[0].label_hash == digest and not by_hand and not task.force and not damaged:
        return _untrained(task, "Not trained: no label has changed since the last time.")
    number = heads.next_version(session.catalog, task.head)
    dataset = _dataset(session, said, buckets)
    background = embeddings.sample(
        session.catalog, model.id, SIGNALS_VERSION, BACKGROUND_PHOTOS, session.libraries_of(task.head)
    )
    try:
        result, details = _fit(
            dataset,
            background,
            task,
            partial(
                fit,
                dataset,
                head_name=task.head,
                version=number,
                model_fingerprint=model.fingerprint,
                trained_at=datetime.now(UTC),
                seed=session.config.training.seed,
                signals_version=SIGNALS_VERSION,
                background=None if background is None else background.vectors,
                background_signals=None if background is None else background.signals,
                exchange=find_spec("torch") is not None,  # without it no checkpoint can be written
                incumbent=incumbent.head if incumbent else None,
                incumbent_trained_on=incumbent.trained_on if incumbent else (),
                progress=lambda share: session.reporter.progress(Progress("train", round(100 * share), 100, task.head)),
            ),
            session.config.training.seed,
        )
    except NotEnoughLabels as error:
        return _untrained(task, f"Not trained: {error.what}")
    if damaged:
        result = replace(result, decision=_in_place_of_damaged(result.decision))
    version = _record(session, model, dataset, result, details, digest, by_hand=by_hand)
    seconds = time.monotonic() - started
    if version.in_use:
        checkpoint = write_exchange(session, result.head, model.name, result.exchange)
        details = replace(details, checkpoint=checkpoint.path, checkpoint_note=checkpoint.note)
        heads.set_details(session.catalog, task.head, number, details.to_values())
    return TrainOutcome(
        head=task.head,
        trained=True,
        promoted=version.in_use,
        version=number,
        reason=version.reason,
        labels=version.label_counts,
        metrics=version.metrics or None,
        seconds=seconds,
        candidates=tuple(version.candidates),
        details=details.to_values(),
        because=result.decision.because or ("you asked for it" if by_hand else ""),
    )


def _with_settings(session: Session, task: TrainTask, buckets: tuple[str, ...]) -> TrainTask:
    """What the command left open is as the config says, where that fits the head; a threshold given stands above all.

    Raises:
        UsageError: a share of keepers is given for a head with more than two buckets.
    """
    settings = session.config.training
    binary = len(buckets) == 2
    if task.keepers_lost is not None and not binary:
        raise UsageError(f"“Keepers lost” needs a head with two buckets; {task.head!r} has {len(buckets)}.")
    if task.threshold is not None and task.keepers_lost is not None:
        raise UsageError("A threshold and the keepers that it may cost cannot both be given.")
    prior = task.prior
    if prior is None:
        prior = settings.prior if binary or settings.prior == ESTIMATE else LABELS
    lost = task.keepers_lost
    if lost is None and task.threshold is None and binary:
        lost = settings.keepers_lost
    return replace(task, prior=prior, keepers_lost=lost)


def _fit(
    dataset: DataSet,
    background: VectorChunk | None,
    task: TrainTask,
    fit_with: Callable[..., TrainingResult],
    seed: int,
) -> tuple[TrainingResult, TrainingDetails]:
    """Train, and move probabilities and threshold to where the person wants them.

    Both need a head that was trained already; where they change the threshold, it is trained once more, so that its
    metrics are those of the threshold it has.
    """
    binary = len(dataset.buckets) == 2
    by_labels = task.prior == LABELS
    result = fit_with(threshold=task.threshold if by_labels else None)
    prior = prior_used(task.prior, result.head, dataset, background, seed)
    reject: RejectThreshold | None = None
    unkept: tuple[str, ...] = ()
    threshold = result.head.threshold
    if task.threshold is not None and not by_labels:
        threshold = shifted_threshold(task.threshold, np.array(prior.shares), np.array(prior.label_shares))
    elif task.keepers_lost is not None and binary and result.out_of_fold is not None:
        reject = reject_threshold(
            result.out_of_fold.probabilities[:, 0],
            dataset.bucket_indices == 0,
            dataset.groups,
            keepers_lost=task.keepers_lost,
            seed=seed,
        )
        threshold = reject.threshold
    elif task.keepers_lost is not None and binary:
        unkept = ("With one photo in a bucket nothing can be promised about the keepers that are lost.",)
    if threshold != result.head.threshold:
        result = fit_with(threshold=threshold)
    details = TrainingDetails(
        groups=len(np.unique(dataset.groups)),
        ungrouped_roc_auc=result.ungrouped_roc_auc,
        prior=prior,
        reject_threshold=reject,
        warnings=result.warnings + unkept,
    )
    if not by_labels:
        exchange = None if result.exchange is None else _moved(result.exchange, prior)
        result = replace(result, head=_moved(result.head, prior), exchange=exchange)
    return result, details


def _moved(head: Head, prior: PriorUsed) -> Head:
    """The head for photos whose buckets occur as `prior` says; it decides as before, but about probabilities moved."""
    labelled, wanted = np.array(prior.label_shares), np.array(prior.shares)
    threshold = None if head.threshold is None else shifted_threshold(head.threshold, labelled, wanted)
    metrics = None if head.metrics is None else replace(head.metrics, threshold=threshold)
    return replace(head, calibration=shifted(head.calibration, labelled, wanted), threshold=threshold, metrics=metrics)


def _in_place_of_damaged(decision: Decision) -> Decision:
    """Any head is better than one whose file cannot be read."""
    reason = f"The file of the version in use cannot be read, so that it is replaced. {decision.reason}"
    because = "the file of the version before it cannot be read"
    return replace(decision, promote=True, reason=reason, because=because)


def _untrained(task: TrainTask, reason: str) -> TrainOutcome:
    return TrainOutcome(task.head, trained=False, promoted=False, version=None, reason=reason)


@dataclass(frozen=True, slots=True)
class _Said:
    """The labelled photos that can be learned from: those with a vector and signals, one of each shot."""

    bucket_of: dict[str, str]
    """content key → bucket, in the order of the rows below."""
    vectors: Float32Array
    signals: Float32Array


def _said(session: Session, model: Model, head: str, buckets: tuple[str, ...]) -> _Said | None:
    catalog = session.catalog
    usable = embeddings.known(catalog, model.id, SIGNALS_VERSION)
    said = said_of_shots(session, head).once(usable)
    bucket_of = {key: label.bucket for key, label in said.items() if label.bucket in buckets}
    vectors = embeddings.vectors_of(catalog, model.id, sorted(bucket_of))
    signals = embeddings.signals_of(catalog, SIGNALS_VERSION, list(vectors))
    keys = [key for key in vectors if key in signals and np.isfinite(vectors[key]).all()]
    if not keys:
        return None
    return _Said(
        {key: bucket_of[key] or "" for key in keys},
        np.stack([vectors[key] for key in keys]),
        np.stack([signals[key] for key in keys]),
    )


def _dataset(session: Session, said: _Said, buckets: tuple[str, ...]) -> DataSet:
    keys = tuple(said.bucket_of)
    bucket_indices = np.array([buckets.index(bucket) for bucket in said.bucket_of.values()], np.intp)
    facts = embeddings.group_facts(session.catalog, keys)
    groups = find_groups(
        said.vectors,
        perceptual_hashes=np.array([fact.perceptual_hash for fact in facts], np.int64),
        taken_at=np.array([np.nan if fact.taken_at is None else fact.taken_at for fact in facts], np.float64),
        folders=[fact.first_folder for fact in facts],
        bucket_indices=bucket_indices,
    )
    return DataSet(
        content_keys=keys,
        vectors=said.vectors,
        signals=said.signals,
        bucket_indices=bucket_indices,
        buckets=buckets,
        groups=groups,
    )


def _incumbent(session: Session, model: Model, name: str) -> Incumbent | None:
    """The head in use and the photos that it was trained on; None if its file is lost or damaged.

    Photos that had a label but no vector (broken files) have taught it nothing.
    """
    version = heads.in_use(session.catalog, name)
    if version is None:
        return None
    try:
        head = head_of(session, version)
    except (HeadFileError, OSError):
        return None
    prior = version.details.get("prior")
    if prior is not None and prior["source"] != LABELS:  # it is judged by labels, where buckets occur as they do there
        calibration = shifted(head.calibration, np.array(prior["shares"]), np.array(prior["label_shares"]))
        head = replace(head, calibration=calibration)
    labelled = labels.photos_labelled_at(session.catalog, name, version.trained_at)
    shots = companions.load(session.catalog)
    learned = frozenset(photo for key in labelled for photo in shots.photos(key))
    return Incumbent(head, learned & embeddings.known(session.catalog, model.id, SIGNALS_VERSION))


def _record(
    session: Session,
    model: Model,
    dataset: DataSet,
    result: TrainingResult,
    details: TrainingDetails,
    digest: str,
    *,
    by_hand: bool,
) -> HeadVersion:
    """Keep the head's file and its rows. A threshold or prior set by hand is in use at once: the person has decided."""
    head = result.head
    file = f"{head.name}-{head.version:04d}.safetensors"
    make_own_folder(session.home.heads_dir)
    sweep_temporaries(session.home.heads_dir)
    save_head(head, session.home.heads_dir / file)
    if result.exchange is not None:
        save_head(result.exchange, stand_in_file(session.home.heads_dir / file))
    warnings = details.warnings
    promised = None if details.reject_threshold is None else details.reject_threshold.sentence
    verdict = result.decision.reason
    if by_hand and not result.decision.promote:
        verdict = f"It is in use because you asked for it. {verdict}"
    version = HeadVersion(
        head=head.name,
        version=head.version,
        trained_at=head.trained_at.timestamp(),
        kind=head.classifier.kind,
        buckets=head.buckets,
        label_counts=dict(zip(dataset.buckets, dataset.bucket_counts(), strict=True)),
        label_hash=digest,
        model_id=model.id,
        fingerprint=head.model_fingerprint,
        threshold=head.threshold,
        metrics={} if head.metrics is None else json.loads(head.metrics.to_json()),
        file=file,
        in_use=result.decision.promote or by_hand,
        reason=" ".join(filter(None, (verdict, result.reliability, promised, *warnings))),
        candidates=[asdict(candidate) for candidate in result.candidates],
        details=details.to_values(),
    )
    with session.catalog.db.atomic():
        heads.add(session.catalog, version)
        if result.out_of_fold is not None:
            out_of_fold.store(session.catalog, head.name, head.version, _rows(dataset, result))
        out_of_fold.prune(session.catalog, head.name)
    return version


def _rows(dataset: DataSet, result: TrainingResult) -> OutOfFoldRows:
    assert result.out_of_fold is not None  # noqa: S101 (the caller looked)
    names = dataset.buckets
    return OutOfFoldRows(
        content_keys=dataset.content_keys,
        buckets=tuple(names[index] for index in dataset.bucket_indices),
        chosen=tuple(names[index] for index in result.out_of_fold.decisions),
        probabilities=result.out_of_fold.probabilities.astype(np.float32),
    )
