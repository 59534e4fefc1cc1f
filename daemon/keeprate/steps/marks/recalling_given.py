"""What keeprate showed before it remembered such values: told by the journal, once, before marks are read or written.

`given_marks` is younger than the journal. Without this, the first reading after an update would take our old stars,
carried elsewhere by a viewer, for the user's. What is still to be told is a table of its own (`journal_to_recall`), so
that a kill, or a photo manager that is not installed at the moment, loses nothing.
"""

from __future__ import annotations

from keeprate.catalog import given_marks
from keeprate.plugin_api import PhotoManager
from keeprate.steps.marks.journalling import journal_entry, manager_of
from keeprate.steps.marks.managers import manager_names
from keeprate.steps.session import Session

READ_TOGETHER = 500
"""Entries at a time: each may hold a whole sidecar twice."""


def recall_given(session: Session) -> int:
    """Take what old journal entries showed into `given_marks`; returns how many entries were read. In the worker."""
    catalog = session.catalog
    managers: dict[tuple[str, str], PhotoManager | None] = {}
    installed = manager_names()
    done = 0
    while entries := given_marks.to_recall(catalog, installed, READ_TOGETHER):
        with catalog.db.atomic():
            for entry in entries:
                if (entry.library, entry.manager) not in managers:
                    managers[entry.library, entry.manager] = manager_of(session, entry)
                manager = managers[entry.library, entry.manager]
                if manager is not None and entry.content_key is not None:
                    shown = manager.shows(journal_entry(session, entry))
                    given_marks.record(catalog, [(entry.content_key, one) for one in shown], entry.at)
            given_marks.recalled(catalog, entries)
        done += len(entries)
    return done
