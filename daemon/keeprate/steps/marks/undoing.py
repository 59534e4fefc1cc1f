"""The undo step, in the worker: take marks back, newest first."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from keeprate import plugin_api
from keeprate.catalog import files, journal
from keeprate.catalog.files import SeenFile
from keeprate.catalog.journal import Entry
from keeprate.errors import DiskFullError, KeeprateError
from keeprate.plugin_api import MarkRefusedError, PhotoManager
from keeprate.steps.marks.journalling import (
    BATCH,
    NO_ROOM,
    as_touched,
    journal_entry,
    make_durable,
    manager_of,
    photos_as_scanned,
    settle_planned,
)
from keeprate.steps.photos.scanning import offline_roots, scan_library
from keeprate.steps.session import Progress, Session
from keeprate.steps.tasks import PlannedMark, UndoOutcome, UndoTask

FAILURES_SHOWN = 500
UNTOLD = "keeprate was killed while writing it, and cannot look at it now; undo again when its disk is there"
NOTHING_DONE = (plugin_api.UndoOutcome.NOT_OURS, plugin_api.UndoOutcome.GONE)


def undo(session: Session, task: UndoTask) -> UndoOutcome:
    """Take back the marks of one run, or all of them.

    Raises:
        DiskFullError: no room to restore what was; nothing is lost, run it again after making room.
    """
    make_durable(session.catalog)
    untold = settle_planned(session)
    entries = journal.standing(session.catalog, run_id=task.run)
    if task.dry_run:
        by_place = {_place(entry): _mark(entry, "would be taken back") for entry in entries}
        return UndoOutcome(planned=tuple(by_place.values()))
    _look_where_photos_lie(session)
    places = _Places()
    for entry in untold:
        if task.run in (None, entry.run_id):
            places.add(entry, (), UNTOLD)
    managers: dict[tuple[str, str], PhotoManager | None] = {}
    away = offline_roots(session)
    stuck: set[tuple[str, str]] = set()
    """Places with a mark that could not be taken back: what lies below it must stay too."""
    taken = Taken(session)
    for done, entry in enumerate(entries):
        if session.reporter.cancelled():
            break
        of_library = (entry.library, entry.manager)
        if of_library not in managers:
            managers[of_library] = manager_of(session, entry)
        manager = managers[of_library]
        outcomes: Counter[str] = Counter()
        reason: str | None
        if manager is None:
            reason = "its photo manager is not installed"
        elif away.covers(entry.path):
            reason = "its library is offline; undo again when it is there"
        elif (entry.path, entry.field) in stuck:
            reason = "a later mark at the same place could not be taken back"
        else:
            reason = take_back(session, manager, entry, taken, outcomes)
        if reason is not None:
            stuck.add((entry.path, entry.field))
        places.add(entry, outcomes, reason)
        session.reporter.progress(Progress("undo", done + 1, len(entries)))
    taken.write_down()
    return places.told()


def _look_where_photos_lie(session: Session) -> None:
    """A mark moves with its photo, and is found where the catalog knows that to lie: also if that was a moment ago.

    Else its place would count as gone, and the mark stay for ever.
    """
    for library in session.config.library:
        with contextlib.suppress(KeeprateError):  # what is wrong with the config must not keep marks where they are
            scan_library(session, library)


@dataclass(slots=True)
class _Places:
    """What became of each place: several runs wrote to it, and people ask about files, not about entries."""

    outcomes: dict[tuple[str, str, str], str] = field(default_factory=dict)
    failed: dict[tuple[str, str, str], PlannedMark] = field(default_factory=dict)

    def add(self, entry: Entry, outcomes: Iterable[str], reason: str | None) -> None:
        """Entries come newest first: the oldest that something was done for tells how the place ended up."""
        place = _place(entry)
        if reason is not None:
            self.failed.setdefault(place, _mark(entry, reason))
        for outcome in outcomes:
            later = self.outcomes.get(place)
            if later is None or outcome not in NOTHING_DONE:
                self.outcomes[place] = outcome
            elif outcome == plugin_api.UndoOutcome.GONE and entry.before is None and later not in NOTHING_DONE:
                # what a later entry took away as a whole was not there before the first one
                self.outcomes[place] = plugin_api.UndoOutcome.RESTORED

    def told(self) -> UndoOutcome:
        counts = Counter(outcome for place, outcome in self.outcomes.items() if place not in self.failed)
        return UndoOutcome(
            restored=counts[plugin_api.UndoOutcome.RESTORED],
            removed_ours=counts[plugin_api.UndoOutcome.REMOVED_OURS],
            not_ours=counts[plugin_api.UndoOutcome.NOT_OURS],
            gone=counts[plugin_api.UndoOutcome.GONE],
            failed=len(self.failed),
            failures=tuple(self.failed.values())[:FAILURES_SHOWN],
        )


@dataclass(slots=True)
class Taken:
    """What has been taken back and is not written down yet: each commit waits for the disk, so many share one.

    A kill before that does no harm: what was taken back already is found so when it is done again.
    """

    session: Session
    entries: list[int] = field(default_factory=list)
    photos: list[SeenFile] = field(default_factory=list)
    """Those that nobody but us has changed since they were scanned: a scan need not read them again."""

    def add(self, entry: Entry, photos: list[SeenFile]) -> None:
        self.entries.append(entry.id)
        self.photos += photos
        if len(self.entries) >= BATCH:
            self.write_down()

    def write_down(self) -> None:
        with self.session.catalog.db.atomic():
            journal.settle(self.session.catalog, dict.fromkeys(self.entries, "undone"))
            files.store(self.session.catalog, self.photos)
        self.entries, self.photos = [], []


def take_back(
    session: Session, manager: PhotoManager, entry: Entry, taken: Taken, outcomes: Counter[str]
) -> str | None:
    """Take one entry back; returns why it could not be, if it could not."""
    theirs = journal_entry(session, entry)
    as_scanned = photos_as_scanned(session.catalog, theirs.photo_paths)
    try:
        outcome = manager.undo(theirs)
    except MarkRefusedError as refused:
        return str(refused)
    except OSError as error:
        taken.write_down()
        if error.errno in NO_ROOM:
            raise DiskFullError(
                "The disk is full: a mark could not be taken back. The file is as it was.",
                path=theirs.path,
                advice="Make room and run `keeprate undo` again; it goes on where it stopped.",
            ) from error
        return f"cannot be written: {error.strerror or error}"
    taken.add(entry, as_touched(session.catalog, entry.library, as_scanned))
    outcomes[outcome] += 1
    return None


def _place(entry: Entry) -> tuple[str, str, str]:
    return entry.manager, entry.path, entry.field


def _mark(entry: Entry, text: str) -> PlannedMark:
    return PlannedMark(entry.library, entry.manager, entry.path, entry.field, text)
