"""What `keeprate service` says and leaves alone where there is nothing to install into; the rest is tests/system."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path

import pytest

from keeprate.config.edit import add_library
from keeprate.errors import UsageError
from keeprate.installation import installing, systemd
from keeprate.installation.state import service_state
from keeprate.installation.tools import NOT_FOUND, ServiceFailedError, ServiceUnavailableError, Tools
from keeprate.paths import locate_home
from support.commands import run

SYSTEMCTL = """#!{python}
import pathlib, sys
match sys.argv[2:]:
    case ["show", "--property=Version", "--value"]:
        print("252")
    case ["show", unit, _] if unit.endswith(".service"):
        print(pathlib.Path(__file__).with_name("shown").read_text())
    case ["start" | "restart", _]:
        sys.exit(1)
"""
"""The service never starts."""


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a stand-in for systemctl says of the service; of everything else it says nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "systemctl").write_text(SYSTEMCTL.format(python=sys.executable))
    (folder / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder / "shown"


def test_without_a_service_manager_it_says_why(home: Path) -> None:
    done = run("service", "install", "--no-tray")
    assert (done.code, done.out) == (1, ""), "and nothing else: the reason is what matters"
    assert done.err.startswith("keeprate: ")
    assert not (home / ".config").exists()


def test_a_dry_run_writes_nothing_and_says_what_would_be_in_the_way(home: Path) -> None:
    done = run("service", "install", "--tray", "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert f"# {home}/.config/autostart/keeprate-tray-keeprate-" in done.out
    assert "\nExecStart=" in done.out
    assert "systemctl --user enable" in done.out
    reason = run("service", "install", "--no-tray").err.splitlines()[0].removeprefix("keeprate: ")
    assert f"# Nothing of this would be done: {reason} " in done.out
    assert not (home / ".config").exists()


def test_status_works_without_a_service_manager() -> None:
    done = run("service", "status", "--json")
    state = json.loads(done.out)
    assert (done.code, state["kind"], state["file_kind"], state["active"]) == (0, "none", "missing", "")
    assert state["why_not"]
    assert state["advice"]
    assert "is not installed" in run("service", "status").out


def test_starting_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="not installed"):
        installing.control(locate_home(), "start", dry_run=True)


def test_sudo_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "ana")
    with pytest.raises(UsageError, match="the service would be root's") as caught:
        installing.install(locate_home())
    assert "as ana" in caught.value.advice
    monkeypatch.setenv("SUDO_USER", "root")
    installing.refuse_sudo()


@pytest.mark.parametrize(
    ("kernel", "booted", "advice"),
    [("6.1.0-amd64", False, "keeprate sync"), ("5.15-microsoft-standard-WSL2", False, "/etc/wsl.conf"),
     ("6.1.0-amd64", True, "Log in anew")],
)  # fmt: skip
def test_why_there_is_none_is_said(
    kernel: str, booted: bool, advice: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(platform, "release", lambda: kernel)
    monkeypatch.setattr(systemd, "BOOTED", tmp_path if booted else tmp_path / "not")
    with pytest.raises(ServiceUnavailableError) as caught:
        installing.install(locate_home(), tray=False)
    assert advice in caught.value.advice


def test_a_unit_left_without_systemd_is_still_looked_at(home: Path) -> None:
    """As in a home that was copied to another machine."""
    report = installing.install(locate_home(), tray=False, dry_run=True)
    (unit,) = report.files
    unit.path.parent.mkdir(parents=True)
    unit.path.write_text(unit.text.replace("/bin/keeprate run", "/bin/keeprate-no-more run"))
    state = service_state(locate_home())
    assert state.installed
    assert state.program_exists is False
    assert any("not there any more" in problem for problem in state.problems)
    with pytest.raises(ServiceUnavailableError):
        installing.uninstall(locate_home())
    assert unit.path.exists()


@pytest.mark.skipif(sys.platform == "darwin", reason="systemd is Linux's")
def test_a_crashed_service_is_started_again_by_systemd(shown: Path) -> None:
    unit = installing.install(locate_home(), tray=False, dry_run=True).files[0]
    unit.path.parent.mkdir(parents=True)
    unit.path.write_text(unit.text)
    ended = "Result=signal\nExecMainStatus=9\nUnitFileState=enabled\n"
    shown.write_text(f"ActiveState=activating\n{ended}")
    (problem,) = (one for one in service_state(locate_home()).problems if "does not run" in one)
    assert problem == "The service does not run now (ended by signal 9). It is started again within seconds."
    shown.write_text(f"ActiveState=failed\n{ended}")
    (problem,) = (one for one in service_state(locate_home()).problems if "does not run" in one)
    assert problem.endswith("`keeprate service start` tries again.")


@pytest.mark.skipif(sys.platform == "darwin", reason="systemd is Linux's")
def test_a_service_without_a_library_is_installed_all_the_same(shown: Path, tmp_path: Path) -> None:
    shown.write_text("ActiveState=failed\nResult=exit-code\nExecMainStatus=2\nUnitFileState=enabled\n")
    with pytest.raises(ServiceFailedError) as failed:
        installing.install(locate_home(), tray=False)
    assert str(failed.value).startswith("The service did not start (exit code 2). It is installed, ")
    assert failed.value.advice.startswith("`keeprate init FOLDER` makes the first one")
    add_library(locate_home().config_file, {"name": "camera", "root": str(tmp_path)})
    with pytest.raises(ServiceFailedError, match="It is installed") as failed:
        installing.install(locate_home(), tray=False)
    assert "`keeprate config check`" in failed.value.advice
    assert "There is no library yet." not in str(failed.value)


def test_a_tool_that_is_missing_or_slow_is_no_crash() -> None:
    assert Tools().ask("/no/such/tool").code == NOT_FOUND
    slow = Tools().ask("sleep", "5", timeout_s=0.05)
    assert "has not answered" in slow.err


def test_what_would_be_done_is_only_noted() -> None:
    tools = Tools(dry_run=True)
    assert tools.do("false").code == 0
    assert tools.commands == [("false",)]
