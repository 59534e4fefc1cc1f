"""Labels from where photos lie: moved into a bucket's folder, out of it, or into the desktop's trash.

`decide` is pure: it takes where every photo lies and what was said before, and returns the labels to append.
What keeprate itself predicted or wrote never comes here: only places do, and not those where `classify` put copies.
A photo that lies in no bucket any more has again the label that was given to it otherwise.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

from keeprate.catalog import files, labels, libraries, problems
from keeprate.catalog.connection import path_bytes
from keeprate.catalog.labels import Label, LabelSource
from keeprate.config.models import TRASH_BUCKET, Config, HeadConfig, LibraryConfig
from keeprate.steps.labels.filed_copies import RecordedCopies
from keeprate.steps.marks.taking_marks import marks_of_shots
from keeprate.steps.photos.linked_places import TrashedLink, lay_in_view, links_in_buckets, links_in_trash, views_of
from keeprate.steps.session import Session


@dataclass(frozen=True, slots=True)
class Place:
    """A photo lies in a bucket's folder, or its link was thrown away."""

    content_key: str
    bucket: str
    path: str
    trashed: bool = False
    """It is a link that lies in the desktop's trash."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The same photo lies in two buckets at once: it is reported and not used."""

    content_key: str
    places: tuple[Place, ...]

    @property
    def reason(self) -> str:
        where = ", ".join(f"{place.bucket} ({place.path})" for place in self.places[1:])
        return f"the same photo also lies in {where}; it teaches nothing until it lies in one bucket only"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to append, and what to report."""

    labels: tuple[Label, ...]
    conflicts: tuple[Conflict, ...]


def bucket_of(path: str, root: str, head: HeadConfig) -> str | None:
    """The bucket whose folder `path` lies in (at any depth below it); the longest folder wins."""
    folders = PurePath(os.path.relpath(path, root)).parts[:-1]
    best: tuple[int, str] | None = None
    for bucket, patterns in head.buckets.items():
        for pattern in patterns:
            depth = _depth_of_match(folders, pattern)
            if depth and (best is None or depth > best[0]):
                best = (depth, bucket)
    return best[1] if best else None


def _depth_of_match(folders: tuple[str, ...], pattern: str) -> int:
    """How many leading folders the pattern covers; 0: none."""
    if pattern == TRASH_BUCKET:
        return 0
    parts = PurePath(pattern).parts
    if parts[0] != "**":
        return len(parts) if folders[: len(parts)] == parts else 0
    wanted = parts[1:]
    for end in range(len(folders), len(wanted) - 1, -1):
        if folders[end - len(wanted) : end] == wanted:
            return end
    return 0


def decide(
    head: str,
    places: Collection[Place],
    before: Mapping[str, str | None],
    *,
    present: Collection[str],
    unsure: Collection[str] = (),
    trashed: Mapping[str, Place],
    seen_elsewhere: Collection[str],
    now: float,
) -> Decision:
    """The labels that follow from where photos lie.

    Args:
        places: every photo file in a bucket's folder.
        before: content key → bucket of the last place label (None: moved out again).
        present: content keys with a file in a configured library, or in one that forgets what vanished.
        unsure: content keys whose label came from a place that cannot be looked at now: nothing is withdrawn.
        trashed: content key → the trash bucket, for photos just found in the desktop's trash.
        seen_elsewhere: content keys that lay at another path of the library before: their label is a move.
        now: unix seconds.
    """
    by_photo: dict[str, list[Place]] = {}
    for place in places:
        by_photo.setdefault(place.content_key, []).append(place)
    appended: list[Label] = []
    conflicts: list[Conflict] = []
    for key, lying in by_photo.items():
        if len({place.bucket for place in lying}) > 1:
            conflicts.append(Conflict(key, tuple(sorted(lying, key=lambda place: place.path))))
            if before.get(key) is not None:
                appended.append(Label(key, head, None, LabelSource.MOVE, now, lying[0].path))
        elif before.get(key) != lying[0].bucket:
            source = LabelSource.MOVE if key in seen_elsewhere or key in before else LabelSource.FOLDER
            source = LabelSource.TRASH if lying[0].trashed else source
            appended.append(Label(key, head, lying[0].bucket, source, now, lying[0].path))
    for key, bucket in before.items():
        if bucket is not None and key not in by_photo and key in present and key not in unsure:
            appended.append(Label(key, head, None, LabelSource.MOVE, now, None))
    for key, place in trashed.items():
        if key not in present and before.get(key) != place.bucket:
            appended.append(Label(key, head, place.bucket, LabelSource.TRASH, now, place.path))
    return Decision(tuple(appended), tuple(conflicts))


def update_labels(session: Session, trashed: Mapping[str, str] | None = None) -> int:
    """Bring the labels of all heads in line with where photos lie now; returns how many rows were appended.

    `trashed`: content key → original path of photos just found in the desktop's trash.
    """
    appended = 0
    copies = RecordedCopies()
    for head in session.config.heads():
        unseen: list[str] = []
        places = _places(session, head, copies, unseen)
        places += _thrown_away(session, head, {place.content_key for place in places})
        before = labels.places(session.catalog, head)
        changed = [place for place in places if before.get(place.content_key) != place.bucket]
        decision = decide(
            head,
            places,
            before,
            present=_present(session, head, trashed or {}),
            unsure=_unsure(session, head, unseen),
            trashed=_trash_places(session.config, head, trashed or {}),
            seen_elsewhere=_seen_elsewhere(session, changed),
            now=time.time(),
        )
        reports = [(conflict.places[0].path, conflict.reason) for conflict in decision.conflicts]
        reports += copies.damaged.items()
        with session.catalog.db.atomic():
            new = [*decision.labels, *_counting_again(session, head, decision)]
            if new:
                labels.append(session.catalog, new)
            problems.replace_step(session.catalog, "label", f"head {head}", reports)
        appended += len(new)
    return appended


def _counting_again(session: Session, head: str, decision: Decision) -> list[Label]:
    """What was said otherwise of photos that no bucket holds any more, and was never taken back.

    In a library where the folders are the whole truth (`forget_vanished`), nothing.
    """
    ended = {label.content_key for label in decision.labels if label.bucket is None}
    if not ended:
        return []
    said = labels.said_besides(session.catalog, head)
    ended -= _vanished(session, head)
    marks = marks_of_shots(session.catalog, head)
    return [
        replace(label, at=time.time())
        for key, label in said.items()
        if key in ended and (label.source != LabelSource.RATING or marks(key) == label.bucket)
    ]


def _libraries(config: Config, head: str) -> list[tuple[LibraryConfig, HeadConfig]]:
    return [(library, library.heads[head]) for library in config.library if head in library.heads]


def _unsure(session: Session, head: str, unseen: Collection[str]) -> set[str]:
    """Photos whose label came from where nobody can look now: a library that is offline or not in the config any
    more, or a folder of which nobody knows what lies there (`unseen`). That is no decision of the user's.
    """
    online = tuple(
        f"{folder}/"
        for library, _ in _libraries(session.config, head)
        if (known := libraries.get(session.catalog, library.name)) is not None and known.offline is None
        for folder in (library.root, *views_of(library))
    )
    away = tuple(f"{folder}/" for folder in unseen)
    return {
        key
        for key, path in labels.place_paths(session.catalog, head).items()
        if path is not None and (not path.startswith(online) or path.startswith(away))
    }


def _places(session: Session, head: str, copies: RecordedCopies, unseen: list[str]) -> list[Place]:
    """Where photos lie in buckets; folders that cannot be read, or not told from copies, are added to `unseen`."""
    found: list[Place] = []
    for library, settings in _libraries(session.config, head):
        root = str(library.root)
        for path, key in _candidates(session, library.name, root, settings):
            bucket = bucket_of(path, root, settings)
            if bucket is None:
                continue
            is_copy = copies.names(path)
            if is_copy is None:
                unseen.append(os.path.dirname(path))
            elif not is_copy:
                found.append(Place(key, bucket, path))
        found += _linked_places(session, library, settings, unseen)
    return found


def _linked_places(session: Session, library: LibraryConfig, head: HeadConfig, unseen: list[str]) -> list[Place]:
    root = str(library.root)
    return [
        Place(key, bucket, link)
        for key, link in links_in_buckets(session, library, head, unseen)
        if (bucket := bucket_of(link, root, head)) is not None
    ]


def _thrown_away(session: Session, head: str, placed: Collection[str]) -> list[Place]:
    """Photos whose link in a view folder was put into the desktop's trash, until it is brought back.

    Any act with the photo itself (`placed`: those that lie in a bucket) says more, and what was done later counts.
    """
    found: dict[str, Place] = {}
    by_trash = labels.by_trash(session.catalog, head)
    for library, settings in _libraries(session.config, head):
        bucket = _trash_bucket(settings)
        if bucket is None:
            continue
        for label in by_trash:
            if label.bucket == bucket and lay_in_view(library, label):
                found[label.content_key] = Place(label.content_key, bucket, label.path or "", trashed=True)
        for link in links_in_trash(session, library):
            before = labels.latest_of(session.catalog, head, link.content_key)
            if before is not None and before.at >= link.trashed_at:
                continue
            if link.tidied_away:
                _remember_tidied(session, head, link, before)
            else:
                found[link.content_key] = Place(link.content_key, bucket, link.path, trashed=True)
    return [place for key, place in found.items() if key not in placed]


def _remember_tidied(session: Session, head: str, link: TrashedLink, before: Label | None) -> None:
    """Say again what was said of the photo, or nothing: from now on the link in the trash is older than that."""
    again = before or Label(link.content_key, head, None, LabelSource.TRASH, 0.0, link.path)
    with session.catalog.db.atomic():
        labels.append(session.catalog, [replace(again, at=time.time())])


def _candidates(session: Session, library: str, root: str, head: HeadConfig) -> list[tuple[str, str]]:
    """(path, content key) of files that may lie in a bucket: SQLite sorts out the rest of a large library."""
    patterns = [pattern for folders in head.buckets.values() for pattern in folders if pattern != TRASH_BUCKET]
    conditions: list[str] = []
    values: list[object] = [library]
    for pattern in patterns:
        if pattern.startswith("**/"):
            conditions.append("instr(path, CAST(? AS TEXT)) > 0")
            values.append(path_bytes(f"/{pattern[3:]}/"))
        else:
            low = path_bytes(os.path.join(root, pattern)) + b"/"
            conditions.append("path >= CAST(? AS TEXT) AND path < CAST(? AS TEXT)")
            values += [low, low[:-1] + b"0"]  # "0" is the character after "/"
    if not conditions:
        return []
    return session.catalog.conn.execute(
        "SELECT path, content_key FROM files WHERE library = ? AND gone_at IS NULL AND content_key IS NOT NULL "
        f"AND ({' OR '.join(conditions)})",
        values,
    ).fetchall()


def _present(session: Session, head: str, trashed: Collection[str]) -> set[str]:
    """Photos with a label of this head, or just trashed, that have a file in a library with this head."""
    names = [library.name for library, _ in _libraries(session.config, head)]
    rows = session.catalog.conn.execute(
        "SELECT DISTINCT content_key FROM files WHERE gone_at IS NULL "
        f"AND library IN ({','.join('?' * len(names))}) "
        "AND content_key IN (SELECT content_key FROM labels WHERE head = ?)",
        (*names, head),
    )
    found = {key for (key,) in rows} | _vanished(session, head)
    return found | {
        key for key in trashed if any(file.library in names for file in files.of_photo(session.catalog, key))
    }


def _vanished(session: Session, head: str) -> set[str]:
    """Photos whose label came from a library where only what lies in a bucket now counts."""
    roots = tuple(f"{library.root}/" for library, _ in _libraries(session.config, head) if library.forget_vanished)
    paths = labels.place_paths(session.catalog, head) if roots else {}
    return {key for key, path in paths.items() if path is not None and path.startswith(roots)}


def _seen_elsewhere(session: Session, changed: Collection[Place]) -> set[str]:
    library_of = {library.name: str(library.root) for library in session.config.library}
    return {
        place.content_key
        for place in changed
        for name, root in library_of.items()
        if place.path.startswith(root + "/")
        and files.was_elsewhere(session.catalog, place.content_key, name, [place.path])
    }


def _trash_bucket(head: HeadConfig) -> str | None:
    return next((name for name, folders in head.buckets.items() if TRASH_BUCKET in folders), None)


def _trash_places(config: Config, head: str, trashed: Mapping[str, str]) -> dict[str, Place]:
    found: dict[str, Place] = {}
    for library, settings in _libraries(config, head):
        bucket = _trash_bucket(settings)
        if bucket is None:
            continue
        root = str(library.root) + "/"
        found.update({key: Place(key, bucket, path) for key, path in trashed.items() if path.startswith(root)})
    return found
