"""Take into account what marks say: labels, conflicts, and what is held back. Reads no file, only the catalog."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from keeprate.catalog import companions, labels, problems, user_marks
from keeprate.catalog.connection import Catalog, writing
from keeprate.catalog.labels import Label
from keeprate.catalog.user_marks import Decision, FileMarks, HeldValue, SaidValue
from keeprate.plugin_api import Channel, Shown
from keeprate.steps.labels.filed_copies import RecordedCopies
from keeprate.steps.marks.deciding_marks import Meanings, SaidBefore, Vote, bucket_meant, decide, meanings
from keeprate.steps.marks.doubting_marks import Doubt, doubtful
from keeprate.steps.marks.given_values import given_values
from keeprate.steps.session import Session

Leaders = Mapping[str, str]
"""Content key -> the key that stands for its shot; itself where it is missing."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What followed from marks."""

    labels: int = 0
    held: int = 0
    """Photos whose marks wait for an answer."""


def take_marks(session: Session) -> Taken:
    """Bring labels in line with what marks say now."""
    catalog = session.catalog
    said = user_marks.said_values(catalog)
    if not said:
        return Taken()
    standing = user_marks.everything(catalog)
    leaders = companions.load(catalog).leader_of
    told = {
        (library.name, head): meanings(settings)
        for library in session.config.library
        for head, settings in library.heads.items()
    }
    values = [
        one
        for one in said
        if one.shown.channel is not Channel.KEYWORD
        or any(bucket_meant(one.shown, means) for (library, _), means in told.items() if library == one.library)
    ]
    doubts = doubtful(values, user_marks.first_readings(catalog), given_values(catalog, values), leaders)
    elector = _Elector(standing, told, {(one.content_key, one.shown): one for one in values}, doubts, leaders)
    present = _present(session, leaders)
    appended = 0
    asked: dict[tuple[str, Shown], HeldValue] = {}
    with writing(catalog):
        for head in session.config.heads():
            rows = user_marks.taken(catalog, head)
            taken = _of_shots(rows, leaders)
            votes = elector.votes(head, taken)
            before = SaidBefore(
                taken=taken,
                labels=_standing_labels(session, head, leaders),
                places={label.content_key: label for label in labels.standing_places(catalog, head)},
                present=present,
                unsure=elector.unsure(head),
                besides={key: label.bucket for key, label in labels.said_besides(catalog, head).items()},
            )
            decision = decide(head, votes, before, time.time())
            labels.append(catalog, decision.labels)
            # what a photo said before it had a leader is the leader's matter from now on
            led = dict.fromkeys(key for key in rows if leaders.get(key, key) in decision.taken)
            user_marks.take(catalog, head, {**led, **decision.taken})
            conflicts = [(conflict.path, conflict.reason) for conflict in decision.conflicts]
            problems.replace_step(catalog, "rating", f"marks for {head}", conflicts)
            appended += len(decision.labels)
            for vote in decision.asked:
                asked[vote.content_key, vote.shown] = doubts[vote.content_key, vote.shown]
        user_marks.hold(catalog, list(asked.values()))
    return Taken(appended, len({key for key, _ in asked}))


def said_of_photos(session: Session) -> dict[str, tuple[Shown, ...]]:
    """Content key -> what the user says of any file of its shot; what may be an echo of keeprate's is left out."""
    catalog = session.catalog
    leaders = companions.load(catalog).leader_of
    standing = user_marks.everything(catalog)
    if not standing:
        return {}
    values = user_marks.said_values(catalog)
    echoes = {
        key for key, held in doubtful(values, (), given_values(catalog, values), leaders).items()
        if held.why == Doubt.ECHO
    }  # fmt: skip
    echoes |= {(one.content_key, one.shown) for one in values if one.decision is Decision.IGNORED}
    by_shot: dict[str, set[Shown]] = defaultdict(set)
    for file in standing:
        shown = {one for one in file.marks.shown() if (file.content_key, one) not in echoes}
        by_shot[leaders.get(file.content_key, file.content_key)] |= shown
    members = defaultdict(list)
    for key, leader in leaders.items():
        members[leader].append(key)
    return {
        key: tuple(sorted(shown, key=lambda one: (one.channel, one.value)))
        for leader, shown in by_shot.items()
        for key in (leader, *members[leader])
    }


