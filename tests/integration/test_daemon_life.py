"""The life of a real daemon: it makes way, rests, reads its settings again, and ends in time whatever happens."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from keeprate.api.client import DaemonClient
from keeprate.errors import KeeprateError
from keeprate.paths import locate_home
from keeprate.service.control import JobStatus, Live
from keeprate.steps.lock import hold_lock, lock_holder
from support.commands import COMMAND, answer, daemon, keeprate, run, set_quick
from support.photos import write_photos
from support.small_disks import fill, small_disk
from support.waiting import wait_until

pytestmark = pytest.mark.system  # minutes of real daemons: beside the suite, like other real systems


@pytest.fixture
def library(tmp_path: Path, home: Path) -> Path:
    root = tmp_path / "Photos"
    write_photos(root / "inbox", range(0, 8, 2))
    write_photos(root / "inbox", range(1, 8, 2), sharp=False)
    keeprate("init", root)
    set_quick(home)
    return root


def client() -> DaemonClient:
    found: list[DaemonClient] = []

    def connected() -> bool:
        one = DaemonClient.connect(locate_home())
        if one is not None:
            found.append(one)
        return one is not None

    wait_until(connected, 20, what="the daemon answers")
    return found[0]


def live() -> Live:
    with client() as one:
        return one.live()


def job(name: str) -> JobStatus:
    return next(one for one in live().jobs if one.name == name)


def embedded() -> int:
    return int(answer("status")["model"]["cached"])


def is_idle() -> bool:
    now = live()
    return now.state in ("idle", "attention") and now.sentence.startswith("Idle")


def settle() -> None:
    wait_until(is_idle, 60, what="the daemon has nothing to do")


def ends(process: subprocess.Popen[bytes]) -> int:
    """Send SIGTERM; the exit code, which has to come in time."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code = process.wait(15)
    assert time.monotonic() - began < 5
    return code


def edit_config(home: Path, old: str, new: str) -> None:
    config = home / "keeprate" / "config.toml"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def test_it_says_what_it_does_and_what_it_did(library: Path, tmp_path: Path) -> None:
    with daemon(tmp_path / "log"):
        settle()
        now = live()
        assert now.sentence.startswith("Idle: 8 photos up to date; next look at ")
        assert now.attention == ()
        embed = job("embed")
        assert (embed.state, embed.last_outcome) == ("idle", "8 photos embedded.")
        assert not embed.last_failed
        reconcile = job("reconcile")
        assert reconcile.next_at is not None
        assert reconcile.next_at > time.time()
        backup = job("backup")
        assert backup.last_outcome.startswith("Catalog backed up to ")
        assert backup.next_at == pytest.approx(time.time() + 86_400, abs=120)
        for one in now.jobs:
            assert one.why.endswith("."), one
    done_at = {one["name"]: one["last_finished_at"] for one in answer("status")["jobs"]}
    with daemon(tmp_path / "log2"):
        settle()
        again = {one.name: one.last_finished_at for one in live().jobs}
        assert again["backup"] == done_at["backup"], "a daily backup is daily, however often the daemon starts"
        assert again["integrity"] == done_at["integrity"]
        assert again["embed"] == done_at["embed"]


def test_it_holds_the_work_lock_only_while_it_works(library: Path, tmp_path: Path) -> None:
    home = locate_home()
    with daemon(tmp_path / "log") as process:
        settle()
        wait_until(lambda: lock_holder(home.lock_file) is None, 5)
        assert lock_holder(home.daemon_lock_file) == process.pid
        with hold_lock(home.lock_file):
            write_photos(library / "new", range(20, 24))
            wait_until(lambda: "Another keeprate is at work" in live().sentence, 20)
            assert embedded() == 8
        wait_until(lambda: embedded() == 12, 60, what="what came meanwhile is not lost")


def test_marks_that_come_while_a_command_holds_the_lock_are_not_lost(library: Path, tmp_path: Path) -> None:
    home = locate_home()
    with daemon(tmp_path / "log"):
        settle()
        with hold_lock(home.lock_file):
            for number in range(4):
                shutil.move(library / "inbox" / f"IMG_{number:04d}.jpg", library / ("delete" if number % 2 else "keep"))
            wait_until(lambda: "Another keeprate is at work" in live().sentence, 20)
        wait_until(lambda: sum(answer("heads", "list")[0]["labels"].values()) == 4, 30)


