from __future__ import annotations

import os
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from doctor.conftest import Named
from keeprate.catalog import labels, open_catalog
from keeprate.catalog.labels import Label, LabelSource
from keeprate.doctor import database
from keeprate.doctor.database import look_at_database
from keeprate.doctor.finding import Patient, State
from support.catalogs import add_file

DAY_S = 86400.0


@pytest.fixture
def file(patient: Patient) -> Path:
    """A catalog with some photos."""
    path = patient.home.catalog_file
    with open_catalog(path) as catalog:
        for number in range(200):
            add_file(catalog, f"/p/{number}.jpg", f"key-{number}", inode=number)
    return path


def test_a_new_home_has_none(patient: Patient, named: Named) -> None:
    found = named(look_at_database(patient))
    assert [(one.name, one.state) for one in found.values()] == [("database", "ok")]
    assert not patient.home.catalog_file.exists()


def test_a_sound_one(patient: Patient, file: Path, named: Named) -> None:
    before = file.read_bytes()
    found = named(look_at_database(patient))
    assert {one.state for one in found.values()} == {State.OK}
    assert found.keys() == {"database.integrity", "database.version", "database.backup", "database.size"}
    assert "is sound" in found["database.integrity"].sentence
    assert file.read_bytes() == before


@pytest.mark.parametrize("damage", ["all", "page", "cut"])
def test_damage_is_one_error_with_advice(patient: Patient, file: Path, named: Named, damage: str) -> None:
    if damage == "all":
        file.write_bytes(b"not a database at all" * 500)
    elif damage == "cut":
        os.truncate(file, file.stat().st_size // 2)
    else:
        with sqlite3.connect(file) as conn:
            page = conn.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'photos'").fetchone()[0]
            size = conn.execute("PRAGMA page_size").fetchone()[0]
        conn.close()
        with file.open("r+b") as stream:
            stream.seek((page - 1) * size)
            stream.write(b"\xff" * size)
    found = named(look_at_database(patient))
    assert found["database"].state is State.ERROR
    assert found["database"].sentence.startswith("The catalog is damaged.")
    assert found["database"].advice
    assert "database.version" not in found or damage != "all"


def test_a_long_check_is_cut_short(patient: Patient, file: Path, named: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    with sqlite3.connect(file) as conn:
        conn.execute("CREATE TABLE large AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 60000)"
                     " SELECT x FROM n")  # fmt: skip
    conn.close()
    monkeypatch.setattr(database, "QUICK_CHECK_FOR_S", 0.0)
    found = named(look_at_database(patient))
    assert found["database.integrity"].state is State.OK
    assert found["database.integrity"].sentence.startswith("No damage found in 0 s of looking")
    assert "database.version" in found


def test_one_of_a_newer_keeprate_and_one_of_an_older(patient: Patient, file: Path, named: Named) -> None:
    with sqlite3.connect(file) as conn:
        names = [row[0] for row in conn.execute("SELECT name FROM _sqlite_migrations ORDER BY id")]
        conn.execute("DELETE FROM _sqlite_migrations WHERE name = ?", (names[-1],))
    found = named(look_at_database(patient))["database.version"]
    assert found.state is State.OK
    assert "brings it up to date in 1 step." in found.sentence
    with conn:
        conn.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('keeprate', 'm999_later', '')"
        )
    conn.close()
    found = named(look_at_database(patient))["database.version"]
    assert (found.state, found.advice) == (State.ERROR, "Update keeprate.")


def test_another_programs_database(patient: Patient, named: Named) -> None:
    patient.home.catalog_file.parent.mkdir(parents=True, exist_ok=True)
    conn = sqlite3.connect(patient.home.catalog_file)
    conn.execute("CREATE TABLE theirs (x)")
    conn.commit()
    conn.close()
    found = named(look_at_database(patient))
    assert found["database.version"].state is State.ERROR
    assert "is no catalog of keeprate's" in found["database.version"].sentence


def test_backups(patient: Patient, file: Path, named: Named) -> None:
    def state() -> tuple[State, str]:
        found = named(look_at_database(patient))["database.backup"]
        return found.state, found.sentence

    def label(at: float) -> None:
        with open_catalog(file) as catalog, catalog.db.atomic():
            labels.append(catalog, [Label("key-1", "keep", "keep", LabelSource.MOVE, at, None)])

    label(time.time())
    assert state()[0] is State.OK
    label(time.time() - 10 * DAY_S)
    assert state() == (State.WARNING, "The catalog has never been backed up.")
    folder = patient.home.backups_dir
    folder.mkdir(parents=True)
    backup = Path(shutil.copy(file, folder / "catalog-before-7.db"))
    assert state()[0] is State.OK
    os.utime(backup, (time.time(), time.time() - 10 * DAY_S))
    assert state() == (State.WARNING, f"The latest backup is 10 days old ({folder}).")
    (folder / "mine.txt").write_text("not ours")
    assert state()[0] is State.WARNING


def test_a_log_that_is_never_emptied(
    patient: Patient, file: Path, named: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = sqlite3.connect(file)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM files").fetchone()
    try:
        with open_catalog(file) as catalog:
            add_file(catalog, "/p/new.jpg", "new")
            monkeypatch.setattr(database, "LONG_LOG", 1000)
            found = named(look_at_database(patient))["database.size"]
        assert found.state is State.WARNING
        assert "something keeps it from being emptied" in found.sentence
    finally:
        reader.close()
