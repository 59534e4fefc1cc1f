"""How things stand: what `keeprate status` shows, as plain data. Reads the catalog only."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keeprate.catalog import (
    bursts,
    embeddings,
    files,
    heads,
    jobs,
    journal,
    libraries,
    models,
    problems,
    runs,
    scores,
    user_marks,
)
from keeprate.pictures.signals import SIGNALS_VERSION
from keeprate.pictures.technical import TECHNICAL_VERSION
from keeprate.service.control import JOB_TITLES, JobStatus, Live
from keeprate.steps.heads.first_guessing import kept_bucket
from keeprate.steps.heads.retraining import label_changes, missing_labels, next_training_at
from keeprate.steps.labels.shots import count_reviewed, label_counts
from keeprate.steps.lock import lock_holder
from keeprate.steps.session import Session
from keeprate.steps.times import iso

PROBLEMS_LISTED = 200


@dataclass(frozen=True, slots=True)
class LibraryStatus:
    name: str
    root: str
    online: bool
    offline_reason: str | None
    files: int
    photos: int
    reviewed: int
    """Photos on disk with a label of the marked head."""
    scanned_at: str | None


@dataclass(frozen=True, slots=True)
class WorkStatus:
    """What is left to do."""

    to_embed: int
    to_look: int
    """Photos with a vector that are to be looked at once more, for what is compared with near-duplicates."""
    to_score: int
    label_changes: int
    """Label changes since the last training, over all heads."""


@dataclass(frozen=True, slots=True)
class HeadStatus:
    name: str
    type: str
    """`binary` (two buckets) or `multiclass`."""
    buckets: tuple[str, ...]
    labels: dict[str, int]
    images: int
    """Photos with a label of one of the buckets."""
    missing: str | None
    """What is missing before it can be trained, in one sentence."""
    version: int | None
    trained_at: str | None
    model: str | None
    threshold: float | None
    metrics: dict[str, Any] | None
    f1: float | None
    """Of the first of two buckets; the mean of more than two."""
    kind: str | None
    """What scores: `logistic`, `mlp`, …"""
    checkpoint: str | None
    """The file for other programs, in headmaster's format."""
    checkpoint_note: str | None
    """Which head is in that file, or why there is none."""
    reason: str | None
    """Why the version in use is in use."""
    last_attempt: str | None
    """What became of the latest training, if that is another one."""
    learned_buckets: tuple[str, ...] | None = None
    """Those of the version in use, where they are others than `buckets`: it sorts into them until it is trained."""
    first_guess: bool = False
    """No version is in use, and the order is a first guess from sharpness and exposure."""


@dataclass(frozen=True, slots=True)
class ProblemStatus:
    path: str
    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class ProblemsStatus:
    count: int
    list: tuple[ProblemStatus, ...]


@dataclass(frozen=True, slots=True)
class TrainingStatus:
    at: str
    outcome: str


@dataclass(frozen=True, slots=True)
class ModelStatus:
    name: str
    path: str
    embed_dim: int | None
    cached: int


@dataclass(frozen=True, slots=True)
class MarksStatus:
    standing: int
    last_write: str | None


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    running: bool
    pid: int | None


@dataclass(frozen=True, slots=True)
class Status:
    libraries: tuple[LibraryStatus, ...]
    heads: tuple[HeadStatus, ...]
    work: WorkStatus
    problems: ProblemsStatus
    last_training: TrainingStatus | None
    next_training: str | None
    """When the daemon will train next, if nothing more is moved until then; None: nothing to learn from."""
    model: ModelStatus
    marks: MarksStatus
    groups: int
    """Of photos that are nearly the same."""
    held: int
    """Photos with stars, flags or keywords that are held back until the user was asked."""
    daemon: DaemonStatus
    workspace: str | None
    """The folder that says which heads there are; None: the config file does."""
    jobs: tuple[JobStatus, ...] = ()
    """What the daemon does by itself; without a running daemon, what is remembered of it."""
    live: Live | None = None
    """What only a running daemon knows."""


def status(session: Session, head: str | None = None, live: Live | None = None) -> Status:
    """The state of everything, or with only the head called `head`; `live` is what the running daemon says."""
    catalog = session.catalog
    model = models.active(catalog)
    wanted = session.heads(head)
    training = runs.last(catalog, "train")
    write = runs.last(catalog, "write")
    pid = lock_holder(session.home.daemon_lock_file)
    next_at = next_training_at(session, now=time.time())
    return Status(
        libraries=tuple(_library(session, library.name) for library in session.config.library),
        heads=tuple(_head(session, name, buckets) for name, buckets in wanted.items()),
        work=_work(session, model.id, wanted),
        problems=ProblemsStatus(
            problems.count(catalog),
            tuple(ProblemStatus(one.path, one.step, one.reason) for one in problems.latest(catalog, PROBLEMS_LISTED)),
        ),
        last_training=None if training is None else TrainingStatus(iso(training.finished_at), training.outcome),
        next_training=None if next_at is None else iso(next_at),
        model=ModelStatus(model.name, model.path, model.embed_dim, model.cached),
        marks=MarksStatus(journal.count_standing(catalog), None if write is None else write.outcome),
        groups=sum(bursts.count(catalog, library.name) for library in session.config.library),
        held=user_marks.count_held(catalog),
        daemon=DaemonStatus(pid is not None, pid),
        workspace=None if session.home.workspace is None else str(session.home.workspace),
        jobs=_remembered_jobs(session) if live is None else live.jobs,
        live=live,
    )


