"""The life of a real daemon: it makes way, rests, reads its settings again, and ends in time whatever happens.

Each test gets a copy of a home in which all work is done: the daemon has nothing to do but what the test is about.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from keeprate.api.client import DaemonClient
from keeprate.errors import KeeprateError
from keeprate.paths import locate_home
from keeprate.service.control import JobStatus, Live
from keeprate.service.status import Status
from keeprate.steps.lock import hold_lock, lock_holder
from support.commands import COMMAND, answer, connected, daemon, keeprate, run, set_quick
from support.photos import write_photos
from support.slowness import within_s
from support.small_disks import fill, small_disk
from support.waiting import PATIENCE_S, let_pass, wait_until

pytestmark = pytest.mark.system  # real daemons for more than a minute: beside the suite, like other real systems

SLOWLY, FAST = "max_cpu = 5", "max_cpu = 100"
"""At 5 % of the processor, what is meant to be interrupted is not done before that on any machine."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `made`: the home, and the library, of a daemon that has done all there was to do."""
    folder = tmp_path_factory.mktemp("life")
    place = folder / "now"
    write_photos(place / "Photos/inbox", range(0, 8, 2))
    write_photos(place / "Photos/inbox", range(1, 8, 2), sharp=False)
    with pytest.MonkeyPatch.context() as patch:
        live_in(place, patch)
        keeprate("init", place / "Photos")
        set_quick(place / "home")
        with daemon(folder / "log"):
            wait_until(
                lambda: job("backup").last_finished_at is not None, what="the last of a first day's work is done"
            )
            settle()
    place.rename(folder / "made")
    return folder


