"""Make changes under the journal: written down before, settled after, whatever happens in between.

Changes go through in batches: one durable commit before a batch, one after it. A kill in between leaves entries
`planned`; `settle_planned` closes them by looking at what stands.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from keeprate.catalog import Catalog, files, given_marks, journal, libraries
from keeprate.catalog.files import SeenFile, Signature
from keeprate.catalog.journal import Entry, Planned
from keeprate.errors import DiskFullError
from keeprate.pictures.content_key import content_key
from keeprate.plugin_api import Change, JournalEntry, LibraryPlace, MarkRefusedError, PhotoManager
from keeprate.safe_files import FileChangedError, sweep_temporaries
from keeprate.steps.marks.managers import manager_type, managers_for
from keeprate.steps.photos.scanning import offline_roots
from keeprate.steps.session import Session
from keeprate.steps.worker import Working

BATCH = 32
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class Writer:
    """A photo manager at work on a library, within a run."""

    session: Session
    library: str
    name: str
    manager: PhotoManager
    run_id: int
    working: Working

    def apply(self, changes: Iterable[Change]) -> Iterator[tuple[Change, str | None]]:
        """Make `changes` and yield each with the reason why it was not made, or None.

        Raises:
            DiskFullError: no room left; everything made so far is journalled, the rest was not begun.
        """
        remaining = iter(changes)
        while batch := list(islice(remaining, BATCH)):
            yield from zip(batch, self._apply_batch(batch), strict=True)

    def _apply_batch(self, batch: list[Change]) -> list[str | None]:
        catalog = self.session.catalog
        planned = [
            Planned(change.path, change.field, change.content_key, change.before, change.after) for change in batch
        ]
        shown = [
            (change.content_key, one) for change in batch if change.content_key is not None for one in change.shows
        ]
        with catalog.db.atomic():
            given_marks.record(catalog, shown)
            ids = journal.plan(catalog, planned, run_id=self.run_id, library=self.library, manager=self.name)
        states = dict.fromkeys(ids, "dropped")
        reasons: list[str | None] = []
        touched: list[SeenFile] = []
        try:
            for entry_id, change in zip(ids, batch, strict=True):
                self.working([str(change.path)])
                states[entry_id] = "planned"  # if this one fails in an unforeseen way, the next run looks for itself
                reason = self._apply_one(change, touched)
                states[entry_id] = "done" if reason is None else "dropped"
                reasons.append(reason)
            self.working([])
        finally:
            with catalog.db.atomic():  # once a batch: each commit waits for the disk
                journal.settle(catalog, states)
                files.store(catalog, touched)
        return reasons

    def _apply_one(self, change: Change, touched: list[SeenFile]) -> str | None:
        """Make one change; returns why it was not made, if it was not.

        A photo file that only we changed is added to `touched`.
        """
        catalog = self.session.catalog
        # A photo that the user edited since the last scan must be read again: then its change is not ours alone.
        as_scanned = photos_as_scanned(catalog, [change.path]) if change.touches_photo else {}
        try:
            self.manager.apply(change)
        except MarkRefusedError as refused:
            return str(refused)
        except OSError as error:
            if self._stands(change):
                return None  # it failed after the change was made, as when a folder cannot be synced
            if error.errno in NO_ROOM:
                raise DiskFullError(
                    "The disk is full: a mark could not be written. The photo is as it was.",
                    path=change.path,
                    advice="Make room; keeprate goes on where it stopped.",
                ) from error
            return f"cannot be written: {error.strerror or error}"
        touched += as_touched(catalog, self.library, as_scanned)
        return None

    def _stands(self, change: Change) -> bool:
        entry = JournalEntry(change.path, change.field, change.before, change.after, ())
        try:
            return self.manager.standing(entry) == change.after != change.before
        except (OSError, MarkRefusedError):
            return False


def make_durable(catalog: Catalog) -> None:
    """From now on a commit is on the disk when it returns: a mark never outlives its journal entry in a power cut."""
    catalog.conn.execute("PRAGMA synchronous = FULL")


def journal_entry(session: Session, entry: Entry) -> JournalEntry:
    """A journal row as photo managers see it, with where the photo's files lie now."""
    lying = files.of_photo(session.catalog, entry.content_key) if entry.content_key else []
    return JournalEntry(
        Path(entry.path), entry.field, entry.before, entry.after, tuple(Path(file.path) for file in lying)
    )


