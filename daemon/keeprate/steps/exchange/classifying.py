"""Classify a flat folder by a head in use: copies of its pictures, sorted into one folder a bucket (H24, H25).

What the head is not sure of goes to `uncertain/`: two buckets, a probability within 0.1 of the threshold; more, none
above 0.5. Of a shot with several files one picture is judged (the JPEG of RAW and JPEG), and the others go where it
goes, sidecars among them. The pictures themselves are only read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeprate.catalog import embeddings
from keeprate.catalog.heads import HeadVersion
from keeprate.config.models import TRASH_BUCKET
from keeprate.errors import UsageError
from keeprate.learning.heads import choose_buckets
from keeprate.pictures.companions import Picture, attendants, find_companions
from keeprate.pictures.formats import is_picture
from keeprate.steps.heads.judging import Judgement, Unreadable, judge, version_to_judge_by
from keeprate.steps.labels.filed_copies import FiledCopies, Filing
from keeprate.steps.session import Progress, Session
from keeprate.steps.worker_client import WorkerClient

UNCERTAIN = "uncertain"
MARGIN = 0.1
"""Two buckets: nearer to the threshold than this is uncertain (headmaster's figure)."""
SURE_FROM = 0.5
"""More buckets: the likeliest must have at least this probability (headmaster's figure)."""


@dataclass(frozen=True, slots=True)
class ClassifiedPicture:
    """What the head said about one picture, and where its copy lies."""

    path: str
    bucket: str | None
    """None: uncertain."""
    score: float
    """Probability of the head's first bucket."""
    probabilities: dict[str, float]
    copied_to: str | None
    """The copy, whether made now or by an earlier run; None in a dry run, or if it could not be made."""
    along: tuple[str, ...]
    """Other files of the same shot, which go where it goes: RAW, edited copies, sidecars, the film of a Live Photo."""


@dataclass(frozen=True, slots=True)
class ClassifyOutcome:
    head: str
    version: int
    threshold: float | None
    source: str
    destination: str
    pictures: tuple[ClassifiedPicture, ...]
    unreadable: tuple[Unreadable, ...]
    counts: dict[str, int]
    """Pictures by the name of their folder in the destination, each shot once."""
    copied: int
    """Pictures that were copied; what goes along with them is not counted."""
    unchanged: int
    """Pictures whose copies lay there already."""
    along: int
    """Copies of what went along, whether made now or by an earlier run."""
    removed: int
    """Copies of an earlier run that belonged elsewhere by now; in a dry run: that would be removed."""
    orphaned: int
    """Copies of earlier runs that stay: their picture is gone from the source, or is another one by now."""
    subfolders: int
    """Folders in the source that were left out."""
    other_files: int
    """Files in the source that are no pictures and go along with none."""


@dataclass(frozen=True, slots=True)
class _Source:
    folder: Path
    pictures: tuple[str, ...]
    subfolders: int
    others: tuple[str, ...]
    """Names of the files that are no pictures."""


@dataclass(frozen=True, slots=True)
class _Shot:
    """A picture that was judged, and the files that go where it goes; all absolute paths."""

    row: int
    """Of the judgement."""
    path: str
    along: tuple[str, ...]


def classify(
    session: Session,
    worker: WorkerClient,
    head: str,
    source: Path,
    destination: Path,
    *,
    margin: float = MARGIN,
    dry_run: bool = False,
) -> ClassifyOutcome:
    """Copy each picture of `source` into the folder of its bucket in `destination`.

    Args:
        margin: with two buckets, 0–0.5; see `MARGIN`.
        dry_run: say what would be done, copy and remove nothing.

    Raises:
        UsageError: a folder is missing, the two overlap, the destination belongs to a library, there is no picture,
            or the head cannot judge (see `judging.version_to_judge_by`).
        KeeprateError: the head's file or the record of an earlier run is damaged.
        OSError: the destination cannot be written to, or the disk is full.
    """
    version = version_to_judge_by(session, head)
    folders = folder_names(version.buckets)
    found = _pictures_in(source)
    destination = _checked_destination(session, found.folder, destination, folders)
    copies = FiledCopies(destination, head, found.folder)
    judgement = judge(session, worker, version, found.pictures)
    shots = _shots_of(session, found, judgement)
    probabilities = judgement.probabilities[[shot.row for shot in shots]]
    chosen = choose_or_doubt(probabilities, version.threshold, margin)
    filings = [Filing(shot.path, folders[bucket], shot.along) for shot, bucket in zip(shots, chosen, strict=True)]
    judged = {shot.path for shot in shots}
    beside = {path for shot in shots for path in shot.along}
    filed: dict[str, str] = {}
    failed: list[Unreadable] = []
    copied = 0
    if dry_run:
        copies.foresee(filings)
    elif filings:
        for done, one in enumerate(copies.file(filings), start=1):
            copied += one.copied and one.source in judged
            if one.path is None:
                failed.append(Unreadable(one.source, one.reason))
            else:
                filed[one.source] = str(destination / one.path)
            session.reporter.progress(Progress("copying", done, len(judged) + len(beside)))
    names = [folders[index] for index in chosen]
    return ClassifyOutcome(
        head=head,
        version=version.version,
        threshold=version.threshold,
        source=str(found.folder),
        destination=str(destination),
        pictures=_classified(version, shots, probabilities, chosen, filed),
        unreadable=(*(one for one in judgement.unreadable if one.path not in beside), *failed),
        counts={name: names.count(name) for name in folders},
        copied=copied,
        unchanged=len(filed.keys() & judged) - copied,
        along=len(filed.keys() & beside),
        removed=copies.removed,
        orphaned=copies.orphaned,
        subfolders=found.subfolders,
        other_files=len({str(found.folder / name) for name in found.others} - beside),
    )


def _classified(
    version: HeadVersion,
    shots: Sequence[_Shot],
    probabilities: NDArray[np.float64],
    chosen: Sequence[int],
    filed: dict[str, str],
) -> tuple[ClassifiedPicture, ...]:
    return tuple(
        ClassifiedPicture(
            path=shot.path,
            bucket=version.buckets[bucket] if bucket < len(version.buckets) else None,
            score=float(row[0]),
            probabilities=dict(zip(version.buckets, map(float, row), strict=True)),
            copied_to=filed.get(shot.path),
            along=shot.along,
        )
        for shot, row, bucket in zip(shots, probabilities, chosen, strict=True)
    )


def _shots_of(session: Session, source: _Source, judgement: Judgement) -> list[_Shot]:
    """The judged pictures, each shot once, in the order of their paths; a picture that nothing can be said about goes
    along if another one of its shot can be judged.
    """
    facts = embeddings.group_facts(session.catalog, judgement.content_keys)
    known = {
        path: Picture(Path(path).name, key, fact.taken_at, fact.perceptual_hash)
        for path, key, fact in zip(judgement.paths, judgement.content_keys, facts, strict=True)
    }
    unread = {one.path: Picture(Path(one.path).name, one.path) for one in judgement.unreadable}
    rows = {path: row for row, path in enumerate(judgement.paths)}
    found = [[picture.name for picture in shot] for shot in find_companions([*known.values(), *unread.values()])]
    together = {name for shot in found for name in shot}
    found += [[picture.name] for picture in known.values() if picture.name not in together]
    shots: list[_Shot] = []
    for names, along in zip(found, attendants(found, source.others), strict=True):
        paths = [str(source.folder / name) for name in names]
        judged = next((path for path in paths if path in rows), None)
        if judged is not None:
            beside = (*(path for path in paths if path != judged), *(str(source.folder / name) for name in along))
            shots.append(_Shot(rows[judged], judged, beside))
    return sorted(shots, key=lambda shot: shot.row)


def choose_or_doubt(probabilities: NDArray[np.float64], threshold: float | None, margin: float) -> list[int]:
    """(n, k) probabilities -> the bucket of each row, or k where the head is not sure."""
    if threshold is None:
        doubtful = probabilities.max(axis=1, initial=0.0) < SURE_FROM
    else:
        doubtful = np.abs(probabilities[:, 0] - threshold) < margin
    chosen: list[int] = np.where(doubtful, probabilities.shape[1], choose_buckets(probabilities, threshold)).tolist()
    return chosen


def folder_names(buckets: Sequence[str]) -> tuple[str, ...]:
    """The folder of each bucket, and last the one for what is uncertain: all different, also on FAT and on a Mac.

    A bucket may bear any name (it may come from somebody's checkpoint): what would lead out of the destination or
    into a hidden folder does not stay.
    """
    names: list[str] = []
    for bucket in (*buckets, UNCERTAIN):
        plain = re.sub(r"[/\\\x00-\x1f]", "_", bucket)
        plain = f"_{plain}" if plain.startswith(".") or not plain else plain
        name, number = plain, 2
        while name.casefold() in {taken.casefold() for taken in names}:
            name, number = f"{plain} ({number})", number + 1
        names.append(name)
    return tuple(names)


def unreachable_buckets(buckets: Sequence[str], threshold: float | None, margin: float) -> tuple[str, ...]:
    """Two buckets: those that no photo can get into, because the margin reaches from the threshold to 0 or to 1."""
    if threshold is None:
        return ()
    first = (buckets[0],) if threshold + margin > 1 else ()
    return (*first, buckets[1]) if threshold - margin <= 0 else first


def _pictures_in(source: Path) -> _Source:
    """What lies directly in `source`.

    Raises:
        UsageError: it is missing, no folder, cannot be read, or holds no picture.
    """
    if not source.is_dir():
        what = "This is a file, not a folder." if source.exists() else "There is no such folder."
        raise UsageError(what, path=source, advice="--src names the folder whose pictures shall be classified.")
    folder = source.resolve()
    try:
        with os.scandir(folder) as listing:
            entries = sorted((entry.name, entry.is_dir()) for entry in listing if not entry.name.startswith("."))
    except OSError as error:
        raise UsageError(f"The folder cannot be read: {error.strerror or error}.", path=source) from error
    subfolders = sum(is_folder for _, is_folder in entries)
    names = [name for name, is_folder in entries if not is_folder and is_picture(name)]
    if not names:
        beneath = f" Its {subfolders} sub-folders are not looked at: name one of them." if subfolders else ""
        raise UsageError(f"There is no picture in this folder.{beneath}", path=source)
    others = tuple(name for name, is_folder in entries if not is_folder and not is_picture(name))
    return _Source(folder, tuple(str(folder / name) for name in names), subfolders, others)


def _checked_destination(session: Session, source: Path, destination: Path, folders: Sequence[str]) -> Path:
    """`destination` with links resolved, if copies may be put into `folders` there.

    Raises:
        UsageError: it overlaps with the source or belongs to a library or to a workspace's test sets, is no folder or
            cannot be written to.
    """
    resolved = _real(destination)
    targets = [_real(resolved / folder) for folder in folders]
    if any(_overlap(place, source) for place in (resolved, *targets)):
        raise UsageError(
            "The folder for the copies and the folder of the pictures lie within one another.",
            path=destination,
            advice="Name another folder with --dest.",
        )
    for place, owner in _places_of_decisions(session):
        if any(_overlap(target, place) for target in targets):
            raise UsageError(
                f"The copies would lie in {owner} and be taken for decisions of yours.",
                path=destination,
                advice="Name a folder outside of it with --dest.",
            )
    for one in (resolved, *(resolved / folder for folder in folders)):
        nearest = next(folder for folder in (one, *one.parents) if os.path.lexists(folder))
        if not nearest.is_dir():
            raise UsageError(
                "This is a file, not a folder.", path=nearest, advice="Name another folder with --dest, or move it."
            )
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise UsageError(
                "This folder cannot be written to.", path=nearest, advice="Name another folder with --dest."
            )
    return resolved


def _places_of_decisions(session: Session) -> Iterator[tuple[Path, str]]:
    """Folders in which a file counts as somebody's decision, links resolved, and what each belongs to.

    A bucket's folder may be a link that leads out of its library.
    """
    for library in session.config.library:
        owner = f"the library {library.name!r}"
        yield _real(library.root), owner
        for head in library.heads.values():
            for folder in chain.from_iterable(head.buckets.values()):
                if folder != TRASH_BUCKET and not folder.startswith("**/"):
                    yield _real(library.root / folder), owner
    if session.home.workspace is not None:
        for name in ("heads", "test"):
            yield _real(session.home.workspace / name), f"{name}/ of the workspace"


def _real(path: Path) -> Path:
    """`path` with links resolved; unlike `Path.resolve`, also where they go in circles."""
    return Path(os.path.realpath(path))


def _overlap(one: Path, other: Path) -> bool:
    return one == other or one in other.parents or other in one.parents
