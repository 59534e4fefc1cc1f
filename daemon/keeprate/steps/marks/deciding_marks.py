"""What marks in viewers say about photos, and which labels follow. Pure: rows in, decisions out.

Only a change of what marks say is an act: a label is appended when they say something else than when they were last
taken into account, so that a later move stands until the marks change again. Marks that stood there when keeprate first
looked are no act; they count where nothing else was said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from keeprate.catalog.labels import Label, LabelSource
from keeprate.config.models import HeadConfig
from keeprate.plugin_api import Channel, Shown

Meanings = Mapping[Shown, str]
"""A value, its letters folded -> the bucket that it means."""


@dataclass(frozen=True, slots=True)
class Vote:
    """A value of a photo file that means a bucket."""

    leader: str
    """Content key that stands for the shot."""
    content_key: str
    path: str
    shown: Shown
    bucket: str
    born: bool
    """Whether it stood there when the photo's marks were first read."""
    held: bool
    """Whether it is not to be learned without asking."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The marks of a photo contradict each other: they are reported and teach nothing."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class SaidBefore:
    """What is known of photos beside their marks now; all by the key that stands for a shot."""

    taken: Mapping[str, str | None]
    """What the marks said when they were last taken into account."""
    labels: Mapping[str, tuple[Label, ...]]
    """The labels that count, of all photos of the shot."""
    places: Mapping[str, Label]
    """The bucket's folder that it lies in, as the label that comes back when marks are taken away."""
    present: Collection[str] = ()
    """Those with a file: whoever deletes a photo takes nothing back."""
    besides: Mapping[str, str | None] = field(default_factory=dict)
    """What was said beside the place, and would count again where the photo leaves it."""
    unsure: Collection[str] = ()
    """Those of which some marks cannot be judged now: nothing is withdrawn."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from marks."""

    labels: tuple[Label, ...]
    taken: Mapping[str, str | None]
    conflicts: tuple[Conflict, ...]
    asked: tuple[Vote, ...]
    """Held votes from which a label would follow."""


def meanings(head: HeadConfig) -> Meanings:
    """What the config says of a head."""
    tables: tuple[tuple[Channel, Mapping[str, tuple[object, ...]]], ...] = (
        (Channel.RATING, head.ratings),
        (Channel.PICK, head.picks),
        (Channel.COLOUR, head.colours),
        (Channel.KEYWORD, head.keywords),
    )
    return {
        Shown(channel, str(value).casefold()): bucket
        for channel, table in tables
        for bucket, values in table.items()
        for value in values
    }


def bucket_meant(shown: Shown, told: Meanings) -> str | None:
    """The bucket that a value means; a keyword also by its last part (`Best` of `Albums|Best`)."""
    value = shown.value.casefold()
    bucket = told.get(Shown(shown.channel, value))
    if bucket is None and shown.channel is Channel.KEYWORD and "|" in value:
        bucket = told.get(Shown(shown.channel, value.rpartition("|")[2]))
    return bucket


def decide(head: str, votes: Iterable[Vote], before: SaidBefore, now: float) -> Decision:
    """The labels of one head that follow from all votes about it; `now` in unix seconds."""
    by_shot: dict[str, list[Vote]] = {key: [] for key, bucket in before.taken.items() if bucket is not None}
    for vote in votes:
        by_shot.setdefault(vote.leader, []).append(vote)
    labels: list[Label] = []
    taken: dict[str, str | None] = {}
    conflicts: list[Conflict] = []
    asked: list[Vote] = []
    for leader, all_votes in by_shot.items():
        free = [vote for vote in all_votes if not vote.held]
        buckets = {vote.bucket for vote in free}
        if len(buckets) > 1:
            conflicts.append(_conflict(free))
        said = free[0] if len(buckets) == 1 else None
        if said is None:
            standing: Collection[Label] = before.labels.get(leader, ())
            if before.taken.get(leader) is not None and leader in before.present and leader not in before.unsure:
                withdrawn = _withdrawn(leader, head, before, now)
                labels += withdrawn
                taken[leader] = None
                standing = _after(standing, withdrawn)
            if not buckets:
                asked += _asked(all_votes, leader, before, standing)
        elif _is_new(leader, said.bucket, before):
            if _is_act(free, leader, before, before.labels.get(leader, ())):
                labels.append(Label(leader, head, said.bucket, LabelSource.RATING, now, said.path))
            taken[leader] = said.bucket
    return Decision(tuple(labels), taken, tuple(conflicts), tuple(asked))


def _is_new(leader: str, bucket: str, before: SaidBefore) -> bool:
    return before.taken.get(leader) != bucket


def _is_act(votes: Collection[Vote], leader: str, before: SaidBefore, standing: Collection[Label]) -> bool:
    """Whether a label follows from votes for one bucket that were not taken into account yet, with these `standing`."""
    bucket = votes_bucket(votes)
    said = any(label.content_key == leader and label.bucket == bucket for label in standing)
    if said and before.besides.get(leader, bucket) == bucket:
        return False
    others = any(label.source != LabelSource.RATING for label in standing)
    return not (others and leader not in before.taken and all(vote.born for vote in votes))


def votes_bucket(votes: Collection[Vote]) -> str:
    """The bucket of votes that agree."""
    return next(iter(votes)).bucket


def _asked(votes: list[Vote], leader: str, before: SaidBefore, standing: Collection[Label]) -> list[Vote]:
    """Held votes, if they agree and a label would follow from them."""
    agree = len({vote.bucket for vote in votes}) == 1
    return votes if agree and _is_act(votes, leader, before, standing) else []


def _after(standing: Collection[Label], withdrawn: Collection[Label]) -> list[Label]:
    """The labels that count once some were taken back."""
    changed = {label.content_key for label in withdrawn}
    return [label for label in standing if label.content_key not in changed] + [
        label for label in withdrawn if label.bucket is not None
    ]


def _withdrawn(leader: str, head: str, before: SaidBefore, now: float) -> list[Label]:
    """What takes back the labels that came from marks; where the photo lies counts again."""
    place = before.places.get(leader)
    return [
        Label(label.content_key, head, None, LabelSource.RATING, now, None)
        if place is None or place.content_key != label.content_key
        else Label(label.content_key, head, place.bucket, place.source, now, place.path)
        for label in before.labels.get(leader, ())
        if label.source == LabelSource.RATING
    ]


def _conflict(votes: list[Vote]) -> Conflict:
    first: dict[str, Vote] = {}
    for vote in votes:
        first.setdefault(vote.bucket, vote)
    one, *others = first.values()
    said = [
        f"{described(vote.shown)} means {vote.bucket}" + (f" ({vote.path})" if vote.path != one.path else "")
        for vote in (one, *others)
    ]
    return Conflict(one.path, f"{' but '.join(said)}; marks teach nothing here until they agree")


def described(shown: Shown) -> str:
    """A value in words for people."""
    match shown.channel:
        case Channel.RATING:
            return "“rejected”" if shown.value == "-1" else f"{shown.value} star{'' if shown.value == '1' else 's'}"
        case Channel.PICK:
            return f"the flag “{shown.value}”"
        case Channel.COLOUR:
            return f"the colour {shown.value}"
        case Channel.KEYWORD:
            return f"the keyword “{shown.value}”"
