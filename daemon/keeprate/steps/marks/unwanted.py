"""Take back what no setting asks for any more: an old view would stay for ever, and say less and less of the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from keeprate.catalog import journal
from keeprate.catalog.journal import Entry
from keeprate.config.models import LibraryConfig
from keeprate.plugin_api import LibraryPlace, MarkRefusedError, PhotoManager, UndoOutcome
from keeprate.steps.marks.journalling import journal_entry
from keeprate.steps.marks.managers import manager_type, managers_for
from keeprate.steps.marks.undoing import Taken, take_back
from keeprate.steps.session import Session
from keeprate.steps.worker import Working


def take_back_unwanted(
    session: Session, library: LibraryConfig, working: Working, without: Collection[str], *, dry_run: bool
) -> Iterator[tuple[Entry, str | None]]:
    """Take back what is not wanted in a library that is online; yields the latest entry of each place, and why it
    could not be, if it could not. What had nothing of ours left is not worth a word.

    Raises:
        DiskFullError: no room to restore what was; nothing is lost.
    """
    taken = Taken(session)
    for manager, entries in _unwanted(session, library):
        latest = entries[0]
        if session.reporter.cancelled():
            break
        if latest.path in without:
            yield latest, "taking it back killed the worker process; it is tried again in the next run"
        elif dry_run:
            yield latest, None
        else:
            working([latest.path])
            outcomes: Counter[str] = Counter()
            reasons = (take_back(session, manager, entry, taken, outcomes) for entry in entries)
            reason = next((reason for reason in reasons if reason is not None), None)
            working([])
            if reason is not None or outcomes[UndoOutcome.RESTORED] or outcomes[UndoOutcome.REMOVED_OURS]:
                yield latest, reason
    taken.write_down()


def _unwanted(session: Session, library: LibraryConfig) -> Iterator[tuple[PhotoManager, list[Entry]]]:
    """The entries of each place that no setting asks for, newest first."""
    catalog, configured = session.catalog, managers_for(library)
    for name, field in journal.standing_fields(catalog, library.name):
        manager = configured.get(name) or _without_settings(library, name)
        if manager is None:
            continue  # not installed any more: nobody can tell
        of_photos = not manager.wants(field, None)
        places: dict[str, list[Entry]] = {}
        for entry in journal.standing_of(catalog, library.name, name, field, of_photos=of_photos):
            places.setdefault(entry.path, []).append(entry)
        for path, entries in places.items():
            if not manager.wants(field, Path(path)) and _stands(session, manager, entries[0]):
                yield manager, entries


def _without_settings(library: LibraryConfig, name: str) -> PhotoManager | None:
    type_ = manager_type(name)
    return None if type_ is None else type_(LibraryPlace(library.name, library.root), type_.settings_type())


def _stands(session: Session, manager: PhotoManager, entry: Entry) -> bool:
    """Whether there is anything to take back; a place that is not there may be on a disk that is unplugged."""
    try:
        return entry.content_key is not None or manager.standing(journal_entry(session, entry)) is not None
    except (OSError, MarkRefusedError):
        return False