@pytest.fixture
def library(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of what was made, at the place where it was made, for this test alone."""
    place = made / "now"
    shutil.copytree(made / "made", place, symlinks=True)
    live_in(place, monkeypatch)
    yield place / "Photos"
    shutil.rmtree(place)


def live_in(place: Path, patch: pytest.MonkeyPatch) -> None:
    """As `conftest.home`, in `place`."""
    patch.setenv("HOME", str(place / "home"))
    for name in ("CONFIG", "DATA", "STATE", "CACHE"):
        patch.setenv(f"XDG_{name}_HOME", str(place / f"home/xdg-{name.lower()}"))
    patch.setenv("KEEPRATE_HOME", str(place / "home/keeprate"))


def live() -> Live:
    with connected() as client:
        return client.live()


def status() -> Status:
    with connected() as client:
        return client.status()


def job(name: str) -> JobStatus:
    return next(one for one in live().jobs if one.name == name)


def embedded() -> int:
    return status().model.cached


def labels() -> int:
    return sum(status().heads[0].labels.values())


def all_scored() -> bool:
    now = status()
    return now.heads[0].version is not None and now.work.to_embed == now.work.to_score == 0


def is_idle() -> bool:
    now = live()
    return now.state in ("idle", "attention") and now.sentence.startswith("Idle")


def settle() -> None:
    """Until it rests, and not only between two jobs of a round, where it says for a moment that it does."""

    def rests() -> bool:
        if not is_idle():
            return False
        let_pass(0.3)
        return is_idle()

    wait_until(rests, what="the daemon has nothing to do")


def wait_for_job(name: str, state: str) -> None:
    wait_until(lambda: job(name).state == state, what=f"the job {name} is {state}")


def sort_all(library: Path) -> None:
    for number in range(8):
        shutil.move(library / "inbox" / f"IMG_{number:04d}.jpg", library / ("delete" if number % 2 else "keep"))


def ends(process: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM: it has to end well within 5 s, and what this machine takes longer than others."""
    before = within_s(5)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code = process.wait(PATIENCE_S)
    seconds = time.monotonic() - began
    assert code == 0
    assert seconds < max(before, within_s(5))


def edit_config(old: str, new: str) -> None:
    config = locate_home().config_file
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def test_it_says_what_it_does_and_what_it_did_also_after_a_restart(library: Path, tmp_path: Path) -> None:
    done_at = {one["name"]: one["last_finished_at"] for one in answer("status")["jobs"]}
    with daemon(tmp_path / "log") as process:
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
        assert backup.last_finished_at is not None
        assert backup.next_at == pytest.approx(backup.last_finished_at + 86_400, abs=120)
        for one in now.jobs:
            assert one.why.endswith("."), one
        again = {one.name: one.last_finished_at for one in now.jobs}
        assert again["backup"] == done_at["backup"], "a daily backup is daily, however often the daemon starts"
        assert again["integrity"] == done_at["integrity"]
        assert again["embed"] == done_at["embed"]

        second = run("run")
        assert second.code == 1
        assert str(process.pid) in second.err
        assert live().pid == process.pid, "the first goes on"


def test_while_another_holds_the_work_lock_nothing_is_lost_and_it_can_end(library: Path, tmp_path: Path) -> None:
    home = locate_home()
    with daemon(tmp_path / "log") as process:
        settle()
        wait_until(lambda: lock_holder(home.lock_file) is None, what="it holds the lock only while it works")
        assert lock_holder(home.daemon_lock_file) == process.pid
        with hold_lock(home.lock_file):
            sort_all(library)
            write_photos(library / "new", range(20, 24))
            wait_until(lambda: "Another keeprate is at work" in live().sentence)
            assert (embedded(), labels()) == (8, 0)
        wait_until(lambda: (embedded(), labels()) == (12, 8), what="what came meanwhile is not lost")
        settle()
        with hold_lock(home.lock_file):
            write_photos(library / "new", range(24, 28))
            wait_until(lambda: "Another keeprate is at work" in live().sentence)
            ends(process)


def test_it_makes_way_and_rests_when_told_and_goes_on_after_a_kill(library: Path, tmp_path: Path) -> None:
    home = locate_home()
    write_photos(library / "many", range(1000, 1200))
    edit_config("[jobs]", f"[jobs]\n{SLOWLY}")
    with daemon(tmp_path / "log") as process:
        wait_until(lambda: embedded() > 8, what="it is in the middle of its work")
        with connected() as client:
            client.make_way("the test")
        taken: list[int] = []

        def take() -> bool:
            try:
                with hold_lock(home.lock_file):
                    taken.append(embedded())
                    return True
            except KeeprateError:
                return False

        wait_until(take, what="the lock is free")
        assert taken[0] < 208, "it was not simply done"
        wait_until(lambda: embedded() > taken[0], what="nobody has to tell it to go on")

        with connected() as client:
            client.pause()
        wait_until(lambda: live().state == "paused")
        count = embedded()
        assert count < 208
        assert live().sentence == "Paused until resumed."
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    edit_config(SLOWLY, FAST)
    with daemon(tmp_path / "log2"):
        assert live().state == "paused", "a pause survives"
        write_photos(library / "new", range(20, 22))
        with connected() as client:
            client.run_job("score")
        wait_until(lambda: job("score").last_finished_at is not None, what="what is asked for is done all the same")
        assert embedded() == count
        with connected() as client:
            client.resume()
        wait_until(lambda: embedded() == 210)


def test_a_daemon_that_is_killed_at_work_leaves_nothing_that_is_in_the_way(library: Path, tmp_path: Path) -> None:
    write_photos(library / "many", range(1000, 1040))
    edit_config("[jobs]", f"[jobs]\n{SLOWLY}")
    with daemon(tmp_path / "log") as process:
        wait_until(lambda: embedded() > 8)
        (worker,) = psutil.Process(process.pid).children()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, what="the worker ends")
    edit_config(SLOWLY, FAST)
    with daemon(tmp_path / "log2"):
        wait_until(lambda: embedded() == 48)


def test_one_that_cannot_be_reached_obeys_all_the_same_and_a_job_that_rests_lets_others_work(
    library: Path, tmp_path: Path
) -> None:
    view = library.with_name("Photos by score")
    with daemon(tmp_path / "log"):
        settle()
        shutil.rmtree(locate_home().runtime_dir)
        assert DaemonClient.connect(locate_home()) is None
        keeprate("pause", "write")
        sort_all(library)
        wait_for_job("write", "paused")  # it can be reached again after the first round
        wait_until(lambda: job("retrain").last_outcome != "")
        write_photos(library / "inbox", range(20, 24))
        wait_until(lambda: embedded() == 12)
        wait_until(all_scored)
        settle()
        assert not view.exists()
        keeprate("resume", "write")
        wait_until(view.exists, what="the view is written")


