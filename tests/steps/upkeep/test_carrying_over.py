"""After a restore keeprate knows what it wrote: it takes it back, and never learns it. Labels are the backup's."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from keeprate.catalog import Catalog, given_marks, jobs, journal, open_catalog, runs, user_marks
from keeprate.catalog.journal import Planned
from keeprate.catalog.user_marks import FileReading
from keeprate.plugin_api import Channel, Shown, UserMarks
from keeprate.steps.marks.marking_run import write_all
from keeprate.steps.marks.undoing import undo
from keeprate.steps.session import Session, open_session
from keeprate.steps.tasks import UndoTask
from keeprate.steps.upkeep.backup import back_up
from keeprate.steps.upkeep.carrying_over import carry_over
from keeprate.steps.upkeep.restoring import restore
from support.catalogs import add_file
from support.damage import damage
from support.judging import WorkerWithoutProcess


def seen_in(root: Path) -> set[str]:
    return {os.path.relpath(path, root) for path in root.rglob("*")}


def key_of(path: str) -> str:
    return os.fsencode(path).hex()


def write_down(catalog: Catalog, *paths: str) -> int:
    """A run that has written a star at each of these places."""
    run = runs.begin(catalog, "write")
    changes = [Planned(Path(path), "stars", key_of(path), None, b"5") for path in paths]
    ids = journal.plan(catalog, changes, run_id=run, library="camera", manager="xmp")
    journal.settle(catalog, dict.fromkeys(ids, "done"))
    with catalog.db.atomic():
        given_marks.record(catalog, [(key_of(path), Shown(Channel.RATING, "5")) for path in paths])
    runs.finish(catalog, run, f"{len(paths)} stars", {})
    return run


def standing(catalog: Catalog) -> list[str]:
    return [entry.path for entry in journal.standing(catalog)]


def assert_sound(catalog: Catalog) -> None:
    assert catalog.conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert catalog.conn.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("marks_before", [False, True])
def test_undo_takes_back_what_was_written_since(marked: Session, root: Path, marks_before: bool) -> None:
    before = seen_in(root)
    worker = WorkerWithoutProcess(marked)
    if marks_before:
        write_all(marked, worker)
        backup = back_up(marked).path
        undo(marked, UndoTask(None))
    else:
        backup = back_up(marked).path
    write_all(marked, worker)
    written = seen_in(root) - before
    assert written
    places = journal.count_standing(marked.catalog)
    marked.catalog.close()
    outcome = restore(marked.home, backup)
    assert not outcome.marks_unknown
    with open_session(marked.home) as session:
        assert_sound(session.catalog)
        told = undo(session, UndoTask(None))
    assert told.restored == places
    assert told.failed == 0
    assert seen_in(root) - before == set()


def test_labels_are_those_of_the_backup_and_nothing_given_is_forgotten(session: Session) -> None:
    add_file(session.catalog, "/p/1.jpg", "k1")
    write_down(session.catalog, "/p/1.xmp")
    backup = back_up(session).path
    write_down(session.catalog, "/p/2.xmp", os.fsdecode(b"/p/caf\xe9.xmp"))
    five, four = UserMarks(rating=5), UserMarks(rating=4)
    with session.catalog.db.atomic():
        session.catalog.conn.execute(
            "INSERT INTO labels (content_key, head, bucket, source, at) VALUES ('k1', 'keep', 'keep', 'web', 1)"
        )
        user_marks.take(session.catalog, "keep", {"k1": "keep"})
        user_marks.store(session.catalog, FileReading("/p/1.jpg", "camera", "k1", "/p", "now", 7.0, {"xmp": five}))
        user_marks.store(session.catalog, FileReading("/p/1.jpg", "camera", "k1", "/p", "later", 9.0, {"xmp": four}))
    jobs.record_pause(session.catalog, "write", paused=True)
    known = {
        table: session.catalog.conn.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall()
        for table in ("journal", "given_marks", "first_readings", "said_values")
    }
    session.catalog.close()
    restore(session.home, backup)
    with open_catalog(session.home.catalog_file) as catalog:
        assert_sound(catalog)
        for table, rows in known.items():
            assert rows
            assert catalog.conn.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall() == rows
        for table in ("labels", "taken_marks", "user_marks", "marks_read"):
            assert catalog.conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
        assert jobs.all_jobs(catalog)["write"].paused
        last = runs.last(catalog, "write")
        assert last is not None
        assert last.outcome == "2 stars"


def test_what_was_taken_back_or_merged_since_does_not_come_again(session: Session) -> None:
    write_down(session.catalog, "/p/1.xmp", "/p/2.xmp", "/p/3.xmp")
    backup = back_up(session).path
    with session.catalog.db.atomic():
        session.catalog.conn.execute("UPDATE journal SET state = 'undone' WHERE path = '/p/1.xmp'")
        session.catalog.conn.execute("DELETE FROM journal WHERE path = '/p/2.xmp'")
    write_down(session.catalog, "/p/4.xmp")
    session.catalog.close()
    restore(session.home, backup)
    with open_catalog(session.home.catalog_file) as catalog:
        assert standing(catalog) == ["/p/4.xmp", "/p/3.xmp"]


def test_the_journal_of_a_catalog_that_was_begun_anew_comes_on_top(session: Session) -> None:
    write_down(session.catalog, "/p/1.xmp", "/p/2.xmp")
    backup = back_up(session).path
    session.catalog.close()
    session.home.catalog_file.unlink()
    with open_catalog(session.home.catalog_file) as anew:
        write_down(anew, "/p/2.xmp")
    assert not restore(session.home, backup).marks_unknown
    with open_catalog(session.home.catalog_file) as catalog:
        assert_sound(catalog)
        assert standing(catalog) == ["/p/2.xmp", "/p/2.xmp", "/p/1.xmp"]


def test_without_a_catalog_it_is_said_that_marks_are_unknown(session: Session) -> None:
    write_down(session.catalog, "/p/1.xmp")
    backup = back_up(session).path
    session.catalog.close()
    session.home.catalog_file.unlink()
    assert restore(session.home, backup).marks_unknown


def test_damage_elsewhere_costs_no_mark(session: Session) -> None:
    backup = back_up(session).path
    write_down(session.catalog, *(f"/p/{number}.xmp" for number in range(2000)))
    session.catalog.close()
    damage(session.home.catalog_file, pages=2)
    restore(session.home, backup)
    with open_catalog(session.home.catalog_file) as catalog:
        assert len(standing(catalog)) == 2000


@pytest.mark.parametrize("page", range(4))
def test_of_a_damaged_journal_what_can_be_read_comes_along(session: Session, page: int, tmp_path: Path) -> None:
    write_down(session.catalog, "/p/old.xmp")
    backup = back_up(session).path
    assert backup is not None
    write_down(session.catalog, *(f"/p/{number}.xmp" for number in range(2000)))
    session.catalog.close()
    file = session.home.catalog_file
    with closing(sqlite3.connect(file)) as conn:
        leaves = conn.execute("SELECT pageno FROM dbstat WHERE name = 'journal' AND pagetype = 'leaf'").fetchall()
    with file.open("r+b") as broken:
        broken.seek((leaves[len(leaves) // 4 * page][0] - 1) * 4096)
        broken.write(b"\xff" * 4096)
    outcome = restore(session.home, backup)
    assert outcome.marks_unknown, "some of it is lost, and that is said"
    with open_catalog(file) as catalog:
        assert_sound(catalog)
        assert 1900 < len(standing(catalog)) < 2001
        assert "/p/old.xmp" in standing(catalog), "the backup knows of it"


def test_what_was_no_catalog_costs_nothing(session: Session) -> None:
    write_down(session.catalog, "/p/1.xmp")
    backup = back_up(session).path
    session.catalog.close()
    session.home.catalog_file.write_bytes(b"this was a catalog once" * 1000)
    assert restore(session.home, backup).marks_unknown
    with open_catalog(session.home.catalog_file) as catalog:
        assert standing(catalog) == ["/p/1.xmp"]


def test_from_and_to_another_version(session: Session, tmp_path: Path) -> None:
    """A catalog of before `given_marks`, as it lies in `catalog-before-4.db`: the update recalls what was given."""
    older = tmp_path / "older.db"
    with closing(sqlite3.connect(older)) as conn:
        conn.executescript((Path(__file__).parents[2] / "catalog/schemas/after-m003.sql").read_text())
        conn.execute("DELETE FROM journal")
        conn.commit()
    write_down(session.catalog, "/p/1.xmp")
    assert carry_over(session.home.catalog_file, older)
    with open_catalog(older) as catalog:
        assert standing(catalog) == ["/p/1.xmp"]
        assert catalog.conn.execute("SELECT count(*) FROM journal_to_recall").fetchone() == (1,)
