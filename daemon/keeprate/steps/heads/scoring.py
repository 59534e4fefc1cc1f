"""The score step: every vector through every head in use, in numpy; no torch, no scikit-learn."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from keeprate.catalog import embeddings, heads, problems, scores
from keeprate.catalog.heads import HeadVersion
from keeprate.errors import KeeprateError
from keeprate.learning.heads import Head, HeadFileError, load_head
from keeprate.steps.heads.first_guessing import guess
from keeprate.steps.session import Progress, Session

PROGRESS_FROM = 20_000
"""Fewer photos than this are scored before anybody could read a progress line."""


@dataclass(frozen=True, slots=True)
class ScoreOutcome:
    scored: int = 0
    guessed: int = 0
    """Photos that got a first guess, because nothing has been learned yet."""
    seconds: float = 0.0
    failed: tuple[str, ...] = ()
    """Why a head could not score: its file is missing or damaged. The others did."""


def head_of(session: Session, version: HeadVersion) -> Head:
    """Load the file of a head version.

    Raises:
        KeeprateError: it is missing or damaged; `keeprate train --force` makes a new one.
    """
    if version.file is None:
        raise KeeprateError(f"Version {version.version} of the head {version.head!r} was not kept.")
    return load_head(session.home.heads_dir / version.file)


def score(session: Session, head: str | None = None) -> ScoreOutcome:
    """Score every photo whose score is missing or older than the head version in use; guess where there is none."""
    started = time.monotonic()
    scored = guessed = 0
    failed: list[str] = []
    for name in session.heads(head):
        if session.reporter.cancelled():
            break
        version = heads.in_use(session.catalog, name)
        if version is None:
            guessed += guess(session, name)
        elif heads.can_score(session.catalog, version):
            found: list[tuple[str, str]] = []
            try:
                scored += _score_head(session, version)
            except (HeadFileError, ValueError) as error:  # damaged, or its numbers overflow
                what = error.what if isinstance(error, HeadFileError) else f"The head cannot score: {error}."
                failed.append(f"{name}: {what} `keeprate train --head {name}` makes a new version.")
                found = [(str(session.home.heads_dir / str(version.file)), what)]
            with session.catalog.db.atomic():
                problems.replace_step(session.catalog, "score", f"head {name}", found)
    return ScoreOutcome(scored, guessed, time.monotonic() - started, tuple(failed))


def _score_head(session: Session, version: HeadVersion) -> int:
    catalog = session.catalog
    waiting = scores.count_unscored(catalog, version.head, version.version, version.model_id)
    if waiting == 0:
        return 0
    head = head_of(session, version)
    keys: list[str] = []
    rows = []
    for chunk in embeddings.unscored(
        catalog,
        version.model_id,
        head=version.head,
        version=version.version,
        # signals measured anew by a later version are not what this head has learned from
        signals_version=head.signals_version if head.uses_signals else None,
    ):
        keys += chunk.content_keys
        rows.append(head.probabilities(chunk.vectors, chunk.signals))
        if waiting >= PROGRESS_FROM:
            session.reporter.progress(Progress("score", len(keys), waiting))
    if keys:
        with catalog.db.atomic():
            scores.store(catalog, version.head, version.version, keys, np.concatenate(rows))
    return len(keys)