def test_learning_that_is_asked_for_knows_what_was_moved_during_a_pause(library: Path, tmp_path: Path) -> None:
    with daemon(tmp_path / "log"):
        settle()
        keeprate("pause")
        sort_all(library)
        told = keeprate("retrain", "--wait")
        assert "keep: version 1, learned from " in told
        assert "log loss" not in told, "the figures are in the history"
        assert "keep: version 1, learned from " in job("retrain").last_outcome
        assert "log loss" in keeprate("heads", "history", "--head", "keep")


def test_sighup_brings_a_new_library_and_a_mistake_changes_nothing(library: Path, tmp_path: Path) -> None:
    other = tmp_path / "Other"
    write_photos(other, range(30, 33))
    config = locate_home().config_file
    with daemon(tmp_path / "log") as process:
        settle()
        good = config.read_text()
        config.write_text(good + f'\n[[library]]\nname = "other"\nroot = "{other}"\n')
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: embedded() == 11)
        write_photos(other, range(40, 41))
        wait_until(lambda: embedded() == 12, what="it is watched, too")

        config.write_text(good + "\n[watching2]\n")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: live().attention != ())
        assert "watching2 is not a setting" in live().attention[0]
        assert live().state == "attention"
        write_photos(other, range(41, 42))
        wait_until(lambda: embedded() == 13, what="the worker goes by what is in force")
        assert [one.name for one in status().libraries] == ["Photos", "other"]
        assert len(live().attention) == 1
        config.write_text(good)
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: live().attention == ())
        assert process.poll() is None
        write_photos(other, range(50, 52))
        write_photos(library / "new", range(60, 61))
        wait_until(lambda: status().libraries[0].photos == 9)
        assert [one.name for one in status().libraries] == ["Photos"]


def test_it_ends_in_time_while_the_catalog_is_locked(library: Path, tmp_path: Path) -> None:
    with daemon(tmp_path / "log") as process:
        settle()
        with closing(sqlite3.connect(locate_home().catalog_file)) as other:
            other.execute("BEGIN IMMEDIATE")
            write_photos(library / "new", range(20, 24))
            wait_for_job("reconcile", "running")  # it waits for SQLite
            ends(process)


def test_it_ends_in_time_while_it_learns(library: Path, tmp_path: Path) -> None:
    edit_config("[jobs]", f"[jobs]\n{SLOWLY}")
    with daemon(tmp_path / "log") as process:
        settle()
        sort_all(library)
        wait_for_job("retrain", "running")
        ends(process)
    edit_config(SLOWLY, FAST)
    with daemon(tmp_path / "log2"):
        wait_until(lambda: status().heads[0].version is not None, what="it learns after all")


def test_a_damaged_catalog_ends_it_with_what_no_restart_helps_against(library: Path, tmp_path: Path) -> None:
    catalog = locate_home().catalog_file
    for name in ("-wal", "-shm"):
        catalog.with_name(catalog.name + name).unlink(missing_ok=True)
    catalog.write_bytes(b"this is no catalog " * 1000)
    done = run("run")
    assert done.code == 65
    assert "damaged" in done.err
    assert run("status").code == 1, "for other commands it is a failure like any"


def test_in_a_catalog_that_is_found_to_be_damaged_nothing_is_done_any_more(library: Path, tmp_path: Path) -> None:
    empty_an_index(locate_home().catalog_file)
    with daemon(tmp_path / "log") as process:
        with connected() as client:
            client.run_job("integrity")
        wait_until(lambda: any("damaged" in one for one in live().attention))
        assert "nothing is learned, scored or written" in live().attention[0]
        sort_all(library)
        with connected() as client:
            client.run_job("write")
        wait_until(lambda: job("write").last_failed, what="who asks is told")
        ends(process)
    with daemon(tmp_path / "log2"):
        wait_until(lambda: any("damaged" in one for one in live().attention))
        assert "Check the catalog" in (tmp_path / "log2").read_text().splitlines()[-1], "before all else"
        wait_for_job("reconcile", "waiting")
        assert labels() == 0
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