def test_it_makes_way_for_a_command_and_goes_on_by_itself(library: Path, tmp_path: Path) -> None:
    home = locate_home()
    write_photos(library / "many", range(1000, 1400))
    with daemon(tmp_path / "log"):
        wait_until(lambda: embedded() > 8, 60, what="it is in the middle of its work")
        with client() as one:
            one.make_way("the test")
        taken: list[int] = []
        began = time.monotonic()

        def take() -> bool:
            try:
                with hold_lock(home.lock_file):
                    taken.append(embedded())
                    return True
            except KeeprateError:
                return False

        wait_until(take, 10)
        assert time.monotonic() - began < 6
        assert taken[0] < 408, "it was not simply done"
        wait_until(lambda: embedded() == 408, 120, what="nobody has to tell it to go on")


def test_a_pause_cuts_the_work_survives_a_restart_and_ends_when_told(library: Path, tmp_path: Path) -> None:
    write_photos(library / "many", range(1000, 1300))
    with daemon(tmp_path / "log") as process:
        wait_until(lambda: embedded() > 0, 60)
        with client() as one:
            one.pause()
        wait_until(lambda: live().state == "paused", 10)
        count = embedded()
        assert count < 308
        assert live().sentence == "Paused until resumed."
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with daemon(tmp_path / "log2"):
        assert client().live().state == "paused"
        write_photos(library / "new", range(20, 22))
        with client() as one:
            one.run_job("score")
        wait_until(lambda: job("score").last_finished_at is not None, 30, what="what is asked for is done all the same")
        assert embedded() == count
        with client() as one:
            one.resume()
        wait_until(lambda: embedded() == 310, 120)


def test_a_job_that_rests_lets_the_others_work(library: Path, tmp_path: Path) -> None:
    view = library.with_name("Photos by score")
    with daemon(tmp_path / "log"):
        with client() as one:
            one.pause("write")
        settle()
        for number in range(8):
            shutil.move(library / "inbox" / f"IMG_{number:04d}.jpg", library / ("delete" if number % 2 else "keep"))
        wait_until(lambda: job("retrain").last_outcome != "", 60)
        write_photos(library / "inbox", range(20, 24))
        wait_until(lambda: len(answer("list")) == 4, 60)
        assert job("write").state == "paused"
        assert not view.exists()
        with client() as one:
            one.resume("write")
        wait_until(view.exists, 60)


def test_learning_that_is_asked_for_knows_what_was_moved_during_a_pause(library: Path, tmp_path: Path) -> None:
    with daemon(tmp_path / "log"):
        settle()
        keeprate("pause")
        for number in range(8):
            shutil.move(library / "inbox" / f"IMG_{number:04d}.jpg", library / ("delete" if number % 2 else "keep"))
        assert "keep: It is the first version" in keeprate("retrain", "--wait")


def test_sighup_brings_a_new_library_and_a_mistake_changes_nothing(library: Path, tmp_path: Path, home: Path) -> None:
    other = tmp_path / "Other"
    write_photos(other, range(30, 33))
    config = home / "keeprate" / "config.toml"
    with daemon(tmp_path / "log") as process:
        settle()
        good = config.read_text()
        config.write_text(good + f'\n[[library]]\nname = "other"\nroot = "{other}"\n')
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: embedded() == 11, 60)
        write_photos(other, range(40, 41))
        wait_until(lambda: embedded() == 12, 30, what="it is watched, too")

        config.write_text(good + "\n[watching2]\n")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: live().attention != (), 20)
        assert "watching2 is not a setting" in live().attention[0]
        assert live().state == "attention"
        write_photos(other, range(41, 42))
        wait_until(lambda: embedded() == 13, 30, what="the worker goes by what is in force")
        assert [one["name"] for one in answer("status")["libraries"]] == ["Photos", "other"]
        assert len(live().attention) == 1
        config.write_text(good)
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: live().attention == (), 20)
        assert process.poll() is None
        write_photos(other, range(50, 52))
        write_photos(library / "new", range(60, 61))
        wait_until(lambda: answer("status")["libraries"][0]["photos"] == 9, 30)
        assert [one["name"] for one in answer("status")["libraries"]] == ["Photos"]


def test_one_that_cannot_be_reached_obeys_pauses_all_the_same_and_comes_back(library: Path, tmp_path: Path) -> None:
    view = library.with_name("Photos by score")
    with daemon(tmp_path / "log"):
        settle()
        shutil.rmtree(locate_home().runtime_dir)
        assert DaemonClient.connect(locate_home()) is None
        keeprate("pause", "write")
        for number in range(8):
            shutil.move(library / "inbox" / f"IMG_{number:04d}.jpg", library / ("delete" if number % 2 else "keep"))
        assert job("write").state == "paused", "it is there again at the first round"
        wait_until(lambda: job("retrain").last_outcome != "", 60)
        write_photos(library / "inbox", range(20, 24))
        wait_until(lambda: len(answer("list")) == 4, 60)
        settle()
        assert not view.exists()
        keeprate("resume", "write")
        wait_until(view.exists, 60)


