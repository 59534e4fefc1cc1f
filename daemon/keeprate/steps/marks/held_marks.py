"""Marks that are held back: shown in groups, learned or ignored when the user says so."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from keeprate.catalog import user_marks
from keeprate.catalog.user_marks import Decision, HeldValue
from keeprate.errors import UsageError
from keeprate.steps.marks.deciding_marks import described
from keeprate.steps.marks.doubting_marks import Doubt
from keeprate.steps.marks.taking_marks import take_marks
from keeprate.steps.session import Session
from keeprate.steps.times import iso

EXAMPLES = 3
REASONS = {
    Doubt.ECHO: "keeprate once gave these photos the same; a viewer may have written it back",
    Doubt.MOMENT: "all in one moment: a program may have set it, or you, for all of them at once",
    Doubt.BORN: "they came with it, nearly all of the folder: a camera or an importer may have set it",
    Doubt.RUN: "nearly all of the folder, faster than anybody looks: a program may have set it, or you",
}


@dataclass(frozen=True, slots=True)
class HeldGroup:
    """Photos whose marks are asked about together."""

    id: str
    why: Doubt
    reason: str
    """The same in words."""
    value: str
    """What they say, in words."""
    photos: int
    folder: str
    """The folder that all of them lie in, at whatever depth."""
    first_at: str
    last_at: str
    """When the first and the last of them were marked, ISO 8601 in UTC."""
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of an answer."""

    values: int
    labels: int
    """Label changes that followed."""
    still_held: int
    """Photos with other marks that wait for an answer."""


def held_groups(session: Session) -> list[HeldGroup]:
    """Everything that waits for an answer, the largest group first."""
    waiting = user_marks.held(session.catalog)
    groups = [_group(session, list(those)) for _, those in groupby(waiting, key=lambda one: one[0].group)]
    return sorted(groups, key=lambda group: (-group.photos, group.id))


def _group(session: Session, those: list[tuple[HeldValue, float]]) -> HeldGroup:
    one = those[0][0]
    keys = dict.fromkeys(held.content_key for held, _ in those)
    paths = sorted(path for key in keys for path, _ in user_marks.of_photo(session.catalog, key)[:1])
    moments = [at for _, at in those]
    return HeldGroup(
        id=one.group,
        why=Doubt(one.why),
        reason=REASONS[Doubt(one.why)],
        value=described(one.shown),
        photos=len(keys),
        folder=os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else "",
        first_at=iso(min(moments)),
        last_at=iso(max(moments)),
        examples=tuple(paths[:EXAMPLES]),
    )


def answer(session: Session, groups: Sequence[str], decision: Decision, *, everything: bool = False) -> Answered:
    """Learn (or never ask again about) what is held back in `groups`, or in all of them.

    Raises:
        UsageError: there is no such group (any more).
    """
    known = {held.group for held, _ in user_marks.held(session.catalog)}
    for group in groups:
        if group not in known:
            raise UsageError(
                f"Nothing is held back under {group!r} (any more).", advice="`keeprate labels held` lists what is."
            )
    with session.catalog.db.atomic():
        values = user_marks.decide(session.catalog, sorted(known) if everything else groups, decision)
    taken = take_marks(session)
    return Answered(values, taken.labels, taken.held)
