from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from keeprate.catalog import Catalog, open_catalog, problems
from keeprate.catalog.connection import reading, translated
from keeprate.errors import CatalogError, DiskFullError
from support.small_disks import small_disk
from support.waiting import join


def test_opening_twice_finds_the_same_tables(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "a" / "catalog.db") as catalog:
        tables = catalog.db.table_names()
        assert {"photos", "files", "labels", "journal"} <= set(tables)
    with open_catalog(tmp_path / "a" / "catalog.db") as catalog:
        assert catalog.db.table_names() == tables
        assert catalog.db.journal_mode == "wal"


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(b"this was never a database, whatever its name says" * 100)
    with pytest.raises(CatalogError, match="damaged") as caught:
        open_catalog(path)
    assert caught.value.path == path
    assert "keeprate restore" in caught.value.advice


def test_a_newer_catalog_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    with open_catalog(path) as catalog, catalog.db.atomic():
        catalog.conn.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('keeprate', 'm999_future', 'x')"
        )
    with pytest.raises(CatalogError, match="newer keeprate"):
        open_catalog(path)
    assert sqlite3.connect(path).execute("SELECT count(*) FROM photos").fetchone() == (0,)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CatalogError, match="cannot be made"):
        open_catalog(tmp_path / "file" / "catalog.db")


def test_one_that_can_only_be_read(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small") as small:
        open_catalog(small / "catalog.db").close()
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        with pytest.raises(CatalogError, match="cannot be opened for writing") as caught:
            open_catalog(small / "catalog.db")
        assert "mount their disk" in caught.value.advice
    also = translated(sqlite3.OperationalError("attempt to write a readonly database"), tmp_path)
    assert (also.what, also.advice) == (caught.value.what, caught.value.advice)


def test_a_full_disk_has_its_own_error() -> None:
    assert isinstance(translated(sqlite3.OperationalError("database or disk is full"), Path("x")), DiskFullError)


def test_many_processes_may_open_a_new_catalog_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, time; from keeprate.catalog import open_catalog\n"
        "time.sleep(max(0, float(sys.argv[2]) - time.time()))\n"
        "open_catalog(pathlib.Path(sys.argv[1])).close()\n"
    )
    for number in range(4):
        path, start = tmp_path / str(number) / "catalog.db", str(time.time() + 1.5)
        opening = [
            subprocess.Popen([sys.executable, "-c", code, path, start], stderr=subprocess.PIPE, text=True)
            for _ in range(5)
        ]
        errors = [process.communicate()[1] for process in opening]
        assert [process.returncode for process in opening] == [0] * 5, errors


def note(catalog: Catalog, path: str, *, fails: bool = False) -> None:
    with catalog.db.atomic():
        problems.record(catalog, "scan", path, "made up", library=None)
        if fails:
            raise KeyError(path)


def test_who_reads_before_writing_waits_for_others_and_does_not_fail(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"

    def note_another() -> None:
        with open_catalog(path) as other:
            note(other, "/b")

    with open_catalog(path) as ours:
        note(ours, "/a")
        with ours.db.atomic():
            assert problems.count(ours) == 1
            writer = threading.Thread(target=note_another)
            writer.start()
            writer.join(0.5)
            note(ours, "/c")
            assert problems.count(ours) == 2, "nobody wrote in between"
        join(writer)
        assert problems.count(ours) == 3
        assert not ours.conn.in_transaction


def test_a_transaction_that_fails_leaves_nothing_also_within_another(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "catalog.db") as catalog:
        with catalog.db.atomic():
            note(catalog, "/kept")
            with pytest.raises(KeyError):
                note(catalog, "/lost", fails=True)
        assert problems.count(catalog) == 1
        with pytest.raises(KeyError):
            note(catalog, "/lost", fails=True)
        assert problems.count(catalog) == 1


def test_who_only_reads_keeps_nobody_from_writing(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    with open_catalog(path) as ours, open_catalog(path) as theirs:
        with reading(ours):
            assert problems.count(ours) == 0
            note(theirs, "/a")
            assert problems.count(ours) == 0, "it is all of one moment"
        assert problems.count(ours) == 1