def test_it_ends_in_time_while_a_command_holds_the_lock(library: Path, tmp_path: Path) -> None:
    with daemon(tmp_path / "log") as process:
        settle()
        with hold_lock(locate_home().lock_file):
            write_photos(library / "new", range(20, 24))
            wait_until(lambda: "Another keeprate is at work" in live().sentence, 20)
            assert ends(process) == 0


def test_it_ends_in_time_while_the_catalog_is_locked(library: Path, tmp_path: Path) -> None:
    with daemon(tmp_path / "log") as process:
        settle()
        with sqlite3.connect(locate_home().catalog_file) as other:
            other.execute("BEGIN IMMEDIATE")
            write_photos(library / "new", range(20, 24))
            wait_until(lambda: job("reconcile").state == "running", 20, what="it waits for SQLite")
            assert ends(process) == 0


def test_it_ends_in_time_while_it_learns(library: Path, tmp_path: Path) -> None:
    write_photos(library / "keep", range(100, 140))
    write_photos(library / "delete", range(200, 240), sharp=False)
    with daemon(tmp_path / "log") as process:
        wait_until(lambda: job("retrain").state == "running", 60)
        assert ends(process) == 0
    with daemon(tmp_path / "log2"):
        wait_until(lambda: answer("heads", "list")[0]["version"] is not None, 60, what="it learns after all")


def test_a_killed_daemon_leaves_nothing_that_is_in_the_way(library: Path, tmp_path: Path) -> None:
    with daemon(tmp_path / "log") as process:
        wait_until(lambda: bool(psutil.Process(process.pid).children()), 60)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with daemon(tmp_path / "log2"):
        settle()
        assert embedded() == 8


def test_a_second_daemon_is_refused_and_the_first_goes_on(library: Path, tmp_path: Path) -> None:
    with daemon(tmp_path / "log") as process:
        settle()
        second = run("run")
        assert second.code == 1
        assert str(process.pid) in second.err
        assert live().pid == process.pid


def test_a_damaged_catalog_ends_it_with_what_no_restart_helps_against(library: Path, tmp_path: Path) -> None:
    keeprate("sync")
    catalog = locate_home().catalog_file
    for name in ("-wal", "-shm"):
        catalog.with_name(catalog.name + name).unlink(missing_ok=True)
    catalog.write_bytes(b"this is no catalog " * 1000)
    done = run("run", timeout_s=30)
    assert done.code == 65
    assert "damaged" in done.err
    assert run("status").code == 1, "for other commands it is a failure like any"


def test_in_a_catalog_that_is_found_to_be_damaged_nothing_is_done_any_more(library: Path, tmp_path: Path) -> None:
    keeprate("sync")
    empty_an_index(locate_home().catalog_file)
    with daemon(tmp_path / "log") as process:
        wait_until(lambda: any("damaged" in one for one in live().attention), 60)
        assert "nothing is learned, scored or written" in live().attention[0]
        for number in range(8):
            shutil.move(library / "inbox" / f"IMG_{number:04d}.jpg", library / ("delete" if number % 2 else "keep"))
        with client() as one:
            one.run_job("write")
        wait_until(lambda: job("write").last_failed, 20, what="who asks is told")
        assert ends(process) == 0
    with daemon(tmp_path / "log2"):
        wait_until(lambda: any("damaged" in one for one in live().attention), 60)
        assert "Check the catalog" in (tmp_path / "log2").read_text().splitlines()[-1], "before all else"
        assert job("reconcile").state == "waiting"
        assert sum(answer("heads", "list")[0]["labels"].values()) == 0
    assert not library.with_name("Photos by score").exists()


def empty_an_index(catalog: Path) -> None:
    """Damage that nothing stumbles over: an index that lacks the rows of its table."""
    with closing(sqlite3.connect(catalog)) as conn:
        with conn:
            conn.execute(
                "INSERT INTO problems (step, path, content_key, reason, first_at, last_at, keeprate) "
                "VALUES ('decode', '/nowhere', 'none', 'made up', 0, 0, '0')"
            )
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = conn.execute("SELECT rootpage FROM sqlite_master WHERE name = 'problems_by_content'").fetchone()
        (size,) = conn.execute("PRAGMA page_size").fetchone()
    with catalog.open("r+b") as file:
        file.seek((page - 1) * size + 3)
        file.write(bytes(2))  # the number of its cells


def test_a_config_that_makes_no_sense_ends_it_with_2(library: Path, home: Path) -> None:
    edit_config(home, "[watching]", "[watchin]")
    done = run("run", timeout_s=30)
    assert done.code == 2
    assert "watching" in done.err


