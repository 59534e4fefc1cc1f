"""When heavy work has to wait, why, and until when."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest

from keeprate.config.models import JobsConfig
from keeprate.service.conditions import (
    ASK_AGAIN,
    BUSY_SHARE,
    Desktop,
    ProcessorUse,
    ThisMachine,
    ask_again_after,
    discharges,
    processor_use,
    share_of_others,
    why_not_now,
)
from keeprate.steps.restraint import cores
from support.waiting import COMMAND_S, next_line, wait_until

NOON = datetime(2026, 11, 21, 12, 0).astimezone()
NIGHT = NOON.replace(hour=23)


@dataclass(frozen=True)
class QuietMachine:
    """On mains, with nobody at it, unless told otherwise."""

    battery: bool = False
    filled: bool = False
    others: float = 0.0

    def on_battery(self) -> bool:
        return self.battery

    def screen_is_filled(self) -> bool:
        return self.filled

    def share_of_others(self) -> float:
        return self.others


class Untouchable:
    """A machine that must not be looked at."""

    def on_battery(self) -> bool:
        raise AssertionError

    screen_is_filled = on_battery

    def share_of_others(self) -> float:
        raise AssertionError


def settings(**values: object) -> JobsConfig:
    return JobsConfig.model_validate(values)


@pytest.mark.parametrize(
    ("jobs", "now", "machine", "why"),
    [
        (settings(), NOON, QuietMachine(), None),
        (settings(quiet_hours="09:00-18:00"), NOON, QuietMachine(), "It is within quiet hours (09:00-18:00)."),
        (settings(quiet_hours="09:00-18:00"), NIGHT, QuietMachine(), None),
        (settings(quiet_hours="22:00-07:00"), NIGHT, QuietMachine(), "It is within quiet hours (22:00-07:00)."),
        (settings(), NOON, QuietMachine(battery=True), "The machine runs on battery."),
        (settings(on_battery=True), NOON, QuietMachine(battery=True), None),
        (settings(), NOON, QuietMachine(filled=True), "A program fills the screen."),
        (settings(while_busy=True), NOON, QuietMachine(filled=True, others=1.0), None),
        (settings(), NOON, QuietMachine(others=BUSY_SHARE + 0.01), "Other programs need the processor."),
        (settings(), NOON, QuietMachine(others=BUSY_SHARE - 0.01), None),
    ],
)
def test_what_speaks_against_it(jobs: JobsConfig, now: datetime, machine: QuietMachine, why: str | None) -> None:
    assert why_not_now(jobs, now, machine) == why


def test_patience_ends_for_a_busy_machine_and_for_nothing_else() -> None:
    busy, hour = QuietMachine(filled=True, others=1.0), 3600.0
    assert why_not_now(settings(), NOON, busy, waited_s=15 * 60 - 1) is not None
    assert why_not_now(settings(), NOON, busy, waited_s=15 * 60) is None
    assert why_not_now(settings(patience="10m"), NOON, busy, waited_s=600) is None
    assert why_not_now(settings(), NOON, QuietMachine(battery=True), waited_s=10 * hour) is not None
    assert why_not_now(settings(quiet_hours="09:00-18:00"), NOON, busy, waited_s=10 * hour) is not None


def test_the_machine_is_looked_at_only_where_that_matters() -> None:
    assert why_not_now(settings(quiet_hours="09:00-18:00"), NOON, Untouchable()) is not None
    assert why_not_now(settings(on_battery=True, while_busy=True), NOON, Untouchable()) is None


def test_it_is_asked_again_at_the_end_of_quiet_hours_and_else_in_a_minute() -> None:
    assert ask_again_after(settings(quiet_hours="09:00-18:00"), NOON) == timedelta(hours=6)
    assert ask_again_after(settings(quiet_hours="22:00-07:00"), NIGHT) == timedelta(hours=8)
    assert ask_again_after(settings(quiet_hours="09:00-18:00"), NIGHT) == ASK_AGAIN
    last_moment = NOON.replace(hour=17, minute=59, second=59, microsecond=999_999)
    assert ask_again_after(settings(quiet_hours="09:00-18:00"), last_moment) == timedelta(seconds=1)


def supply(folder: Path, name: str, **said: str) -> None:
    (folder / name).mkdir(parents=True)
    for file, content in said.items():
        (folder / name / file).write_text(content + "\n")


@pytest.mark.parametrize(
    ("supplies", "expected"),
    [
        ({}, False),
        ({"AC": {"type": "Mains", "online": "1"}, "BAT0": {"type": "Battery", "status": "Charging"}}, False),
        ({"AC": {"type": "Mains", "online": "1"}, "BAT0": {"type": "Battery", "status": "Discharging"}}, False),
        ({"AC": {"type": "Mains", "online": "0"}, "BAT0": {"type": "Battery", "status": "Discharging"}}, True),
        ({"AC": {"type": "Mains", "online": "0"}, "BAT0": {"type": "Battery", "status": "Full"}}, False),
        ({"BAT0": {"type": "Battery", "status": "Discharging"}}, True),
        ({"ucsi": {"type": "USB", "online": "1"}, "BAT0": {"type": "Battery", "status": "Discharging"}}, False),
        ({"hidpp_battery_0": {"type": "Battery", "status": "Discharging", "scope": "Device"}}, False),
    ],
    ids=["desktop", "charging", "weak charger", "laptop", "just unplugged", "no charger known", "usb-c", "mouse"],
)
def test_on_battery(tmp_path: Path, supplies: dict[str, dict[str, str]], expected: bool) -> None:
    for name, said in supplies.items():
        supply(tmp_path, name, **said)
    assert discharges(tmp_path) is expected


def test_no_power_supplies_at_all(tmp_path: Path) -> None:
    assert discharges(tmp_path / "missing") is False


def test_what_others_use_is_what_we_do_not() -> None:
    earlier = ProcessorUse(at=100.0, by_all=500.0, by_us=50.0)
    assert share_of_others(earlier, ProcessorUse(102.0, 504.0, 51.0), cores=4) == pytest.approx(3 / 8)
    assert share_of_others(earlier, ProcessorUse(102.0, 501.0, 51.0), cores=4) == 0
    assert share_of_others(earlier, ProcessorUse(102.0, 500.5, 51.0), cores=4) == 0, "clocks tick coarsely"
    assert share_of_others(earlier, ProcessorUse(102.0, 600.0, 50.0), cores=4) == 1


SPIN = """
import os, sys
os.setpriority(os.PRIO_PROCESS, 0, int(sys.argv[1]))
print(os.getpid(), flush=True)
while True: pass
"""


@contextmanager
def spinning(niceness: int, *before: str) -> Iterator[int]:
    """A process that keeps a core busy."""
    command = [*before, sys.executable, "-c", SPIN, str(niceness)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            pid = int(next_line(process.stdout))
            try:
                yield pid
            finally:
                os.kill(pid, signal.SIGKILL)
        finally:
            process.kill()


def own_use() -> float:
    """What this process itself has used."""
    times = psutil.Process().cpu_times()
    return times.user + times.system


def test_a_child_of_ours_counts_as_us() -> None:
    earlier = processor_use()
    with spinning(0) as pid:
        wait_until(lambda: psutil.Process(pid).cpu_times().user > 0.3)
        assert processor_use().by_us - earlier.by_us > 0.25


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts programs of low priority apart")
def test_what_the_worker_computes_at_low_priority_is_in_neither() -> None:
    with spinning(10) as pid:
        before, earlier = own_use(), processor_use()
        wait_until(lambda: psutil.Process(pid).cpu_times().user > 0.5, COMMAND_S)  # others may leave it little
        assert processor_use().by_us - earlier.by_us < own_use() - before + 0.25


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("setsid") is None, reason="needs setsid")
@pytest.mark.skipif(2 * cores() < (psutil.cpu_count() or 1), reason="we may not use most of the cores")
def test_another_program_is_noticed() -> None:
    with ExitStack() as stack:
        for _ in range(psutil.cpu_count() or 1):
            stack.enter_context(spinning(0, "setsid", "--fork"))
        wait_until(lambda: ThisMachine().share_of_others() > BUSY_SHARE, what="it is noticed")


@pytest.fixture
def display() -> Iterator[str]:
    """An X display with nothing on it."""
    if shutil.which("Xvfb") is None or shutil.which("xprop") is None:
        pytest.skip("needs Xvfb and xprop")
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "640x480x24", "-noreset"]
    with subprocess.Popen(command, pass_fds=(writing,), stderr=subprocess.DEVNULL) as process:
        os.close(writing)
        try:
            with os.fdopen(reading) as said:
                yield f":{said.readline().strip()}"
        finally:
            process.terminate()


@contextmanager
def window_in_use(display: str, *more: int) -> Iterator[Callable[[], None]]:
    """A window that does not fill the screen, until the function is called that comes."""
    pytest.importorskip("Xlib")
    from Xlib import X, Xatom  # type: ignore[import-untyped]
    from Xlib.display import Display  # type: ignore[import-untyped]

    with contextlib.closing(Display(display)) as x:
        root = x.screen().root
        window = root.create_window(0, 0, 100, 100, 0, x.screen().root_depth, X.InputOutput)
        root.change_property(x.get_atom("_NET_ACTIVE_WINDOW"), Xatom.WINDOW, 32, [window.id, *more])
        x.sync()

        def fill() -> None:
            states = [x.get_atom("_NET_WM_STATE_ABOVE"), x.get_atom("_NET_WM_STATE_FULLSCREEN")]
            window.change_property(x.get_atom("_NET_WM_STATE"), Xatom.ATOM, 32, states)
            x.sync()

        yield fill


@pytest.mark.system
@pytest.mark.parametrize("more", [(), (0,)], ids=["one window", "as some window managers say it"])
def test_a_window_that_fills_the_screen(display: str, more: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", display)
    machine = ThisMachine()
    assert machine.screen_is_filled() is False, "no window is in use"
    with window_in_use(display, *more) as fill:
        assert machine.screen_is_filled() is False
        fill()
        assert machine.screen_is_filled() is True


@dataclass(frozen=True)
class UserManager:
    """What `systemctl --user show-environment` says, and how often it was asked."""

    folder: Path

    def says(self, text: str) -> None:
        (self.folder / "said").write_text(text)

    @property
    def asked(self) -> list[str]:
        file = self.folder / "asked"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UserManager:
    """As for a service that was started before the desktop: it has no DISPLAY."""
    (tmp_path / "run/systemd").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "said").touch()
    program = tmp_path / "bin/systemctl"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\ncat {tmp_path}/said\n')
    program.chmod(0o755)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return UserManager(tmp_path)


@pytest.mark.system
def test_a_service_asks_systemd_for_the_display(display: str, manager: UserManager) -> None:
    with window_in_use(display) as fill:
        fill()
        assert ThisMachine().screen_is_filled() is False, "nobody is logged in"
        manager.says(f"LANG=C\nDISPLAY={display}\n")
        assert ThisMachine().screen_is_filled() is True


def test_systemd_is_asked_at_most_once_a_minute(manager: UserManager) -> None:
    now = 100.0
    desktop = Desktop(lambda: now)
    assert desktop.variables() == {}
    manager.says("LANG=C\nDISPLAY=:7\nXAUTHORITY=/run/user/1000/authority\n")
    now += 59.0
    assert desktop.variables() == {}
    now += 2.0
    assert desktop.variables() == {"DISPLAY": ":7", "XAUTHORITY": "/run/user/1000/authority"}
    assert manager.asked == ["--user show-environment"] * 2


def test_systemd_is_asked_only_where_it_may_know_more(manager: UserManager, monkeypatch: pytest.MonkeyPatch) -> None:
    manager.says("DISPLAY=:7\n")
    monkeypatch.setenv("DISPLAY", ":8")
    assert Desktop().variables() == {"DISPLAY": ":8"}
    monkeypatch.delenv("DISPLAY")
    (manager.folder / "run/systemd").rmdir()
    assert Desktop().variables() == {}
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert Desktop().variables() == {}
    assert manager.asked == []


def test_without_a_display_no_screen_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert ThisMachine().screen_is_filled() is False
    monkeypatch.setenv("DISPLAY", ":9999")
    assert ThisMachine().screen_is_filled() is False
