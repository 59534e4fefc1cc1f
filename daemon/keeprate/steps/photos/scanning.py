"""The scan step: what is new, changed, moved or gone, and what that says about photos.

A file is only read if its `stat` is new: unchanged files cost no byte, moved ones are recognised by their inode, and
a copy or a metadata edit gives a content key that is known already. Events are only hints to scan some part sooner.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from keeprate.catalog import files, libraries, problems
from keeprate.catalog.connection import writing
from keeprate.catalog.files import SeenFile, signed
from keeprate.catalog.libraries import LibraryRow
from keeprate.config.models import LibraryConfig
from keeprate.pictures.content_key import content_key
from keeprate.pictures.formats import is_picture
from keeprate.steps.labels.labelling import bucket_of, update_labels
from keeprate.steps.labels.shots import report_disagreements
from keeprate.steps.marks.managers import managers_for
from keeprate.steps.photos.companions import look_for_companions
from keeprate.steps.session import Progress, Session
from keeprate.watching.exclusions import Exclusions
from keeprate.watching.mounts import mount_of
from keeprate.watching.reconcile import Reconciliation, match_moves, reconcile
from keeprate.watching.roots import root_state
from keeprate.watching.signature import Signature, StoredSignature, signature_of
from keeprate.watching.stability import is_settled
from keeprate.watching.trash import DesktopTrash
from keeprate.watching.walk import FoundFolder, WalkProblem, look_at, walk_library

READ_TOGETHER = 256
"""Files read before they are stored in one transaction: a kill loses no more than reading these."""
SAMPLE = 20
"""So many known files are looked for when the root lies on another device than before."""


@dataclass(frozen=True, slots=True)
class LibraryScan:
    """What one scan of one library found."""

    library: str
    files: int = 0
    new: int = 0
    changed: int = 0
    moved: int = 0
    gone: int = 0
    new_photos: int = 0
    labels: int = 0
    problems: int = 0
    offline: str | None = None
    seconds: float = 0.0
    unsettled: Mapping[str, Signature] = field(default_factory=dict)
    """Files that were still changing: to be looked at again once they rest."""

    @property
    def found_something(self) -> bool:
        return bool(self.new or self.changed or self.moved or self.gone or self.labels)


@dataclass(frozen=True, slots=True)
class ScanOutcome:
    """What a scan of all libraries found."""

    libraries: tuple[LibraryScan, ...]

    def sentence(self) -> str:
        parts = []
        for one in self.libraries:
            if one.offline is not None:
                parts.append(f"{one.library} is offline: {one.offline} Nothing is forgotten.")
                continue
            counts = f"{one.files} files, {one.new} new, {one.moved} moved, {one.gone} gone"
            labelled = f", {one.labels} label changes" if one.labels else ""
            parts.append(f"{one.library}: {counts}{labelled} ({one.seconds:.1f} s).")
        return "\n".join(parts)


def scan(session: Session, name: str | None = None) -> ScanOutcome:
    """Scan the library called `name`, or all."""
    return ScanOutcome(tuple(scan_library(session, library) for library in session.libraries(name)))


def exclusions_of(session: Session, library: LibraryConfig) -> Exclusions:
    """What is never looked at in a library: its patterns, and every folder that photo managers made."""
    own = [
        folder
        for one in session.config.library
        for manager in managers_for(one).values()
        for folder in manager.own_folders()
    ]
    return Exclusions(library.exclude, folders=own)


def scan_library(session: Session, library: LibraryConfig, *, quiet_s: float = 0.0) -> LibraryScan:
    """Walk a whole library. Files that changed less than `quiet_s` seconds ago are left for later."""
    started, began_at = time.monotonic(), time.time()
    exclude = exclusions_of(session, library)
    offline = check_root(session, library, exclude)
    if offline is not None:
        return LibraryScan(library.name, offline=offline)
    known = files.known_signatures(session.catalog, library.name)
    session.reporter.progress(Progress("scan", 0, None, library.name))
    found = walk_library(library.root, exclude=exclude, is_picture=is_picture)
    difference = reconcile(known, found, inodes_last=_keeps_inodes(library))
    with session.catalog.db.atomic():
        unreadable = [(problem.path, problem.reason) for problem in difference.problems]
        problems.replace_step(session.catalog, "walk", library.name, unreadable)
    result = _take_over(session, library, difference, quiet_s, started)
    session.reporter.progress(Progress("scan", result.files, result.files, library.name))
    libraries.set_scanned(session.catalog, library.name, began_at)  # what happens meanwhile, it may miss
    return result


def scan_part(
    session: Session, library: LibraryConfig, *, paths: Collection[str], folders: Collection[str], quiet_s: float
) -> LibraryScan:
    """Look at some files and folders of a library that events told of."""
    started = time.monotonic()
    exclude = exclusions_of(session, library)
    offline = check_root(session, library, exclude)
    if offline is not None:
        return LibraryScan(library.name, offline=offline)
    known: dict[str, files.Signature] = {}
    for path in paths:
        signature = files.known_at(session.catalog, path)
        if signature is not None:
            known[path] = signature
    for folder in folders:
        known.update(files.known_signatures(session.catalog, library.name, folder))
        # a folder's name may be that of a file that lay there before
        signature = files.known_at(session.catalog, folder)
        if signature is not None:
            known[folder] = signature

    def found() -> Iterator[FoundFolder | WalkProblem]:
        yield from look_at(library.root, [*paths, *folders], exclude=exclude, is_picture=is_picture)
        for folder in folders:
            yield from walk_library(library.root, exclude=exclude, is_picture=is_picture, start=folder)

    difference = reconcile(known, found(), inodes_last=_keeps_inodes(library))
    return _take_over(session, library, difference, quiet_s, started)


def check_root(session: Session, library: LibraryConfig, exclude: Exclusions) -> str | None:
    """Why the library is offline, or None; remembers either way."""
    known = libraries.get(session.catalog, library.name)
    root = str(library.root)
    sample = files.sample(session.catalog, library.name, SAMPLE)
    if known is not None and known.root != root:  # moved in the config: its photos are looked for in the new place
        sample = {root + path.removeprefix(known.root): signature for path, signature in sample.items()}
    report = root_state(
        library.root,
        known_device=known.device if known else None,
        known_inode=known.inode if known else None,
        sample=sample,
        exclude=exclude,
    )
    if not report.online or report.device is None or report.inode is None:
        if known is None or known.offline != report.sentence:
            libraries.set_offline(session.catalog, library.name, root, report.sentence)
        return report.sentence
    now = LibraryRow(library.name, root, report.device, signed(report.inode), None, None)
    if known is None or replace(known, scanned_at=None) != now:
        libraries.set_online(session.catalog, library.name, root, device=report.device, inode=report.inode)
    return None


@dataclass(frozen=True, slots=True)
class OfflineRoots:
    """The roots of libraries that are not there now."""

    roots: tuple[str, ...]

    def covers(self, path: str) -> bool:
        """Whether `path` lies in one of them, so that its absence means nothing."""
        return any(path.startswith(root + "/") for root in self.roots)


def offline_roots(session: Session) -> OfflineRoots:
    """Look at every library, also at those that the config does not name any more."""
    away = [
        str(library.root)
        for library in session.config.library
        if check_root(session, library, exclusions_of(session, library)) is not None
    ]
    configured = {library.name for library in session.config.library}
    for known in libraries.known(session.catalog):
        if known.name not in configured:
            report = root_state(
                Path(known.root),
                known_device=known.device,
                known_inode=known.inode,
                sample=files.sample(session.catalog, known.name, SAMPLE),
                exclude=Exclusions(),
            )
            away += [] if report.online else [known.root]
    return OfflineRoots(tuple(away))


def _keeps_inodes(library: LibraryConfig) -> bool:
    mount = mount_of(library.root)
    return mount is None or mount.keeps_inodes


def _take_over(
    session: Session, library: LibraryConfig, difference: Reconciliation, quiet_s: float, started: float
) -> LibraryScan:
    """Bring the catalog in line with what was found."""
    catalog = session.catalog
    sources: dict[str, str] = {}
    if _keeps_inodes(library):
        sources = match_moves(difference.gone, difference.appeared)
    keys = files.content_keys_at(catalog, set(sources.values()))
    moves = {path: keys[source] for path, source in sources.items() if source in keys}
    now_ns = time.time_ns()
    to_read: dict[str, Signature] = {}
    unsettled: dict[str, Signature] = {}
    for path, signature in {**difference.changed, **difference.appeared}.items():
        if path in moves:
            continue
        settled = quiet_s == 0 or is_settled(signature, now_ns=now_ns, quiet_s=quiet_s)
        (to_read if settled else unsettled)[path] = signature

    new_photos = _store_moved(session, library, moves, difference.appeared)
    read_photos, moving = _read(session, library, to_read)
    unsettled.update(moving)
    moved = set(sources.values())
    trashed = _trashed(session, library, {path: one for path, one in difference.gone.items() if path not in moved})
    with writing(catalog):  # what is said on the page meanwhile waits
        files.mark_gone(catalog, difference.gone)
        for path in difference.gone:
            problems.clear_file(catalog, path)
        look_for_companions(session)
        labels = update_labels(session, trashed)
        report_disagreements(session)
    return LibraryScan(
        library=library.name,
        files=difference.unchanged_count + len(difference.changed) + len(difference.appeared),
        new=len(difference.appeared) - len(moves) - sum(path in difference.appeared for path in unsettled),
        changed=len(difference.changed),
        moved=len(moves),
        gone=len(difference.gone) - len({sources[path] for path in moves}),
        new_photos=new_photos + read_photos,
        labels=labels,
        problems=len(difference.problems),
        seconds=time.monotonic() - started,
        unsettled=unsettled,
    )


def _store_moved(
    session: Session, library: LibraryConfig, moves: Mapping[str, str], appeared: Mapping[str, Signature]
) -> int:
    if not moves:
        return 0
    with session.catalog.db.atomic():
        return files.store(
            session.catalog,
            [SeenFile(path, library.name, appeared[path], key, _shoot(library, path)) for path, key in moves.items()],
        )


def _shoot(library: LibraryConfig, path: str) -> str:
    """The folder that tells which shoot a photo belongs to; a bucket's folder tells nothing."""
    root = str(library.root)
    in_bucket = any(bucket_of(path, root, head) is not None for head in library.heads.values())
    return "" if in_bucket else os.path.dirname(path)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What reading one file gave: a content key, or a reason why not; None and None: it changed meanwhile."""

    path: str
    signature: Signature
    content_key: str | None
    problem: str | None = None


def _read_one(path: str, signature: Signature) -> _Reading:
    try:
        key = content_key(Path(path))
        settled = signature_of(os.stat(path)) == signature
    except FileNotFoundError:
        return _Reading(path, signature, None)
    except OSError as error:
        return _Reading(path, signature, None, f"cannot be read: {error.strerror or error}")
    return _Reading(path, signature, key if settled else None)


def _read(
    session: Session, library: LibraryConfig, to_read: Mapping[str, Signature]
) -> tuple[int, dict[str, Signature]]:
    """Compute content keys and store them; returns how many photos are new, and what changed while it was read."""
    catalog = session.catalog
    paths = sorted(to_read)
    new_photos = 0
    moving: dict[str, Signature] = {}
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1), thread_name_prefix="read") as pool:
        for start in range(0, len(paths), READ_TOGETHER):
            if session.reporter.cancelled():
                break
            chunk = paths[start : start + READ_TOGETHER]
            readings = list(pool.map(_read_one, chunk, [to_read[path] for path in chunk]))
            seen = []
            with catalog.db.atomic():
                for reading in readings:
                    if reading.content_key is None and reading.problem is None:
                        moving[reading.path] = reading.signature
                        continue
                    problems.clear_file(catalog, reading.path)
                    folder = _shoot(library, reading.path)
                    seen.append(SeenFile(reading.path, library.name, reading.signature, reading.content_key, folder))
                    if reading.problem is not None:
                        problems.record(catalog, "read", reading.path, reading.problem, library=library.name)
                new_photos += files.store(catalog, seen)
            session.reporter.progress(Progress("read", start + len(chunk), len(paths), library.name))
    return new_photos, moving


def _trashed(session: Session, library: LibraryConfig, gone: Mapping[str, StoredSignature]) -> dict[str, str]:
    """content key → original path of gone photos that lie in the desktop's trash now."""
    if not gone:
        return {}
    known = libraries.get(session.catalog, library.name)
    since = (known and known.scanned_at) or 0.0
    in_trash = DesktopTrash([library.root]).find_trashed(
        {Path(path): one for path, one in gone.items()}, since=since if _keeps_inodes(library) else None
    )
    keys = files.content_keys_at(session.catalog, [str(path) for path in in_trash])
    return {key: path for path, key in keys.items()}