def test_systemd_is_told_that_it_is_ready_when_it_answers(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, (tmp_path / "log").open("wb") as log:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1500000")
        process = subprocess.Popen([*COMMAND, "run"], stderr=log)
        try:
            said = []
            while "READY=1" not in said:
                said.append(manager.recv(4096).decode())
            assert live().pid == process.pid, "at this very moment"
            assert not any(line.startswith("WATCHDOG") for line in said[:1])
            while said.count("WATCHDOG=1") < 3 or not any(line.startswith("STATUS=Idle: 8 photos") for line in said):
                said.append(manager.recv(4096).decode())
            process.send_signal(signal.SIGHUP)
            while not said[-1].startswith("RELOADING=1\nMONOTONIC_USEC="):
                said.append(manager.recv(4096).decode())
            while said[-1] != "READY=1":
                said.append(manager.recv(4096).decode())
            process.send_signal(signal.SIGTERM)
            while said[-1] != "STOPPING=1":
                said.append(manager.recv(4096).decode())
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()


@pytest.mark.skipif(shutil.which("faketime") is None, reason="needs faketime (libfaketime)")
def test_a_clock_that_leaps_makes_it_look_at_everything(library: Path, tmp_path: Path) -> None:
    told, log = tmp_path / "clock", tmp_path / "log"
    told.write_text("+0")
    with daemon(log, **fake_clock(told, tmp_path)):
        settle()
        told.write_text("+8h")  # a night of sleep looks like this: only the wall clock goes on
        wait_until(lambda: "has leapt ahead by 8 hours" in log.read_text(), 30)
        wait_until(lambda: looks_again_in_time(8 * 3600), 60)
        told.write_text("+3h")
        wait_until(lambda: "has leapt back by 5 hours" in log.read_text(), 30)
        write_photos(library / "new", range(20, 22))
        wait_until(lambda: embedded() == 10, 60, what="it goes on as before")
        wait_until(lambda: looks_again_in_time(3 * 3600), 60, what="the next look is not hours away")


def looks_again_in_time(ahead_s: float) -> bool:
    """Whether the next look at all folders comes when it should, by a clock that is so much ahead."""
    next_at = job("reconcile").next_at
    return is_idle() and next_at is not None and abs(next_at - (time.time() + ahead_s + 900)) < 120


def fake_clock(told: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a process whose wall clock is off by what stands in `told`."""
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        pytest.skip("libfaketime is somewhere else")
    # libfaketime makes clock_nanosleep fail when it leaves the steady clock alone: Python sleeps by a semaphore then
    patch = tmp_path / "patch"
    patch.mkdir()
    (patch / "sitecustomize.py").write_text(
        "import threading, time\ntime.sleep = lambda seconds: threading.Event().wait(seconds) and None\n"
    )
    return {
        "LD_PRELOAD": str(libraries[0]),
        "FAKETIME_TIMESTAMP_FILE": str(told),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        "PYTHONPATH": str(patch),
    }


def test_a_new_head_of_a_workspace_is_seen_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    workspace = tmp_path / "space"
    write_photos(workspace / "heads" / "sharp" / "positive", range(3))
    write_photos(workspace / "heads" / "sharp" / "negative", range(10, 13), sharp=False)
    monkeypatch.setenv("KEEPRATE_WORKSPACE", str(workspace))
    with daemon(tmp_path / "log"):
        settle()
        write_photos(workspace / "heads" / "blue" / "positive", range(20, 22))
        write_photos(workspace / "heads" / "blue" / "negative", range(30, 32))

        def labels() -> dict[str, int]:
            return next((one["labels"] for one in answer("heads", "list") if one["name"] == "blue"), {})

        wait_until(lambda: sum(labels().values()) == 4, 60)


def test_a_full_disk_is_told_and_overcome(library: Path, tmp_path: Path, home: Path) -> None:
    with small_disk(tmp_path / "small", megabytes=3) as place:
        own = home / "keeprate"
        shutil.copytree(own, place / "home")
        shutil.rmtree(own)
        own.symlink_to(place / "home")
        for name in ("backup", "thumbnails"):  # they want a gigabyte of room
            keeprate("pause", name)
        with daemon(tmp_path / "log"):
            settle()
            filler = fill(place)
            write_photos(library / "new", range(20, 30))
            wait_until(lambda: any("full" in one for one in live().attention), 60)
            assert live().state in ("attention", "busy")
            filler.unlink()
            with client() as one:
                one.catalog_changed()  # or it finds out by itself, a minute later
            wait_until(lambda: embedded() == 18, 60)
            wait_until(lambda: live().attention == (), 30)