def marks_of_shots(catalog: Catalog, head: str) -> Callable[[str], str | None]:
    """Tells for a content key what the marks of its shot say, as they were last taken into account."""
    leaders = companions.load(catalog).leader_of
    taken = _of_shots(user_marks.taken(catalog, head), leaders)
    return lambda key: taken.get(leaders.get(key, key))


class _Elector:
    """Turns the marks of files into votes for buckets."""

    def __init__(
        self,
        standing: list[FileMarks],
        told: Mapping[tuple[str, str], Meanings],
        values: Mapping[tuple[str, Shown], SaidValue],
        doubts: Mapping[tuple[str, Shown], HeldValue],
        leaders: Leaders,
    ) -> None:
        self._standing, self._told, self._values = standing, told, values
        self._doubts, self._leaders = doubts, leaders
        self._copies = RecordedCopies()
        self._untold: set[str] = set()

    def votes(self, head: str, taken: Mapping[str, str | None]) -> list[Vote]:
        """Of files in libraries with this head; what the user wants ignored is left out, and copies of `classify`.

        Whether a file is a copy is only looked up where that could change anything: it is not one that was `taken`.
        """
        votes = []
        for vote in self._votes(head):
            is_copy = taken.get(vote.leader) != vote.bucket and self._copies.names(vote.path)
            if is_copy is None:
                self._untold.add(vote.leader)
            elif not is_copy:
                votes.append(vote)
        return votes

    def _votes(self, head: str) -> Iterator[Vote]:
        for file in self._standing:
            means = self._told.get((file.library, head))
            if not means:
                continue
            for shown in file.marks.shown():
                bucket = bucket_meant(shown, means)
                value = self._values.get((file.content_key, shown))
                if bucket is None or value is None or value.decision is Decision.IGNORED:
                    continue
                yield Vote(
                    leader=self._leaders.get(file.content_key, file.content_key),
                    content_key=file.content_key,
                    path=file.path,
                    shown=shown,
                    bucket=bucket,
                    born=value.born,
                    held=(file.content_key, shown) in self._doubts,
                )

    def unsure(self, head: str) -> set[str]:
        """Photos with marks that cannot be judged: in a library that the config does not give this head (any more),
        or where copies cannot be told from photos.
        """
        keys = [file.content_key for file in self._standing if (file.library, head) not in self._told]
        return {self._leaders.get(key, key) for key in keys} | self._untold


def _of_shots(taken: Mapping[str, str | None], leaders: Leaders) -> dict[str, str | None]:
    """What marks said, by shot: of a photo that came to lead others it is what they said before."""
    found: dict[str, str | None] = {}
    for key, bucket in sorted(taken.items(), key=lambda row: row[0] == leaders.get(row[0], row[0])):  # leaders last
        leader = leaders.get(key, key)
        found[leader] = bucket or found.get(leader)
    return found


def _present(session: Session, leaders: Leaders) -> set[str]:
    """Shots whose marks were taken into account and that have a file, also in a library that is offline."""
    rows = session.catalog.conn.execute(
        "WITH taken AS (SELECT content_key FROM taken_marks WHERE bucket IS NOT NULL) "
        "SELECT DISTINCT content_key FROM files WHERE gone_at IS NULL AND (content_key IN taken "
        "OR content_key IN (SELECT content_key FROM companions WHERE leader IN taken))"
    )
    return {leaders.get(key, key) for (key,) in rows}


def _standing_labels(session: Session, head: str, leaders: Leaders) -> dict[str, tuple[Label, ...]]:
    """The labels that count, by shot."""
    standing: dict[str, list[Label]] = defaultdict(list)
    for key, label in labels.current(session.catalog, head).items():
        standing[leaders.get(key, key)].append(label)
    return {key: tuple(those) for key, those in standing.items()}
