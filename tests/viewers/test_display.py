from __future__ import annotations

from pathlib import Path

import psutil

from support.viewers.display import Display, shown


def test_it_shows_things(display: Display) -> None:
    picture = display.screenshot()
    assert picture.size == display.size
    assert display.run("dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/",
                       "org.freedesktop.DBus.ListNames").startswith("method return")  # fmt: skip


def test_nothing_is_left_running(tmp_path: Path) -> None:
    with shown(tmp_path / "desktop") as display:
        sleeper = display.start(["sh", "-c", "setsid sleep 1000 & echo $! > pid; exec sleep 1000"])
        while not (pid_file := display.home / "pid").is_file() or not pid_file.read_text().endswith("\n"):
            pass
        child = int((display.home / "pid").read_text())
    assert sleeper.returncode is not None
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