def _remembered_jobs(session: Session) -> tuple[JobStatus, ...]:
    """The jobs as they were when the daemon last ran, and what rests once it runs again."""
    records, now = jobs.all_jobs(session.catalog), time.time()
    found = []
    for name, title in JOB_TITLES.items():
        one = records.get(name, jobs.JobRecord(name))
        pauses = [each for each in (one, records.get(jobs.ALL)) if each is not None and _rests(each, now)]
        until = max((each.paused_until or math.inf for each in pauses), default=None)
        found.append(
            JobStatus(
                name, title, "paused" if pauses else "idle", "The daemon is not running.",
                one.started_at, one.finished_at, one.outcome, one.failed, None, None if until == math.inf else until,
            )
        )  # fmt: skip
    return tuple(found)


def _rests(record: jobs.JobRecord, now: float) -> bool:
    return record.paused and (record.paused_until is None or record.paused_until > now)


def _work(session: Session, model_id: int, wanted: Iterable[str]) -> WorkStatus:
    catalog = session.catalog
    in_all = embeddings.count_wanted(catalog, model_id, SIGNALS_VERSION, looks_version=TECHNICAL_VERSION)
    to_embed = embeddings.count_wanted(catalog, model_id, SIGNALS_VERSION) if in_all else 0
    return WorkStatus(
        to_embed=to_embed,
        to_look=in_all - to_embed,
        to_score=sum(_to_score(session, name) for name in wanted),
        label_changes=sum(label_changes(session, name).count for name in wanted),
    )


def _library(session: Session, name: str) -> LibraryStatus:
    library = session.config.library_named(name)
    assert library is not None  # noqa: S101 (it comes from the config)
    known = libraries.get(session.catalog, name)
    counts = files.counts(session.catalog, name)
    offline = known.offline if known else None
    if offline is None and not library.root.is_dir():
        offline = "its folder is not there"
    scanned_at = known.scanned_at if known else None
    return LibraryStatus(
        name=name,
        root=str(library.root),
        online=offline is None,
        offline_reason=offline,
        files=counts.files,
        photos=counts.photos,
        reviewed=count_reviewed(session, library.head_to_mark, name),
        scanned_at=None if scanned_at is None else iso(scanned_at),
    )


def _head(session: Session, name: str, buckets: tuple[str, ...]) -> HeadStatus:
    history = heads.history(session.catalog, name)
    version = next((one for one in history if one.in_use), None)
    counts = dict.fromkeys(buckets, 0) | label_counts(session, name)
    model = None
    if version is not None:
        model = next((one.name for one in models.all_models(session.catalog) if one.id == version.model_id), None)
    metrics = (version.metrics or None) if version else None  # {}: an imported head was not measured here
    details = version.details if version else {}
    return HeadStatus(
        name=name,
        type="binary" if len(buckets) == 2 else "multiclass",
        buckets=buckets,
        labels=counts,
        images=sum(counts[bucket] for bucket in buckets),
        missing=missing_labels(buckets, counts),
        version=version.version if version else None,
        trained_at=iso(version.trained_at) if version else None,
        model=model,
        threshold=version.threshold if version else None,
        metrics=metrics,
        f1=_f1(metrics),
        kind=version.kind if version else None,
        checkpoint=_checkpoint(session, details.get("checkpoint")),
        checkpoint_note=details.get("checkpoint_note"),
        reason=version.reason if version else None,
        last_attempt=history[0].reason if history and history[0] is not version else None,
        learned_buckets=version.buckets if version and set(version.buckets) != set(buckets) else None,
        first_guess=version is None and kept_bucket(session, name) is not None,
    )


def _checkpoint(session: Session, written: str | None) -> str | None:
    """Where a checkpoint lies by now: a workspace may have been moved since it was `written`."""
    return None if written is None else str(session.home.checkpoints_dir / Path(written).name)


def _f1(metrics: dict[str, Any] | None) -> float | None:
    values = [float(bucket["f1"]) for bucket in metrics["buckets"]] if metrics else []
    if not values:
        return None
    return values[0] if len(values) == 2 else sum(values) / len(values)


def _to_score(session: Session, head: str) -> int:
    version = heads.in_use(session.catalog, head)
    if version is None or not heads.can_score(session.catalog, version):
        return 0
    return scores.count_unscored(session.catalog, head, version.version, version.model_id)
