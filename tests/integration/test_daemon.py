"""The real daemon in its own process: it notices, learns, marks, and ends when told."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import psutil
import pytest

from support.commands import answer, connected, daemon, keeprate, run, set_quick, set_slow
from support.photos import write_photos
from support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def library(tmp_path: Path, home: Path) -> Path:
    root = tmp_path / "Photos"
    write_photos(root / "inbox", range(0, 24, 2))
    write_photos(root / "inbox", range(1, 24, 2), sharp=False)
    keeprate("init", root)
    set_quick(home)
    return root


def embedded() -> int:
    status = answer("status")
    return int(status["model"]["cached"])


def test_the_daemon_does_the_main_job_on_its_own(library: Path, tmp_path: Path) -> None:
    view = library.with_name("Photos by score")
    with daemon(tmp_path / "log") as process:
        wait_until(lambda: embedded() == 24, what="all embedded")
        for number in range(12):
            shutil.move(
                library / "inbox" / f"IMG_{number:04d}.jpg", library / ("keep" if number % 2 == 0 else "delete")
            )
        wait_until(view.exists, what="the view folder is there")
        wait_until(lambda: len(answer("list")) == 12)
        write_photos(library / "2026" / "new", range(100, 104))
        wait_until(lambda: len(answer("list")) == 16, what="new photos are scored by the head in use")
        wait_until(lambda: sum(path.is_symlink() for path in view.iterdir()) == 16)

        second = run("run")
        assert second.code == 1
        assert str(process.pid) in second.err, "one instance, and it says which"
        assert run("train").code == 0, "a command works beside a daemon that has nothing to do"

        wait_until(lambda: not psutil.Process(process.pid).children(), what="the idle worker is gone")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    assert not answer("status")["daemon"]["running"]


def test_it_stops_in_the_middle_of_embedding(library: Path, tmp_path: Path, home: Path) -> None:
    write_photos(library / "many", range(1000, 1400))
    set_slow(home)
    with daemon(tmp_path / "log") as process:
        wait_until(lambda: embedded() > 0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    before = embedded()
    assert 0 < before < 424
    assert answer("embed")["embedded"] == 424 - before
    assert embedded() == 424


def test_a_killed_worker_costs_nothing_but_time(library: Path, tmp_path: Path, home: Path) -> None:
    write_photos(library / "many", range(1000, 1200))
    set_slow(home)  # until it has been killed twice
    with daemon(tmp_path / "log") as process:
        wait_until(lambda: embedded() > 0)
        killed: set[int] = set()

        def kill_another() -> bool:
            for child in psutil.Process(process.pid).children():
                if child.pid not in killed:
                    killed.add(child.pid)
                    child.kill()
            return len(killed) == 2

        wait_until(kill_another, what="a second worker takes the first one's place")
        set_slow(home, slow=False)
        connected().reload()
        wait_until(lambda: embedded() == 224, 120)
        assert answer("status")["problems"]["count"] == 0


def test_a_root_that_goes_away_and_comes_back(library: Path, tmp_path: Path) -> None:
    with daemon(tmp_path / "log"):
        wait_until(lambda: embedded() == 24)
    away = library.rename(library.with_name("away"))
    assert answer("sync")["scan"]["libraries"][0]["offline"]
    status = answer("status")
    assert not status["libraries"][0]["online"]
    assert status["libraries"][0]["files"] == 24, "nothing is forgotten"
    library.mkdir()
    assert "empty" in answer("scan")["libraries"][0]["offline"]
    library.rmdir()
    away.rename(library)
    again = answer("sync")
    assert again["scan"]["libraries"][0]["offline"] is None
    assert again["embed"]["embedded"] == 0
    assert answer("status")["libraries"][0]["online"]
