"""What a kill in the middle of a write leaves open is closed so that undo still finds what is ours."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.catalog import given_marks, journal, runs
from keeprate.config.load import load_config
from keeprate.plugin_api import Change, Channel, LibraryPlace, Shown
from keeprate.steps.marks.journalling import Writer, settle_planned
from keeprate.steps.photos.scanning import scan_library
from keeprate.steps.session import Session
from support.marks import NoSettings, ReadsNotes
from support.photos import write_photos

BEFORE, AFTER, CHANGED = 1_000_000_000, 2_000_000_000, 3_000_000_000


@pytest.mark.parametrize(("stands", "state"), [(BEFORE, "dropped"), (AFTER, "done"), (CHANGED, "done")])
def test_an_open_entry_is_settled_by_what_stands(session: Session, root: Path, stands: int, state: str) -> None:
    (photo,) = write_photos(root / "in", range(1))
    os.utime(photo, ns=(stands, stands))
    session = replace(session, config=load_config(session.home.config_file))
    scan_library(session, session.config.library[0])
    change = journal.Planned(photo, "mtime", None, str(BEFORE).encode(), str(AFTER).encode())
    run = runs.begin(session.catalog, "write")
    journal.plan(session.catalog, [change], run_id=run, library="camera", manager="order")
    settle_planned(session)
    assert journal.planned(session.catalog) == []
    assert [entry.state for entry in journal.standing(session.catalog)] == (["done"] if state == "done" else [])


def test_what_a_change_shows_is_remembered_before_it_is_made(session: Session, root: Path) -> None:
    four = Shown(Channel.RATING, "4")
    known: list[object] = []

    class Dies(ReadsNotes):
        def apply(self, change: Change) -> None:
            known.append(given_marks.everything(session.catalog))
            raise KeyboardInterrupt

    run = runs.begin(session.catalog, "write")
    manager = Dies(LibraryPlace("camera", root), NoSettings())
    writer = Writer(session, "camera", "notes", manager, run, lambda _: None)
    change = Change(path=root, field="f", before=None, after=b"4", summary="", content_key="photo", shows=(four,))
    with pytest.raises(KeyboardInterrupt):
        list(writer.apply([change]))
    assert known == [{"photo": frozenset({four})}]
    assert given_marks.everything(session.catalog) == known[0], "and for ever"
