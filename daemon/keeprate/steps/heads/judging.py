"""What a head in use says about files that lie anywhere: the worker embeds them, the head is applied here, in numpy.

A picture that kills the worker is found by trying those in hand one at a time; it is told as unreadable, and the
others are judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeprate.catalog import embeddings, heads, models
from keeprate.catalog.heads import HeadVersion
from keeprate.errors import KeeprateError, UsageError
from keeprate.learning.heads import Head
from keeprate.pictures.signals import SIGNALS_VERSION
from keeprate.steps.heads.scoring import head_of
from keeprate.steps.session import Session
from keeprate.steps.tasks import LookAtOutcome, LookAtTask
from keeprate.steps.worker_client import WorkerClient, WorkerCrashedError

MAX_CRASHES = 50
"""More crashes than this in one run are not about single pictures."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that no head can say anything about, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a head says about files; the first three have one entry a readable file, in the order asked for."""

    paths: tuple[str, ...]
    content_keys: tuple[str, ...]
    probabilities: NDArray[np.float64]
    """(n, k), in the order of the head's buckets."""
    unreadable: tuple[Unreadable, ...]
    embedded: int
    """How many the catalog had no vector of before."""


def version_to_judge_by(session: Session, name: str) -> HeadVersion:
    """The version in use of the head called `name`, if it knows the buckets of today and the active model.

    Raises:
        UsageError: there is no such head, it is not trained, it has other buckets by now, or another model is active.
    """
    catalog = session.catalog
    version = trained_version(session, name)
    configured = session.heads(name)[name]
    if set(configured) != set(version.buckets):
        raise UsageError(
            f"The head {name!r} has the buckets {', '.join(sorted(configured))} now, but has learned to tell "
            f"{', '.join(sorted(version.buckets))} apart.",
            advice=f"Train it anew: `keeprate train --head {name}`.",
        )
    model = models.active(catalog)
    if model.id == version.model_id:
        if model.fingerprint not in (None, version.fingerprint):
            raise _model_changed(version, model)
        return version
    learned_on = next((one.name for one in models.all_models(catalog) if one.id == version.model_id), None)
    if learned_on is None:
        raise UsageError(
            f"The head {name!r} has learned on a model that is not registered any more; active is {model.name!r}.",
            advice=f"Train it on this one: `keeprate train --head {name} --force`.",
        )
    raise UsageError(
        f"The head {name!r} has learned on the model {learned_on!r}, but {model.name!r} is active: its numbers would "
        "mean nothing.",
        advice=f"`keeprate model activate {learned_on}` goes back; `keeprate train --head {name}` learns anew.",
    )


def trained_version(session: Session, name: str) -> HeadVersion:
    """The version in use of the head called `name`.

    Raises:
        UsageError: there is no such head (any more), or it is not trained.
    """
    session.heads(name)
    version = heads.in_use(session.catalog, name)
    if version is None:
        raise UsageError(f"The head {name!r} is not trained yet.", advice=f"`keeprate train --head {name}` trains it.")
    return version


def _model_changed(version: HeadVersion, model: models.Model) -> UsageError:
    return UsageError(
        f"The model {model.name!r} gives other vectors now than when the head {version.head!r} was trained.",
        advice=f"Train it anew: `keeprate train --head {version.head}`.",
    )


def judge(session: Session, worker: WorkerClient, version: HeadVersion, paths: Sequence[str]) -> Judgement:
    """What `version` says about the files at `paths`.

    Raises:
        UsageError: the active model turns out not to be the one that the head has learned on.
        KeeprateError: the head's file is damaged, or made for vectors of another length or for other signals.
        WorkerCrashedError: the worker dies without having touched a picture, or again and again.
    """
    head = head_of(session, version)  # before anything is embedded for nothing
    if head.uses_signals and head.signals_version != SIGNALS_VERSION:
        raise KeeprateError(
            f"The head {version.head!r} has learned from signals as an earlier keeprate measured them.",
            advice=f"Train it anew: `keeprate train --head {version.head} --force`.",
        )
    outcome = _look_at(session, worker, paths)
    model = models.active(session.catalog)
    version = trained_version(session, version.head)  # an imported model's fingerprint was provisional until now
    if model.fingerprint != version.fingerprint:
        raise _model_changed(version, model)
    read = [
        (path, key)
        for path, key, reason in zip(paths, outcome.content_keys, outcome.reasons, strict=True)
        if not reason
    ]
    keys = [key for _, key in read]
    return Judgement(
        paths=tuple(path for path, _ in read),
        content_keys=tuple(keys),
        probabilities=_probabilities(session, head, version, keys),
        unreadable=tuple(
            Unreadable(path, reason) for path, reason in zip(paths, outcome.reasons, strict=True) if reason
        ),
        embedded=outcome.embedded,
    )


def _probabilities(session: Session, head: Head, version: HeadVersion, keys: Sequence[str]) -> NDArray[np.float64]:
    if not keys:
        return np.empty((0, len(head.buckets)))
    vectors = embeddings.vectors_of(session.catalog, version.model_id, keys)
    signals = embeddings.signals_of(session.catalog, SIGNALS_VERSION, keys) if head.uses_signals else {}
    width = len(vectors[keys[0]])
    if width != head.dimension:
        raise KeeprateError(
            f"The head {version.head!r} is made for vectors of {head.dimension} numbers, but the model "
            f"{models.active(session.catalog).name!r} gives {width}.",
            advice=f"Train it anew: `keeprate train --head {version.head} --force`.",
        )
    return head.probabilities(
        np.stack([vectors[key] for key in keys]),
        np.stack([signals[key] for key in keys]) if head.uses_signals else None,
    )


def _look_at(session: Session, worker: WorkerClient, paths: Sequence[str]) -> LookAtOutcome:
    """Have all files looked at, however many pictures crash the decoder."""
    killers: dict[str, str] = {}
    embedded = 0
    for _ in range(MAX_CRASHES):
        asked = tuple(path for path in paths if path not in killers)
        try:
            outcome = _looked_at(session, worker, LookAtTask(asked))
        except WorkerCrashedError as crash:
            if not crash.subjects or session.reporter.cancelled():
                raise
            for path in crash.subjects:
                try:
                    embedded += _alone(session, worker, path)
                except WorkerCrashedError as alone:
                    if session.reporter.cancelled():
                        raise
                    killers[path] = f"decoding it killed the worker process ({alone.ending})"
            continue
        found = dict(zip(asked, zip(outcome.content_keys, outcome.reasons, strict=True), strict=True))
        told = [found.get(path, ("", killers.get(path, ""))) for path in paths]
        return LookAtOutcome(
            content_keys=tuple(key for key, _ in told),
            reasons=tuple(reason for _, reason in told),
            embedded=embedded + outcome.embedded,
        )
    raise WorkerCrashedError((), f"{MAX_CRASHES} times in one run")


def _alone(session: Session, worker: WorkerClient, path: str) -> int:
    """Look at one file with nothing beside it; once more if others killed the worker. Returns how many new vectors."""
    task = LookAtTask((path,), alone=True)
    try:
        return _looked_at(session, worker, task).embedded
    except WorkerCrashedError as crash:
        if not crash.killed_by_others or session.reporter.cancelled():
            raise
        return _looked_at(session, worker, task).embedded


def _looked_at(session: Session, worker: WorkerClient, task: LookAtTask) -> LookAtOutcome:
    outcome = worker.run(task, session.reporter)
    assert isinstance(outcome, LookAtOutcome)  # noqa: S101 (the worker answers in kind)
    if outcome.cancelled:
        raise KeyboardInterrupt
    return outcome
