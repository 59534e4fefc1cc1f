"""What a kill in the middle of a write leaves open is closed so that undo still finds what is ours."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.catalog import given_marks, journal, runs
from keeprate.config.load import load_config
from keeprate.plugin_api import Change, Channel, LibraryPlace, Shown
from keeprate.steps.heads.scoring import score
from keeprate.steps.marks import journalling
from keeprate.steps.marks.journalling import Writer, settle_planned
from keeprate.steps.marks.marking_run import write_all
from keeprate.steps.marks.undoing import undo
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.photos.scanning import scan, scan_library
from keeprate.steps.session import Session
from keeprate.steps.tasks import UndoTask
from support.judging import WorkerWithoutProcess, put_head
from support.marks import NoSettings, ReadsNotes
from support.photos import jpeg, write_photos

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


STARS = '[library.marks.xmp]\nmode = "embed"\nstars = true\nminimum_age_s = 0\n'


@pytest.fixture
def killed(session: Session, root: Path, tmp_path: Path) -> Session:
    """Photos were marked, and the process died before it could write that down."""
    config = session.home.config_file
    config.write_text(config.read_text() + STARS)
    session = replace(session, config=load_config(config))
    write_photos(root / "new", range(4))
    scan(session)
    put_head(session, tmp_path / "head")
    worker = WorkerWithoutProcess(session)
    embed_all(session, worker)
    score(session)
    write_all(session, worker)
    with session.catalog.db.atomic():
        session.catalog.conn.execute("UPDATE journal SET state = 'planned'")
    return session


def test_a_photo_that_was_moved_after_the_kill_is_looked_for(killed: Session, root: Path) -> None:
    originals = {path.name: jpeg(number) for number, path in enumerate(sorted((root / "new").iterdir()))}
    for photo in sorted((root / "new").iterdir()):
        photo.rename(root / "keep" / photo.name)
    assert settle_planned(killed) == []
    assert len(journal.standing(killed.catalog)) == 4
    assert undo(killed, UndoTask(None)).restored == 4
    assert {path.name: path.read_bytes() for path in (root / "keep").iterdir()} == originals


def test_a_photo_that_is_nowhere_may_come_back(killed: Session, root: Path, tmp_path: Path) -> None:
    (root / "new").rename(tmp_path / "elsewhere")
    settle_planned(killed)
    (tmp_path / "elsewhere").rename(root / "back")
    assert undo(killed, UndoTask(None)).restored == 4


def test_a_photo_that_is_moved_while_it_is_looked_for_is_asked_about_again(
    killed: Session, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(session: Session) -> None:
        for photo in sorted((root / "new").iterdir()):
            photo.rename(root / "keep" / photo.name)

    with monkeypatch.context() as patch:
        patch.setattr(journalling, "look_where_photos_lie", look)
        told = undo(killed, UndoTask(None))
    assert told.failed == 4
    assert told.failures[0].summary.startswith("keeprate was killed while writing it")
    assert len(journal.planned(killed.catalog)) == 4
    assert undo(killed, UndoTask(None)).restored == 4


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
