"""What was said of each shot: a label on any of its photos counts for all of them, once.

The labels themselves stay as they were given, photo by photo; this is how they are looked at by everything that learns,
lists, marks or counts. Where photos of one shot say different things:

- what lies there counts before what is gone: a picture that was edited in its place is another one now;
- that the RAW or an edited copy was put into the trash says nothing of a shot whose leader is there: it saves room;
- one photo in the head's first bucket keeps the shot: who keeps the JPEG and deletes the RAW has kept it;
- other buckets contradict each other: the shot teaches nothing and is reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from keeprate.catalog import companions, files, labels, problems
from keeprate.catalog.companions import Companions
from keeprate.catalog.labels import Label, LabelSource
from keeprate.steps.session import Session


@dataclass(frozen=True, slots=True)
class Said:
    """What a person said for one head, shot by shot."""

    companions: Companions
    of_shot: dict[str, Label]
    """Leader (of a photo without companions: itself) → the label that counts, as it was given."""
    disagreeing: dict[str, tuple[Label, ...]]
    """Leader → labels that contradict each other; nothing counts for these shots."""

    def of_photo(self, content_key: str) -> Label | None:
        """The label that counts for a photo, whichever of the shot's photos it was given to."""
        return self.of_shot.get(self.companions.shot(content_key))

    def of_photos(self) -> dict[str, Label]:
        """content key → label, of every photo of every labelled shot; each label bears the key of its photo."""
        return {
            key: label if label.content_key == key else replace(label, content_key=key)
            for leader, label in self.of_shot.items()
            for key in self.companions.photos(leader)
        }

    def once(self, usable: Collection[str]) -> dict[str, Label]:
        """content key → label, one photo a shot: the first of `usable`, the leader before others."""
        found: dict[str, Label] = {}
        for leader, label in self.of_shot.items():
            key = next((key for key in self.companions.photos(leader) if key in usable), None)
            if key is not None:
                found[key] = replace(label, content_key=key)
        return dict(sorted(found.items()))

    def counts(self) -> dict[str, int]:
        """bucket → how many shots are in it."""
        return dict(Counter(label.bucket for label in self.of_shot.values() if label.bucket is not None))


def said_of_shots(session: Session, head: str) -> Said:
    """What was said for `head`, which the config names."""
    standing = labels.current(session.catalog, head)
    of_several = _said_of_several(session, head, standing)
    if not of_several.companions.members:
        return replace(of_several, of_shot=standing)
    alone = {key: label for key, label in standing.items() if key not in of_several.companions.leader_of}
    return replace(of_several, of_shot=dict(sorted((alone | of_several.of_shot).items())))


def _said_of_several(session: Session, head: str, standing: Mapping[str, Label] | None = None) -> Said:
    """What was said of the shots of several photos alone; `standing` are the labels of the head, if they are known."""
    catalog = session.catalog
    known = companions.load(catalog)
    if not known.members:
        return Said(known, {}, {})
    if standing is None:
        standing = labels.current(catalog, head, with_companions=True)
    of_shot: dict[str, Label] = {}
    disagreeing: dict[str, tuple[Label, ...]] = {}
    together: dict[str, list[Label]] = {}
    for key, label in standing.items():
        if key in known.leader_of:
            together.setdefault(known.leader_of[key], []).append(label)
    lying = companions.lying(catalog)
    first = session.heads(head)[head][:1]
    for leader, given in together.items():
        said = _counting(leader, given, lying)
        buckets = {label.bucket for label in said}
        if len(buckets) == 1 or buckets.intersection(first):
            kept = [label for label in said if label.bucket in first] or said
            of_shot[leader] = next((label for label in kept if label.content_key == leader), kept[0])
        elif buckets:
            disagreeing[leader] = tuple(said)
    return Said(known, of_shot, disagreeing)


def _counting(leader: str, given: Iterable[Label], lying: Collection[str]) -> list[Label]:
    """Those labels of one shot that say something of it as it is now."""
    said = [
        label
        for label in given
        if label.content_key == leader or label.source != LabelSource.TRASH or leader not in lying
    ]
    return [label for label in said if label.content_key in lying] or said


def label_counts(session: Session, head: str) -> dict[str, int]:
    """bucket → how many shots carry it now."""
    counts = Counter(labels.count_alone(session.catalog, head))
    counts.update(_said_of_several(session, head).counts())
    return dict(counts)


def count_reviewed(session: Session, head: str, library: str) -> int:
    """Shots on disk in a library that carry a label."""
    alone = labels.count_reviewed_alone(session.catalog, head, library)
    of_several = _said_of_several(session, head).of_shot.keys()
    return alone + (len(of_several & companions.leaders_in(session.catalog, library)) if of_several else 0)


def report_disagreements(session: Session) -> None:
    """Tell of shots whose photos lie in different buckets; with two buckets there are none."""
    for head, buckets in session.config.heads().items():
        reports: list[tuple[str, str]] = []
        if len(buckets) > 2:
            reports = list(_reports(session, said_of_shots(session, head).disagreeing))
        with session.catalog.db.atomic():
            problems.replace_step(session.catalog, "shot", f"head {head}", reports)


def _reports(session: Session, disagreeing: Mapping[str, tuple[Label, ...]]) -> Iterable[tuple[str, str]]:
    for given in disagreeing.values():
        places = [(_place(session, label), label.bucket) for label in given]
        others = ", ".join(f"{bucket} ({path})" for path, bucket in places[1:])
        yield (
            places[0][0],
            f"other files of the same shot are in {others}; it teaches nothing until they lie in one bucket",
        )


def _place(session: Session, label: Label) -> str:
    lying = files.of_photo(session.catalog, label.content_key)
    return lying[0].path if lying else label.path or label.content_key
