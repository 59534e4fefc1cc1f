"""Going back to a backup: nothing is deleted, nothing is left half-way, and nobody else is at work meanwhile."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from keeprate.catalog import open_catalog
from keeprate.errors import BusyError, CatalogError, DiskFullError, KeeprateError, UsageError
from keeprate.paths import Home
from keeprate.steps.lock import hold_lock
from keeprate.steps.session import Session
from keeprate.steps.upkeep.backup import back_up
from keeprate.steps.upkeep.restoring import restore
from support.catalogs import add_file
from support.commands import answer, daemon, keeprate, run
from support.damage import damage
from support.small_disks import fill, small_disk


def paths_in(file: Path) -> list[str]:
    with open_catalog(file) as catalog:
        return [path for (path,) in catalog.conn.execute("SELECT path FROM files ORDER BY path")]


@pytest.fixture
def backed_up(session: Session) -> Path:
    """A backup with one photo; the catalog has a second one, which is still in its write-ahead log."""
    add_file(session.catalog, "/p/1.jpg", "k1")
    backup = back_up(session).path
    assert backup is not None
    add_file(session.catalog, "/p/2.jpg", "k2")
    return backup


def test_the_former_catalog_is_set_aside_whole(backed_up: Path, session: Session) -> None:
    home = session.home
    assert home.catalog_file.with_name("catalog.db-wal").stat().st_size > 0, "it is the log that holds the second photo"
    outcome = restore(home)  # with the catalog still open, as after a crash
    assert outcome.backup == backed_up
    assert outcome.set_aside is not None
    session.catalog.close()
    assert paths_in(home.catalog_file) == ["/p/1.jpg"]
    assert paths_in(outcome.set_aside / "catalog.db") == ["/p/1.jpg", "/p/2.jpg"]
    assert backed_up.exists()


def test_of_a_damaged_catalog(backed_up: Path, session: Session) -> None:
    session.catalog.close()
    damage(session.home.catalog_file)
    broken = session.home.catalog_file.read_bytes()
    outcome = restore(session.home)
    assert outcome.set_aside is not None
    assert (outcome.set_aside / "catalog.db").read_bytes() == broken
    assert paths_in(session.home.catalog_file) == ["/p/1.jpg"]


def test_where_there_is_no_catalog_any_more(backed_up: Path, session: Session) -> None:
    session.catalog.close()
    session.home.catalog_file.unlink()
    assert restore(session.home).set_aside is None
    assert paths_in(session.home.catalog_file) == ["/p/1.jpg"]


@pytest.mark.parametrize("with_index", [True, False])
def test_what_lies_in_a_log_beside_the_file_belongs_to_it(
    backed_up: Path, session: Session, tmp_path: Path, with_index: bool
) -> None:
    copied = tmp_path / "mine"
    copied.mkdir()
    for file in session.home.data_dir.glob("catalog.db*"):
        if with_index or not file.name.endswith("-shm"):
            shutil.copy(file, copied)
    session.catalog.close()
    restore(session.home)
    assert paths_in(session.home.catalog_file) == ["/p/1.jpg"]
    restore(session.home, copied / "catalog.db")
    assert paths_in(session.home.catalog_file) == ["/p/1.jpg", "/p/2.jpg"]


def test_a_log_that_cannot_be_read_is_not_left_out(backed_up: Path, session: Session, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small") as small:
        for name in ("catalog.db", "catalog.db-wal"):
            shutil.copy(session.home.data_dir / name, small)
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        with pytest.raises(CatalogError, match="Nothing was changed") as caught:
            restore(session.home, small / "catalog.db")
        assert "copy both" in caught.value.advice
        assert_untouched(session.home)


def test_a_backup_on_a_disk_that_can_only_be_read(backed_up: Path, session: Session, tmp_path: Path) -> None:
    session.catalog.close()  # which empties the log
    with small_disk(tmp_path / "small") as small:
        shutil.copy(session.home.catalog_file, small)
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        restore(session.home)
        restore(session.home, small / "catalog.db")
    assert paths_in(session.home.catalog_file) == ["/p/1.jpg", "/p/2.jpg"]


def test_a_log_that_was_left_alone_is_no_part_of_what_comes(backed_up: Path, session: Session) -> None:
    session.home.catalog_file.unlink()
    outcome = restore(session.home)
    assert outcome.set_aside is not None
    assert (outcome.set_aside / "catalog.db-wal").exists()
    session.catalog.close()
    assert paths_in(session.home.catalog_file) == ["/p/1.jpg"]


def test_two_in_one_second(backed_up: Path, session: Session) -> None:
    session.catalog.close()
    aside = {restore(session.home).set_aside for _ in range(3)}
    assert len(aside) == 3
    assert {paths_in(folder / "catalog.db")[0] for folder in aside if folder} == {"/p/1.jpg"}


def test_into_a_home_that_is_not_there_yet(backed_up: Path, session: Session, tmp_path: Path) -> None:
    new = Home(*(tmp_path / "new" / part for part in ("config", "data", "state", "cache", "run")))
    assert restore(new, backed_up).set_aside is None
    assert paths_in(new.catalog_file) == ["/p/1.jpg"]
    assert new.data_dir.stat().st_mode & 0o077 == 0


def assert_untouched(home: Home) -> None:
    assert paths_in(home.catalog_file) == ["/p/1.jpg", "/p/2.jpg"]
    assert list(home.data_dir.glob("catalog-replaced-*")) == []
    assert list(home.data_dir.glob(".keeprate-*")) == []


def test_a_damaged_backup_is_refused_and_an_earlier_one_taken(backed_up: Path, session: Session) -> None:
    later = back_up(session).path
    assert later is not None
    os.utime(backed_up, (time.time() - 99, time.time() - 99))
    damage(later)
    with pytest.raises(CatalogError, match="Nothing was changed"):
        restore(session.home, later)
    assert_untouched(session.home)
    assert restore(session.home).backup == backed_up


def test_what_is_no_backup_is_refused(backed_up: Path, session: Session, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as conn:
        conn.execute("CREATE TABLE things (thing)")
    newer = tmp_path / "newer.db"
    newer.write_bytes(backed_up.read_bytes())
    with closing(sqlite3.connect(newer)) as conn:
        conn.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('keeprate', 'm999_x', '')"
        )
        conn.commit()
    photos = tmp_path / "photos.db"
    with closing(sqlite3.connect(photos)) as conn:
        conn.execute("CREATE TABLE photos (name TEXT)")
    text = tmp_path / "text.db"
    text.write_text("no database at all")
    for file, message in (
        (other, "no catalog"),
        (photos, "no catalog"),
        (newer, "newer keeprate"),
        (text, "no backup"),
    ):
        with pytest.raises(CatalogError, match=message):
            restore(session.home, file)
    for file in (tmp_path / "missing.db", tmp_path, session.home.catalog_file):
        with pytest.raises(UsageError):
            restore(session.home, file)
    assert_untouched(session.home)


def test_no_backup_at_all(session: Session) -> None:
    with pytest.raises(KeeprateError, match="There is no backup") as refused:
        restore(session.home)
    assert refused.value.exit_code == 1, "nothing was wrong with the command"


@pytest.mark.parametrize("lock", ["daemon_lock_file", "lock_file"])
def test_not_while_somebody_works_with_the_catalog(backed_up: Path, session: Session, lock: str) -> None:
    with hold_lock(getattr(session.home, lock)), pytest.raises(BusyError) as refused:
        restore(session.home)
    assert ("`keeprate service stop`" in refused.value.advice) == (lock == "daemon_lock_file")
    assert_untouched(session.home)


def test_without_room(backed_up: Path, session: Session, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small") as small:
        home = Home(session.home.config_dir, small, session.home.state_dir, tmp_path, tmp_path)
        with open_catalog(home.catalog_file) as catalog:
            add_file(catalog, "/p/1.jpg", "k1")
            add_file(catalog, "/p/2.jpg", "k2")
        filler = fill(small)
        with pytest.raises(DiskFullError):
            restore(home, backed_up)
        filler.unlink()
        assert_untouched(home)


@pytest.mark.slow
def test_the_command(home: Path, tmp_path: Path) -> None:
    (tmp_path / "Photos").mkdir()
    keeprate("init", tmp_path / "Photos")
    assert "There is no backup" in keeprate("restore", "--list")
    assert run("restore").code == 1
    with daemon(tmp_path / "log"):
        keeprate("jobs", "run", "backup", "--wait")
        refused = run("restore")
        assert refused.code == 1
        assert "at work" in refused.err
    made = {str(path) for path in (home / "keeprate" / "backups").iterdir()}
    assert {one["path"] for one in answer("restore", "--list")} == made
    assert all(path in keeprate("restore", "--list") for path in made)
    done = answer("restore")
    assert done["backup"] in made
    assert (Path(done["set_aside"]) / "catalog.db").exists()
    assert answer("status")["libraries"][0]["name"]