def test_a_config_that_makes_no_sense_ends_it_with_2(library: Path) -> None:
    edit_config("[watching]", "[watchin]")
    done = run("run")
    assert done.code == 2
    assert "watching" in done.err


def test_systemd_is_told_that_it_is_ready_when_it_answers(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, (tmp_path / "log").open("wb") as log:
        address = tmp_path / "notify"
        manager.bind(str(address))
        manager.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
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
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
            process.wait()


@pytest.mark.skipif(shutil.which("faketime") is None, reason="needs faketime (libfaketime)")
def test_a_clock_that_leaps_makes_it_look_at_everything(library: Path, tmp_path: Path) -> None:
    told, log = tmp_path / "clock", tmp_path / "log"
    tell_clock(told, "+0")
    with daemon(log, **fake_clock(told, tmp_path)):
        settle()
        tell_clock(told, "+8h")  # a night of sleep looks like this: only the wall clock goes on
        wait_until(lambda: "has leapt ahead by 8 hours" in log.read_text())
        wait_until(lambda: looks_again_in_time(8 * 3600))
        tell_clock(told, "+3h")
        wait_until(lambda: "has leapt back by 5 hours" in log.read_text())
        write_photos(library / "new", range(20, 22))
        wait_until(lambda: embedded() == 10, what="it goes on as before")
        wait_until(lambda: looks_again_in_time(3 * 3600), what="the next look is not hours away")


def looks_again_in_time(ahead_s: float) -> bool:
    """Whether the next look at all folders comes when it should, by a clock that is so much ahead."""
    next_at = job("reconcile").next_at
    return is_idle() and next_at is not None and abs(next_at - (time.time() + ahead_s + 900)) < 120


def tell_clock(told: Path, offset: str) -> None:
    """In one step: the clock is read all the time, and an empty file would be a leap of its own."""
    new = told.with_suffix(".new")
    new.write_text(offset)
    new.replace(told)


def fake_clock(told: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a process whose wall clock is off by what stands in `told`; it looks at it twice a second."""
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
        "NOTIFY_SOCKET": str(tmp_path / "nobody listens"),
        "WATCHDOG_USEC": "1500000",
    }


def test_a_new_head_of_a_workspace_is_seen_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = tmp_path / "space"
    write_photos(workspace / "heads" / "sharp" / "positive", range(3))
    write_photos(workspace / "heads" / "sharp" / "negative", range(10, 13), sharp=False)
    monkeypatch.setenv("KEEPRATE_WORKSPACE", str(workspace))
    with daemon(tmp_path / "log"):
        settle()
        write_photos(workspace / "heads" / "blue" / "positive", range(20, 22))
        write_photos(workspace / "heads" / "blue" / "negative", range(30, 32))

        wait_until(lambda: [sum(one.labels.values()) for one in status().heads if one.name == "blue"] == [4])


def test_a_full_disk_is_told_and_overcome(library: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", megabytes=3) as place:
        own = Path(os.environ["KEEPRATE_HOME"])
        shutil.copytree(own, place / "home", ignore=shutil.ignore_patterns("backups", "cache"))
        shutil.rmtree(own)
        own.symlink_to(place / "home")
        for name in ("backup", "thumbnails"):  # they want a gigabyte of room
            keeprate("pause", name)
        with daemon(tmp_path / "log"):
            settle()
            filler = fill(place)
            write_photos(library / "new", range(20, 30))
            wait_until(lambda: any("full" in one for one in live().attention))
            assert live().state in ("attention", "busy")
            filler.unlink()
            with connected() as client:
                client.catalog_changed()  # or it finds out by itself, a minute later
            wait_until(lambda: embedded() == 18)
            wait_until(lambda: live().attention == ())
