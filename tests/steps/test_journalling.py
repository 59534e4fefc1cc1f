"""What a kill in the middle of a write leaves open is closed so that undo still finds what is ours."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.catalog import files, given_marks, journal, runs
from keeprate.config.load import load_config
from keeprate.plugin_api import Change, Channel, JournalEntry, LibraryPlace, Shown
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


def marked_and_killed(session: Session, root: Path, tmp_path: Path, mode: str) -> Session:
    """Photos were marked, and the process died before it could write that down."""
    config = session.home.config_file
    config.write_text(f'{config.read_text()}[library.marks.xmp]\nmode = "{mode}"\nstars = true\nminimum_age_s = 0\n')
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


@pytest.fixture(params=["embed", "sidecar"])
def killed(request: pytest.FixtureRequest, session: Session, root: Path, tmp_path: Path) -> Session:
    return marked_and_killed(session, root, tmp_path, request.param)


def states(session: Session) -> list[str]:
    return [state for (state,) in session.catalog.conn.execute("SELECT state FROM journal ORDER BY id")]


def unmarked(folder: Path) -> bool:
    """Whether the photos there, and nothing beside them, are as they were drawn."""
    return sorted(path.read_bytes() for path in folder.iterdir()) == sorted(jpeg(seed) for seed in range(4))


def test_a_photo_that_was_moved_after_the_kill_takes_its_mark_along(killed: Session, root: Path) -> None:
    for file in sorted((root / "new").iterdir()):
        file.rename(root / "keep" / file.name)
    assert settle_planned(killed) == []
    assert states(killed) == ["done"] * 4
    assert undo(killed, UndoTask(None)).restored == 4
    assert unmarked(root / "keep")


def test_another_photo_in_its_place_says_nothing_of_it(session: Session, root: Path, tmp_path: Path) -> None:
    killed = marked_and_killed(session, root, tmp_path, "embed")
    for file in sorted((root / "new").iterdir()):
        file.rename(root / "keep" / file.name)
        file.write_bytes(jpeg(50))
    settle_planned(killed)
    undo(killed, UndoTask(None))
    assert unmarked(root / "keep")


def test_a_copy_without_a_mark_says_nothing_of_the_one_that_was_moved(
    session: Session, root: Path, tmp_path: Path
) -> None:
    write_photos(root / "copies", range(4))
    killed = marked_and_killed(session, root, tmp_path, "embed")
    for seed, copy in enumerate(sorted((root / "copies").iterdir())):
        copy.write_bytes(jpeg(seed))  # the kill came before its turn
    for photo in sorted((root / "new").iterdir()):
        photo.rename(root / "keep" / photo.name)
    settle_planned(killed)
    undo(killed, UndoTask(None))
    assert unmarked(root / "keep")
    assert unmarked(root / "copies")


def test_a_photo_that_is_nowhere_may_come_back(killed: Session, root: Path, tmp_path: Path) -> None:
    (root / "new").rename(tmp_path / "elsewhere")
    settle_planned(killed)
    (tmp_path / "elsewhere").rename(root / "back")
    assert undo(killed, UndoTask(None)).restored == 4
    assert unmarked(root / "back")


def test_what_was_not_written_is_dropped(killed: Session, root: Path) -> None:
    for sidecar in (root / "new").glob("*.xmp"):
        sidecar.unlink()
    for seed, photo in enumerate(sorted((root / "new").glob("*.jpg"))):
        photo.write_bytes(jpeg(seed))
    assert settle_planned(killed) == []
    assert states(killed) == ["dropped"] * 4


def test_what_cannot_be_looked_at_may_be_ours(killed: Session, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unreadable(ReadsNotes):
        def standing(self, entry: JournalEntry) -> bytes | None:
            raise PermissionError(13, "Permission denied", entry.path)

    unreadable = Unreadable(LibraryPlace("camera", root), NoSettings())
    monkeypatch.setattr(journalling, "manager_of", lambda *_: unreadable)
    assert settle_planned(killed) == []
    assert states(killed) == ["done"] * 4


def test_what_stays_open_is_told_and_nothing_is_looked_through_for_it(killed: Session, root: Path) -> None:
    with killed.catalog.db.atomic():
        killed.catalog.conn.execute("UPDATE journal SET manager = 'uninstalled'")
    (root / "keep" / "coming.jpg").write_bytes(jpeg(70)[:2000])
    assert len(settle_planned(killed)) == 4
    assert files.known_at(killed.catalog, str(root / "keep" / "coming.jpg")) is None, "half of it is there yet"
    told = undo(killed, UndoTask(None))
    assert (told.restored, told.failed) == (0, 4)
    assert told.failures[0].summary.startswith("keeprate was killed while writing it")


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
