"""keeprate as the service of an ordinary user under a real systemd: what `keeprate service` writes, does and says."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keeprate.installation.program import this_program
from keeprate.paths import locate_home
from support.installed import build_wheel, install_wheel
from support.made_pictures import encoded, saved, scene
from support.slowness import within_s
from support.systemd import UID, USER, Ran, UserSystemd, user_systemd
from support.tiny_models import save_tiny
from support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.system

UNIT = "keeprate.service"
STOPPED_WITHIN_S = 5.0
CONFIG = """
[[library]]
name = "photos"
root = "{root}"
[library.heads.keep]
buckets = {{ keep = "keep", delete = "delete" }}
[watching]
stable_after = "200ms"
[embedding]
idle_exit = "2s"
threads = 1
[jobs]
while_busy = true
on_battery = true
"""
SLOWLY = "max_cpu = 5\n"
"""In `[jobs]`, the last section: so much of the processor."""


class Desktop:
    """A user with photos, a config, and keeprate's own command."""

    def __init__(self, systemd: UserSystemd, program: str) -> None:
        self.systemd = systemd
        self.program = program
        self.library = systemd.home / "Pictures"
        self.config = systemd.home / ".config/keeprate/config.toml"
        self.catalog = systemd.home / ".local/share/keeprate/catalog.db"
        self.unit_file = systemd.unit_folder / UNIT
        self.tray_file = systemd.home / ".config/autostart/keeprate-tray.desktop"

    def keeprate(self, *arguments: str | Path, **more: Any) -> Ran:
        return self.systemd.call(self.program, *arguments, **more)

    def done(self, *arguments: str | Path, **more: Any) -> str:
        return self.systemd.done(self.program, *arguments, **more)

    def state(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.done("service", "status", "--json"))
        return answer

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.done("status", "--json"))
        return answer

    def shown(self, name: str) -> str:
        return self.systemd.shown(UNIT, name)

    def wait_for_status(self, text: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait for a word of the sentence that the daemon tells systemd."""
        try:
            wait_until(lambda: text in self.shown("StatusText"), timeout_s)
        except AssertionError as error:
            raise AssertionError(
                f"no {text!r} in {self.shown('StatusText')!r}\n{self.systemd.journal_text()}"
            ) from error

    def drop_in(self, text: str) -> None:
        """As `systemctl --user edit` writes it."""
        self.write(self.unit_file.with_name(f"{UNIT}.d") / "override.conf", text)
        self.systemd.systemctl("daemon-reload")

    def write(self, path: Path, text: str) -> None:
        self.systemd.done("mkdir", "-p", path.parent)
        path.write_text(text)
        os.chown(path, UID, UID)

    def add_photos(self, count: int, width: int = 320) -> None:
        picture = scene(width, width * 3 // 4)
        for number in range(count):
            picture.paste((number * 40 % 256, number * 8 % 256, number), (0, 0, width // 3, width // 3))
            path = saved(self.library, f"{number:04}.jpg", encoded(picture, "JPEG", quality=80))
            os.chown(path, UID, UID)


@pytest.fixture
def desktop() -> Iterator[Desktop]:
    with user_systemd() as systemd:
        made = Desktop(systemd, this_program(locate_home()).command[0])
        systemd.done("mkdir", "-p", made.library)
        made.write(made.config, CONFIG.format(root=made.library))
        yield made


def test_the_service_from_installing_to_uninstalling(desktop: Desktop) -> None:
    desktop.add_photos(3)
    said = desktop.done("service", "install", "--tray")
    assert "The service runs now (keeprate.service)." in said
    assert "loginctl enable-linger" in said
    assert desktop.systemd.systemctl("is-enabled", UNIT).strip() == "enabled"
    state = desktop.state()
    assert (state["file_kind"], state["active"], state["problems"]) == ("current", "active", [])
    assert state["pid"] == int(desktop.shown("MainPID"))
    assert state["tray_file"] == str(desktop.tray_file)

    # the photos are embedded within the limits of the unit, and systemd is told in a sentence
    desktop.wait_for_status("Idle: 3 photos up to date")
    assert desktop.status()["model"]["cached"] == 3
    assert desktop.state()["status_text"] == desktop.shown("StatusText")

    # twice is as good as once
    before = desktop.unit_file.stat(), desktop.shown("MainPID")
    assert desktop.done("service", "install", "--tray").startswith("The service runs (keeprate.service).")
    assert (desktop.unit_file.stat(), desktop.shown("MainPID")) == before

    assert "starts again at the next login" in desktop.done("service", "stop")
    assert desktop.state()["active"] == "inactive"
    desktop.done("service", "start")
    first = desktop.shown("MainPID")
    desktop.done("service", "restart")
    assert desktop.shown("MainPID") not in ("0", first)
    check_journal(desktop)

    said = desktop.done("service", "uninstall")
    assert "keeprate undo --all" in said
    assert str(desktop.config.parent) in said
    assert not desktop.unit_file.exists()
    assert not desktop.tray_file.exists()
    assert desktop.shown("ActiveState") == "inactive"
    assert list(desktop.unit_file.parent.rglob("*.service")) == []
    assert desktop.config.exists()
    assert sorted(path.name for path in desktop.library.glob("*.jpg")) == ["0000.jpg", "0001.jpg", "0002.jpg"]
    assert desktop.done("service", "uninstall").startswith("Nothing to do")
    assert desktop.keeprate("service", "start").code == 2


def check_journal(desktop: Desktop) -> None:
    """Every line of ours has its level, its unit and its name in the journal."""
    lines = [
        entry for entry in desktop.systemd.journal("--user-unit", UNIT) if entry.get("SYSLOG_IDENTIFIER") == "keeprate"
    ]
    assert {entry["_SYSTEMD_USER_UNIT"] for entry in lines} == {UNIT}
    assert {entry["PRIORITY"] for entry in lines} <= {"3", "4", "6", "7"}
    messages = [entry["MESSAGE"] for entry in lines]
    for event in ("daemon.started", "daemon.stopping", "photos.embedded"):
        assert any(f"[{event}" in message for message in messages), f"{event} in {messages}"
    assert not any("<6>" in message or "Traceback" in message for message in messages)
    assert "daemon.started" in desktop.done("service", "logs", "-n", "200")


def test_it_counts_as_started_when_it_can_be_reached(desktop: Desktop) -> None:
    socket = desktop.systemd.runtime_folder / "keeprate/api.sock"
    ask = f"/usr/bin/python3 -c \"import socket; socket.socket(socket.AF_UNIX).connect('{socket}')\""
    # what comes after the start is done at the very moment when the daemon says that it is ready
    desktop.drop_in(f"[Service]\nExecStartPost={ask}\n")
    desktop.done("service", "install", "--no-tray")
    assert desktop.shown("ActiveState") == "active"
    assert desktop.state()["drop_ins"] == [str(desktop.unit_file.with_name(f"{UNIT}.d") / "override.conf")]
    assert "was left alone" in desktop.done("service", "uninstall")
    assert desktop.unit_file.with_name(f"{UNIT}.d").is_dir()


def test_a_daemon_that_hangs_is_started_again(desktop: Desktop) -> None:
    desktop.drop_in("[Service]\nWatchdogSec=9s\nRestartSec=200ms\n")
    desktop.done("service", "install", "--no-tray")
    hanging = desktop.shown("MainPID")
    assert desktop.shown("NRestarts") == "0"
    desktop.systemd.kill(hanging, "STOP")
    desktop.systemd.wait_for(UNIT, "NRestarts", "1")
    desktop.systemd.wait_for(UNIT, "ActiveState", "active")
    assert desktop.shown("MainPID") != hanging
    assert desktop.state()["restarts"] == 1
    wait_until(lambda: "Watchdog timeout" in desktop.systemd.journal_text(), what="the journal says why")
    # ... and where every thread was
    wait_until(lambda: "Fatal Python error: Aborted" in desktop.systemd.journal_text(), what="the threads are shown")
    # one that works tells the watchdog so, again and again
    alive, told = desktop.shown("MainPID"), set[str]()

    def tells() -> bool:
        told.add(desktop.shown("WatchdogTimestampMonotonic"))
        return len(told) > 2

    wait_until(tells, what="the watchdog is told")
    assert (desktop.shown("MainPID"), desktop.shown("NRestarts")) == (alive, "1")


def test_it_stops_at_once_in_the_middle_of_work(desktop: Desktop) -> None:
    # slowly enough that no machine has done it before it is stopped
    desktop.write(desktop.config, desktop.config.read_text() + SLOWLY)
    desktop.add_photos(100)
    photos = {path.name: path.read_bytes() for path in desktop.library.glob("*.jpg")}
    desktop.done("service", "install", "--no-tray")
    desktop.wait_for_status("of 100")
    cgroup = desktop.shown("ControlGroup")
    processes = Path(f"/sys/fs/cgroup/systemd{cgroup}/cgroup.procs")
    assert len(processes.read_text().split()) > 1  # the daemon and its worker
    before_s = within_s(STOPPED_WITHIN_S)
    began = time.monotonic()
    desktop.systemd.systemctl("stop", UNIT)
    took_s = time.monotonic() - began
    assert took_s < max(before_s, within_s(STOPPED_WITHIN_S))
    assert desktop.shown("Result") == "success"
    assert not processes.exists() or processes.read_text() == ""
    assert {path.name: path.read_bytes() for path in desktop.library.glob("*.jpg")} == photos
    embedded = desktop.status()["model"]["cached"]
    assert embedded < 100
    desktop.write(desktop.config, desktop.config.read_text().removesuffix(SLOWLY))
    desktop.done("service", "start")
    desktop.wait_for_status("Idle: 100 photos up to date")
    assert desktop.status()["model"]["cached"] == 100


def test_a_crash_loop_ends(desktop: Desktop) -> None:
    desktop.drop_in("[Service]\nExecStart=\nExecStart=/bin/false\nRestartSec=50ms\n")
    ran = desktop.keeprate("service", "install", "--no-tray")
    assert ran.code == 1
    assert "did not start" in ran.err
    desktop.systemd.wait_for(UNIT, "ActiveState", "failed")
    assert int(desktop.shown("NRestarts")) <= 5
    problems = desktop.state()["problems"]
    assert any("does not run" in problem and "service logs" in problem for problem in problems), problems
    # a new try is not held against the old ones
    desktop.drop_in("[Service]\nRestartSec=50ms\n")
    assert "The service runs now" in desktop.done("service", "start")


def test_a_config_that_makes_no_sense_is_not_tried_again(desktop: Desktop) -> None:
    desktop.drop_in("[Service]\nRestartSec=50ms\n")
    desktop.write(desktop.config, "[watchnig]\n")
    ran = desktop.keeprate("service", "install", "--no-tray")
    assert ran.code == 1
    assert "exit code 2" in ran.err
    assert "keeprate config check" in ran.err
    assert desktop.shown("NRestarts") == "0"
    assert desktop.shown("ActiveState") == "failed"
    assert any("keeprate config check" in problem for problem in desktop.state()["problems"])


def test_a_catalog_that_cannot_be_used_is_not_tried_again(desktop: Desktop) -> None:
    desktop.drop_in("[Service]\nRestartSec=50ms\n")
    desktop.write(desktop.catalog, "this is no catalog " * 1000)
    ran = desktop.keeprate("service", "install", "--no-tray")
    assert "exit code 65" in ran.err
    assert "keeprate status" in ran.err
    assert desktop.shown("NRestarts") == "0"
    assert desktop.shown("ActiveState") == "failed"


def test_a_changed_config_is_read_on_reload(desktop: Desktop) -> None:
    desktop.done("service", "install", "--no-tray")
    pid = desktop.shown("MainPID")
    more = desktop.systemd.home / "More"
    desktop.systemd.done("mkdir", more)
    library = CONFIG.format(root=more).replace('"photos"', '"more"').split("[watching]")[0]
    desktop.write(desktop.config, desktop.config.read_text() + library)
    desktop.systemd.systemctl("reload", UNIT)
    wait_until(lambda: "daemon.reloaded" in desktop.systemd.journal_text(), what="the config is read again")
    desktop.systemd.wait_for(UNIT, "ActiveState", "active")
    assert desktop.shown("MainPID") == pid
    desktop.write(desktop.config, "[watchnig]\n")
    desktop.systemd.systemctl("reload", UNIT)
    wait_until(lambda: "daemon.config_rejected" in desktop.systemd.journal_text(), what="the new config is refused")
    assert (desktop.shown("MainPID"), desktop.shown("ActiveState")) == (pid, "active")


def test_changes_by_hand_are_kept_and_drop_ins_count(desktop: Desktop) -> None:
    desktop.done("service", "install", "--no-tray")
    desktop.write(desktop.unit_file, desktop.unit_file.read_text().replace("Nice=10", "Nice=19"))
    assert any("changed by hand" in problem for problem in desktop.state()["problems"])
    assert any("daemon-reload" in problem for problem in desktop.state()["problems"])
    said = desktop.done("service", "install", "--no-tray")
    copy = desktop.unit_file.with_name(f"{UNIT}.bak")
    assert str(copy) in said
    assert "runs again" in said
    assert "Nice=19" in copy.read_text()
    assert desktop.shown("Nice") == "10"
    desktop.drop_in("[Service]\nNice=15\n")
    desktop.done("service", "restart")
    assert (desktop.shown("Nice"), desktop.state()["problems"]) == ("15", [])


def test_a_home_of_its_own_has_a_service_of_its_own(desktop: Desktop) -> None:
    """With a name that is hard on every quoting there is."""
    odd = desktop.systemd.home / """it's "100%" $HOME; & <more> #1 \\n é"""
    desktop.write(odd / "config.toml", CONFIG.format(root=desktop.library))
    desktop.done("service", "install", "--tray")
    said = desktop.done("service", "install", "--tray", KEEPRATE_HOME=str(odd))
    assert "runs now" in said
    units = sorted(path.name for path in desktop.unit_file.parent.glob("*.service"))
    assert len(units) == 2
    other = next(unit for unit in units if unit != UNIT)
    pid = desktop.systemd.shown(other, "MainPID")
    environment = desktop.systemd.path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    assert f"KEEPRATE_HOME={odd}" in environment
    assert (odd / "catalog.db").exists()
    state = json.loads(desktop.done("service", "status", "--json", KEEPRATE_HOME=str(odd)))
    assert (state["unit"], state["pid"], state["problems"]) == (other, int(pid), [])
    entry = desktop.tray_file.with_name(other.replace("keeprate-", "keeprate-tray-").replace(".service", ".desktop"))
    assert entry.exists()
    desktop.done("service", "uninstall", KEEPRATE_HOME=str(odd))
    assert desktop.unit_file.exists()
    assert desktop.shown("ActiveState") == "active"


def test_a_daemon_that_runs_already_is_not_doubled(desktop: Desktop) -> None:
    desktop.systemd.done("systemd-run", "--user", "--unit=by-hand", desktop.program, "run")
    wait_until(lambda: desktop.state()["other_daemon"] is not None, what="the daemon started by hand is seen")
    ran = desktop.keeprate("service", "install", "--no-tray")
    assert ran.code == 2
    assert "runs already, started by something else" in ran.err
    assert not desktop.unit_file.exists()


def test_where_it_is_asked_from(desktop: Desktop) -> None:
    # cron and su do not say where the user's systemd is
    assert desktop.keeprate("service", "status", without=["XDG_RUNTIME_DIR", "USER", "LOGNAME"]).code == 0
    assert "not installed" in desktop.done("service", "status")
    # somebody whose systemd does not run
    ran = desktop.keeprate("service", "install", "--no-tray", XDG_RUNTIME_DIR=str(desktop.systemd.home))
    assert ran.code == 1
    assert "Your systemd does not answer" in ran.err
    assert not desktop.unit_file.exists()
    # switched off on purpose
    desktop.systemd.systemctl("mask", UNIT)
    ran = desktop.keeprate("service", "install", "--no-tray")
    assert ran.code == 1
    assert "unmask" in ran.err
    assert desktop.unit_file.is_symlink()
    desktop.systemd.systemctl("unmask", UNIT)
    # a user whose services stay
    desktop.systemd.path(f"/var/lib/systemd/linger/{USER}").touch()
    assert "enable-linger" not in desktop.done("service", "install", "--no-tray")
    assert desktop.state()["lingering"] is True


def test_torch_works_within_the_limits_of_the_unit(desktop: Desktop, tmp_path: Path) -> None:
    model = desktop.systemd.home / "model"
    shutil.copytree(save_tiny("clip", tmp_path), model)
    for path in (model, *model.iterdir()):
        os.chown(path, UID, UID)
    desktop.add_photos(3)
    desktop.done("model", "add", "tiny", "--path", model, "--dim", "24")
    desktop.done("model", "activate", "tiny")
    desktop.done("service", "install", "--no-tray")
    desktop.wait_for_status("Idle: 3 photos up to date")
    assert desktop.status()["model"]["cached"] == 3
    assert desktop.status()["problems"]["count"] == 0


def test_an_environment_that_moved_is_noticed_and_mended(desktop: Desktop, tmp_path: Path) -> None:
    program = install_wheel(build_wheel(tmp_path), desktop.systemd.home / "My tools 100%")
    desktop.systemd.done(program, "service", "install", "--no-tray")
    assert (desktop.state()["program"], desktop.shown("ActiveState")) == (str(program), "active")
    assert any("another keeprate" in problem for problem in desktop.state()["problems"])  # asked by ours
    program.parents[1].rename(desktop.systemd.home / "elsewhere")
    state = desktop.state()
    assert state["program_exists"] is False
    assert any("not there any more" in problem for problem in state["problems"]), state["problems"]
    assert "was brought up to date" in desktop.done("service", "install", "--no-tray")
    assert (desktop.state()["program"], desktop.state()["problems"]) == (desktop.program, [])
