"""The parent's side of the group step, and the groups as people and photo managers see them.

Whether there is anything to compare is asked in the catalog: no worker is started for nothing, and no vector is ever
read in the resident process.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from keeprate.catalog import bursts, models, scores
from keeprate.learning.burst_ranking import Candidates, Standing, rank
from keeprate.pictures.technical import TECHNICAL_NAMES, TECHNICAL_VERSION
from keeprate.plugin_api import BurstKind, BurstPlace
from keeprate.steps.session import Session
from keeprate.steps.tasks import GroupOutcome, GroupTask
from keeprate.steps.worker_client import WorkerClient, WorkerCrashedError

log = logging.getLogger(__name__)

RANKED = (BurstKind.BURST, BurstKind.DUPLICATES)
"""Of these one photo is enough; of the others all are needed, and they stay in the order of time."""


def group_all(session: Session, worker: WorkerClient, library: str | None = None) -> GroupOutcome:
    """Compare what is new; costs a query where nothing is. A worker that dies ends only this step."""
    waiting = to_compare(session, library)
    if waiting == 0:
        return GroupOutcome()
    try:
        outcome = worker.run(GroupTask(library), session.reporter)
    except WorkerCrashedError as crash:
        if session.reporter.cancelled():
            raise
        failed = f"{waiting} photos were not compared with the others, the next run tries again: {crash.what}"
        log.error("%s", failed)
        return GroupOutcome(failed=failed)
    assert isinstance(outcome, GroupOutcome)  # noqa: S101 (the worker answers in kind)
    return outcome


def to_compare(session: Session, library: str | None = None) -> int:
    """How many photos wait for the group step."""
    model = models.active(session.catalog)
    return sum(
        bursts.count_uncompared(session.catalog, one.name, model.id, TECHNICAL_VERSION)
        for one in session.libraries(library)
    )


@dataclass(frozen=True, slots=True)
class Member:
    """A photo of a group."""

    content_key: str
    path: str
    position: int
    """1 is the best; in a series the first that was taken."""
    score: float | None
    """By the head; None: it has no score."""
    taken_at: float | None
    why: tuple[str, ...]
    """What it is worse in than the best, the gravest first."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Photos that are nearly the same, best first; a series in the order of time."""

    library: str
    burst: str
    kind: BurstKind
    members: tuple[Member, ...]


def groups_of(session: Session, library: str, head: str) -> Iterator[Burst]:
    """The groups of a library, each ranked with the help of what a head says of its photos."""
    found = bursts.members(session.catalog, library)
    if not found.content_keys:
        return
    score_of = scores.of_photos(session.catalog, head)
    standings = rank(
        Candidates(
            groups=np.unique(found.bursts, return_inverse=True)[1],
            technical=found.technical,
            quantisation=found.quantisation,
            pixels=found.pixels,
            sizes=found.sizes,
            scores=np.array([score_of.get(key, np.nan) for key in found.content_keys]),
        ),
        TECHNICAL_NAMES,
    )
    for burst, of_burst in groupby(range(len(standings)), key=lambda row: found.bursts[row]):
        rows = list(of_burst)
        kind = found.kinds[rows[0]]
        ranked = kind in RANKED
        if ranked:
            rows.sort(key=lambda row: standings[row].position)
        yield Burst(
            library, burst, kind,
            tuple(
                _member(found, row, standings[row] if ranked else None, position, score_of)
                for position, row in enumerate(rows, start=1)
            ),
        )  # fmt: skip


def _member(
    found: bursts.Members, row: int, standing: Standing | None, position: int, score_of: dict[str, float]
) -> Member:
    taken_at = float(found.taken_at[row])
    return Member(
        content_key=found.content_keys[row],
        path=found.paths[row],
        position=position,
        score=score_of.get(found.content_keys[row]),
        taken_at=None if np.isnan(taken_at) else taken_at,
        why=() if standing is None else standing.reasons,
    )


def burst_places(session: Session, library: str, head: str) -> dict[str, BurstPlace]:
    """content key → place, of every photo of a library that something else is nearly the same as."""
    return {
        member.content_key: BurstPlace(burst.burst, burst.kind, member.position, len(burst.members))
        for burst in groups_of(session, library, head)
        for member in burst.members
    }