def manager_of(session: Session, entry: Entry) -> PhotoManager | None:
    """The photo manager that wrote an entry, with the library's settings or, if they are gone, the defaults."""
    type_ = manager_type(entry.manager)
    if type_ is None:
        return None
    library = session.config.library_named(entry.library)
    if library is not None and entry.manager in library.marks:
        return managers_for(library)[entry.manager]
    known = libraries.get(session.catalog, entry.library)
    root = Path(known.root) if known is not None else Path(entry.path).parent
    return type_(LibraryPlace(entry.library, root), type_.settings_type())


def settle_planned(session: Session) -> list[Entry]:
    """Close what a killed run left open, by looking at what stands, and remove its temporary files.

    Only what was certainly not written is dropped. Everything else may hold what is ours, so undo must look there.
    Returns what has to stay open until somebody can tell.
    """
    open_entries = journal.planned(session.catalog)
    away = offline_roots(session) if open_entries else None
    states: dict[int, str] = {}
    for entry in open_entries:
        if away is not None and away.covers(entry.path):
            continue  # an unplugged disk tells nothing: ask again next time
        sweep_temporaries(Path(entry.path).parent, minimum_age_s=0)  # we hold the lock: no writer of ours is alive
        manager = manager_of(session, entry)
        if manager is None:
            continue  # its photo manager is not installed any more; should it come back, it can still tell
        try:
            states[entry.id] = "dropped" if _is_untouched(session, manager, entry) else "done"
        except (OSError, MarkRefusedError, FileChangedError):
            if entry.content_key is not None:
                states[entry.id] = "done"  # whatever keeps us from looking, it stands there or it moves with its photo
    journal.settle(session.catalog, states)
    return [entry for entry in open_entries if entry.id not in states]


def _is_untouched(session: Session, manager: PhotoManager, entry: Entry) -> bool:
    """Whether a place is certainly as it was before an entry was planned.

    That nothing stands where a photo lay tells nothing once the photo has been moved: its mark went with it. So the
    photo must be seen to lie there still.

    Raises:
        MarkRefusedError, OSError: it cannot be told.
    """
    planned = journal_entry(session, entry)
    if entry.content_key is None:
        return manager.standing(planned) == entry.before
    here = tuple(
        photo
        for photo in planned.photo_paths
        if (photo == planned.path or planned.path in manager.mark_places(photo, {planned.path.name}))
        and content_key(photo) == entry.content_key
    )
    return here != () and manager.standing(replace(planned, photo_paths=here)) == entry.before


def _signature(path: Path) -> Signature | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return files.signed_signature((stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino))


def photos_as_scanned(catalog: Catalog, paths: Iterable[Path]) -> dict[Path, Signature]:
    """Those photo files that are still as the last scan saw them; a change of ours is then the only one."""
    seen = {path: _signature(path) for path in paths}
    return {
        path: signature
        for path, signature in seen.items()
        if signature is not None and files.known_at(catalog, str(path)) == signature
    }


def as_touched(catalog: Catalog, library: str, before: Mapping[Path, Signature]) -> list[SeenFile]:
    """Of photo files that were as scanned (`before`), those that look different now: we changed them, and their
    picture is the same, so that a scan need not read them again.
    """
    changed = [
        (path, signature)
        for path, seen in before.items()
        if (signature := _signature(path)) is not None and signature != seen
    ]
    keys = files.content_keys_at(catalog, [str(path) for path, _ in changed])
    return [
        SeenFile(str(path), library, signature, keys[str(path)], os.path.dirname(path))
        for path, signature in changed
        if str(path) in keys
    ]
