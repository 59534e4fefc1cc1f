"""Backups are whole, good and few; nothing half-done is ever left, and nothing of anybody else's is removed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from keeprate.catalog import open_catalog
from keeprate.catalog.copying import fault_of
from keeprate.config.load import load_config
from keeprate.errors import CatalogDamagedError, CatalogError, DiskFullError
from keeprate.paths import locate_home
from keeprate.steps.session import Progress, Reporter, Session, open_session
from keeprate.steps.upkeep.backup import back_up, backups, latest_good_backup
from support.catalogs import add_file
from support.damage import damage
from support.small_disks import fill, small_disk
from support.waiting import join, wait_until


def grow(session: Session, megabytes: int) -> None:
    """Make the catalog large enough for a copy to take several goes."""
    with session.catalog.db.atomic():
        session.catalog.conn.executemany(
            "INSERT INTO photos (content_key, first_seen, first_folder) VALUES (?, 0, ?)",
            [(f"grown{number}", "x" * 1000) for number in range(megabytes * 1000)],
        )


def photos_in(file: Path) -> int:
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True)) as conn:
        return int(conn.execute("SELECT count(*) FROM photos").fetchone()[0])


def names(session: Session) -> set[str]:
    return {path.name for path in session.home.backups_dir.iterdir()}


def test_a_backup_is_one_file_that_can_be_put_in_the_catalogs_place(session: Session) -> None:
    add_file(session.catalog, "/p/1.jpg", "k1")
    days = {datetime.now().date()}
    outcome = back_up(session)
    days.add(datetime.now().date())  # it may be midnight
    assert outcome.path is not None
    assert names(session) == {outcome.path.name}
    assert outcome.path.name in {f"catalog-{day:%Y-%m-%d}.db" for day in days}
    assert outcome.bytes == outcome.path.stat().st_size > 0
    assert outcome.path.name in outcome.sentence
    assert outcome.path.stat().st_mode & 0o077 == 0, "it names every photo: it is nobody else's to read"

    add_file(session.catalog, "/p/2.jpg", "k2")
    file = session.home.catalog_file
    session.catalog.close()
    for path in file.parent.glob("catalog.db*"):
        path.unlink()
    shutil.copy(outcome.path, file)
    with open_catalog(file) as restored:
        assert [row[0] for row in restored.conn.execute("SELECT path FROM files")] == ["/p/1.jpg"]
        assert restored.db.journal_mode == "wal"


def test_the_second_of_a_day_does_not_replace_the_first(session: Session) -> None:
    first, second = back_up(session), back_up(session)
    assert first.path is not None
    assert second.path is not None
    assert first.path.exists()
    assert first.path != second.path
    assert {one.path for one in backups(session.home)} == {first.path, second.path}


def test_others_write_meanwhile_and_never_wait(session: Session) -> None:
    grow(session, 6)
    stop = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        with open_catalog(session.home.catalog_file) as mine:
            while not stop.is_set():
                add_file(mine, f"/p/{written}.jpg", f"k{written}")
                written += 1

    steps: list[Progress] = []

    def step(made: Progress) -> None:
        steps.append(made)
        before = written
        wait_until(lambda: written > before, what="others write while it is in the middle")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        outcome = back_up(replace(session, reporter=Reporter(progress=step)))
    finally:
        stop.set()
        join(writer)
    assert outcome.path is not None
    assert fault_of(outcome.path) is None
    assert len(steps) > 2
    assert steps[-1].done == steps[-1].total
    done = [step.done for step in steps]
    assert done == sorted(set(done)), "it never begins anew because somebody wrote"
    assert photos_in(outcome.path) >= 6000


def test_cancelled_it_leaves_nothing(session: Session) -> None:
    grow(session, 6)
    asked = iter([False, False, True])
    outcome = back_up(replace(session, reporter=Reporter(cancelled=lambda: next(asked, True))))
    assert outcome.cancelled
    assert names(session) == set()
    assert "stopped" in outcome.sentence


def put(session: Session, ages: Mapping[str, float], *, touched: bool = False) -> None:
    """Files in the backups folder, written so many days ago; `touched`: they look as if that was just now."""
    folder = session.home.backups_dir
    folder.mkdir(parents=True, exist_ok=True)
    for name, days in ages.items():
        (folder / name).write_bytes(b"x")
        then = time.time() - (0 if touched else timedelta(days=days).total_seconds())
        os.utime(folder / name, (then, then))


def of_day(days_ago: float) -> str:
    return f"catalog-{datetime.now() - timedelta(days=days_ago):%Y-%m-%d}.db"


def test_old_ones_go_and_everything_else_stays(session: Session) -> None:
    daily = {of_day(days): days for days in range(1, 10)}
    others = {
        "catalog-before-7.db": 20, "catalog-before-7-again.db": 20, "catalog-before-6.db": 40,
        "catalog-2026-01-01.db.gz": 20, "my catalog.db": 20, "catalog-2026-01-01 (copy).db": 20, "notes.txt": 20,
    }  # fmt: skip
    put(session, daily | others)
    (session.home.backups_dir / "catalog-2025-01-01.db").symlink_to(session.home.backups_dir / "my catalog.db")
    outcome = back_up(session)
    assert outcome.path is not None
    assert outcome.removed == 2
    assert "2 older ones removed" in outcome.sentence
    stay = {*daily, *others, outcome.path.name, "catalog-2025-01-01.db"} - {"catalog-before-6.db"}
    assert names(session) == stay - {of_day(9)}
    outcome = back_up(session)
    assert outcome.path is not None
    assert names(session) == (stay | {outcome.path.name}) - {of_day(days) for days in (9, 8, 7)}, "seven days"


def test_a_clock_that_is_ahead_leaves_the_copies_made_before_updates(session: Session) -> None:
    daily = {of_day(days): days for days in range(60, 67)}
    put(session, daily | {"catalog-before-7.db": 63})
    for _ in range(3):
        back_up(session)
    assert "catalog-before-7.db" in names(session), "by the backups it was made three days ago"


@pytest.mark.parametrize("touched", [False, True])
def test_a_clock_that_is_ahead_destroys_nothing(session: Session, touched: bool) -> None:
    daily = {of_day(days): days for days in range(20, 27)}
    put(session, daily, touched=touched)
    outcome = back_up(session)
    assert outcome.path is not None
    assert names(session) == {outcome.path.name, *daily} - {of_day(26)}


def test_one_from_the_future_is_the_oldest(session: Session) -> None:
    good = back_up(session).path
    assert good is not None
    ahead = good.with_name(of_day(-300))
    shutil.copy(good, ahead)
    os.utime(ahead, (time.time() + 300 * 86400, time.time() + 300 * 86400))
    assert [one.path for one in backups(session.home)] == [good, ahead]
    put(session, {of_day(days): days for days in range(1, 8)})
    back_up(session)
    assert ahead.name not in names(session)
    assert of_day(6) in names(session)


def test_no_more_than_asked_for(session: Session) -> None:
    config = session.home.config_file
    config.write_text(config.read_text() + '\n[jobs]\nbackups_kept = "2d"\n')
    put(session, {of_day(days): days for days in range(1, 5)})
    outcome = back_up(replace(session, config=load_config(config)))
    assert outcome.path is not None
    assert names(session) == {outcome.path.name, of_day(1), of_day(2)}


def test_a_copy_that_was_touched_is_as_old_as_its_name_says(session: Session) -> None:
    put(session, {of_day(3): 0, of_day(1): 5, "catalog-2026-99-99.db": 2})
    assert [one.path.name for one in backups(session.home)] == [of_day(1), "catalog-2026-99-99.db", of_day(3)]


def test_the_latest_stays_however_short_the_time(session: Session) -> None:
    config = session.home.config_file
    config.write_text(config.read_text() + '\n[jobs]\nbackups_kept = "0s"\n')
    short = replace(session, config=load_config(config))
    back_up(short)
    outcome = back_up(short)
    assert outcome.path is not None
    assert names(session) == {outcome.path.name}


def test_no_room_is_told_before_the_disk_is_filled(session: Session, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small") as small:
        session.home.backups_dir.symlink_to(small)
        with pytest.raises(DiskFullError):
            back_up(session)
        assert list(small.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_leaves_nothing_half_written(session: Session, tmp_path: Path) -> None:
    grow(session, 6)
    with small_disk(tmp_path / "small", megabytes=70) as small:
        session.home.backups_dir.symlink_to(small)
        earlier = back_up(session).path
        assert earlier is not None
        fillers: list[Path] = []
        others = Reporter(progress=lambda _: None if fillers else fillers.append(fill(small)))
        with pytest.raises(DiskFullError):
            back_up(replace(session, reporter=others))
        assert names(session) == {earlier.name, fillers[0].name}
        assert fault_of(earlier) is None


def test_a_damaged_catalog_is_not_backed_up_and_the_good_ones_stay(session: Session) -> None:
    good = back_up(session).path
    assert good is not None
    session.catalog.close()
    damage(session.home.catalog_file)
    with open_session(locate_home()) as broken, pytest.raises(CatalogDamagedError) as caught:
        back_up(broken)
    assert caught.value.path == session.home.catalog_file
    assert str(good) in caught.value.advice
    assert names(session) == {good.name}
    damage(good)
    assert latest_good_backup(session.home) is None


def test_the_latest_good_one_is_found_behind_a_bad_one(session: Session) -> None:
    good, bad = back_up(session).path, back_up(session).path
    assert good is not None
    assert bad is not None
    os.utime(good, (time.time() - 100, time.time() - 100))
    damage(bad)
    found = latest_good_backup(session.home)
    assert found is not None
    assert found.path == good


def test_a_folder_that_cannot_be_written(session: Session) -> None:
    session.home.backups_dir.write_text("a file stands here")
    with pytest.raises(CatalogError, match="cannot be written"):
        back_up(session)
    assert session.home.backups_dir.read_text() == "a file stands here"
