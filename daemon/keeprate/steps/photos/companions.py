"""Find out which photos are of one shot, and remember it: what was together once stays so when its files are parted.

Runs after every scan and every embedding, and does nothing unless something new is known since the last time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from keeprate.catalog import companions
from keeprate.catalog.companions import Companions, FileFacts
from keeprate.pictures.companions import RULES, Picture, contradicts, find_companions, leads
from keeprate.steps.session import Session

MANY_FOLDERS = 200
"""More folders than this are not looked at one by one: all files are read at once."""


def look_for_companions(session: Session) -> int:
    """Bring the shots up to date with files and pictures; returns how many have changed."""
    catalog = session.catalog
    known = companions.known_now(catalog, RULES)
    before = companions.last_look(catalog)
    if before == known:
        return 0
    # facts that were learned since may concern any photo, files that were noted since only their folders
    everything = before is None or (before.rules, before.decoded) != (known.rules, known.decoded)
    folders: set[str] = set()
    if before is not None and not everything:
        folders = {os.path.dirname(path) for path in companions.paths_seen_since(catalog, before.seen_at)}
        everything = len(folders) > MANY_FOLDERS
    with catalog.db.atomic():
        changed = 0
        if everything:
            changed += _part_contradicted(session)
            changed += _join(session, _by_folder(companions.facts(catalog)))
        else:
            changed += _join(session, (list(companions.facts(catalog, folder)) for folder in sorted(folders)))
        companions.remember_look(catalog, known)
    return changed


def _by_folder(found: Iterable[FileFacts]) -> Iterator[list[FileFacts]]:
    """Sorted by path, what lies in sub-folders comes between the files of a folder: they are sorted anew."""
    by_folder = sorted(found, key=lambda facts: os.path.dirname(facts.path))
    for _, files in groupby(by_folder, key=lambda facts: os.path.dirname(facts.path)):
        yield list(files)


def _picture(facts: FileFacts) -> Picture:
    return Picture(facts.path.rpartition("/")[2], facts.content_key, facts.taken_at, facts.perceptual_hash)


def _part_contradicted(session: Session) -> int:
    """Names were all there was to go by when photos were taken together that turn out not to be of one shot."""
    catalog = session.catalog
    known = companions.load(catalog)
    facts = companions.facts_of_companions(catalog)
    wrong = [
        key
        for key, leader in known.leader_of.items()
        if key in facts and leader in facts and contradicts(_picture(facts[leader]), _picture(facts[key]))
    ]
    companions.part(catalog, wrong)
    return len({known.shot(key) for key in wrong})


def _join(session: Session, folders: Iterable[list[FileFacts]]) -> int:
    """Remember the shots that the names and pictures of each folder tell; returns how many are new or have grown."""
    catalog = session.catalog
    changed = 0
    known = companions.load(catalog)
    lying = companions.lying(catalog)
    facts: dict[str, FileFacts] | None = None
    for folder in folders:
        for shot in find_companions(map(_picture, folder)):
            keys = {picture.content_key for picture in shot}
            former = {known.leader_of[key] for key in keys if key in known.leader_of}
            if len(former) == 1 and keys.issubset(*(known.members[leader] for leader in former)):
                continue  # as remembered; a leader that was thrown away since goes on standing for the shot
            facts = companions.facts_of_companions(catalog) if facts is None else facts
            facts |= {one.content_key: one for one in folder if one.content_key in keys}
            leader = _leader(shot[0], former & lying, facts)
            everyone = keys.union(*(known.members[one] for one in former))
            if any(contradicts(_picture(facts[leader]), _picture(facts[key])) for key in everyone & facts.keys()):
                continue  # one file like both of two shots does not make them one
            companions.join(catalog, leader, everyone)
            _note(known, leader, everyone)
            lying |= keys
            changed += 1
    return changed


def _leader(first: Picture, former: set[str], facts: Mapping[str, FileFacts]) -> str:
    """Who stands for a shot: the first of those in a folder, or a former leader that lies elsewhere and goes before."""
    best = first
    for key in sorted(former - {first.content_key}):
        other = _picture(facts[key])
        best = other if leads(other.name, best.name) else best
    return best.content_key


def _note(known: Companions, leader: str, photos: set[str]) -> None:
    """Change `known` in place, so that the next folder sees it."""
    for key in photos:
        known.members.pop(key, None)
        known.leader_of[key] = leader
    known.members[leader] = (leader, *sorted(photos - {leader}))
