"""launchd agents, as far as can be checked without a Mac: the keys by launchd.plist(5), the calls by a stand-in."""

from __future__ import annotations

import os
import plistlib
import sys
from pathlib import Path
from typing import Any

import pytest

from keeprate.installation import installing, state
from keeprate.installation.launchd import LaunchAgent
from keeprate.installation.program import Names, Program
from keeprate.installation.tools import ServiceUnavailableError, Tools
from keeprate.paths import locate_home

DOCUMENTED: dict[str, type | tuple[type, ...]] = {
    "Label": str, "Program": str, "ProgramArguments": list, "EnvironmentVariables": dict, "RunAtLoad": bool,
    "KeepAlive": (bool, dict), "ThrottleInterval": int, "ExitTimeOut": int, "ProcessType": str, "LowPriorityIO": bool,
    "Nice": int, "StandardOutPath": str, "StandardErrorPath": str, "LimitLoadToSessionType": (str, list),
    "WorkingDirectory": str, "Umask": int, "StartInterval": int, "Disabled": bool, "AbandonProcessGroup": bool,
}  # fmt: skip
"""Keys of launchd.plist(5) that an agent may have, with their types."""
KEEP_ALIVE = {"SuccessfulExit", "Crashed", "NetworkState", "PathState", "OtherJobEnabled", "AfterInitialDemand"}
PROCESS_TYPES = {"Background", "Standard", "Adaptive", "Interactive"}
SESSION_TYPES = {"Aqua", "Background", "LoginWindow", "StandardIO", "System"}
ODD = Program(
    ('/Users/ana/Photo <tools> & "more"/bin/keeprate',), (("KEEPRATE_HOME", "/Volumes/Ana's 100% & <photos>"),)
)

LAUNCHCTL = """#!{python}
import pathlib, sys
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    print(*sys.argv[1:], file=calls)
loaded, running = here / "loaded", here / "running"
match sys.argv[1:]:
    case ["print", target] if target.count("/") == 1:
        sys.exit(0 if (here / "session").exists() else 113)
    case ["print", _]:
        if not loaded.exists():
            print("Could not find service", file=sys.stderr)
            sys.exit(113)
        print("gui/501/keeprate.daemon = {{")
        print("\\tpath = /Users/ana/Library/LaunchAgents/keeprate.daemon.plist")
        print("\\tprogram = /no/such/keeprate")
        if running.exists():
            print("\\tpid = 1\\n\\tstate = running")
        print("\\tlast exit code = " + ((here / "code").read_text() if (here / "code").exists() else "(never exited)"))
        print("}}")
    case ["bootstrap", _, plist]:
        if loaded.exists():
            print("Bootstrap failed: 5: Input/output error", file=sys.stderr)
            sys.exit(5)
        loaded.touch()
    case ["bootout", _]:
        loaded.unlink()
        running.unlink(missing_ok=True)
    case ["kickstart", *_]:
        running.touch()
    case ["kill", "SIGTERM", _]:
        running.unlink()
"""


@pytest.fixture
def mac(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a stand-in for launchctl that notes its calls; `session` in it: somebody is logged in."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "launchctl").write_text(LAUNCHCTL.format(python=sys.executable))
    (folder / "launchctl").chmod(0o755)
    (folder / "session").touch()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(state, "ON_A_MAC", True)
    monkeypatch.delenv("KEEPRATE_HOME")
    return folder


def calls(mac: Path) -> list[str]:
    """What launchctl was told, without what it was only asked, and without the user's number."""
    noted = (mac / "calls").read_text().splitlines()
    (mac / "calls").unlink()
    return [
        " ".join(word.rpartition("/")[2] for word in line.split()) for line in noted if not line.startswith("print")
    ]


def complaints(values: dict[str, Any]) -> list[str]:
    """What launchd.plist(5) has against these values."""
    said = [f"{key} is not documented" for key in values if key not in DOCUMENTED]
    said += [f"{key} has the wrong type" for key, value in values.items() if not isinstance(value, DOCUMENTED[key])]
    keep_alive = values.get("KeepAlive", {})
    said += [f"KeepAlive: {key}" for key in keep_alive if key not in KEEP_ALIVE]
    if values.get("ProcessType", "Standard") not in PROCESS_TYPES:
        said.append("ProcessType")
    if values.get("LimitLoadToSessionType", "Aqua") not in SESSION_TYPES:
        said.append("LimitLoadToSessionType")
    paths = [values["ProgramArguments"][0], values["StandardOutPath"], values["StandardErrorPath"]]
    said += [f"{path} is not absolute: launchd knows neither PATH nor ~" for path in paths if not path.startswith("/")]
    return said


def test_the_check_of_keys_can_fail() -> None:
    wrong = {
        "ProgramArguments": ["keeprate"],
        "StandardOutPath": "~/x",
        "StandardErrorPath": "/x",
        "ProcessType": "Quiet",
    }
    assert len(complaints(wrong)) == 3


@pytest.mark.parametrize("kind", ["service_file", "tray_entry"])
def test_agents_have_documented_keys_only(home: Path, kind: str) -> None:
    written = getattr(LaunchAgent(Names("", "keeprate"), Tools()), kind)(ODD)
    values = plistlib.loads(written.stamped.encode())
    assert complaints(values) == []
    assert written.path == home / "Library/LaunchAgents" / f"{values['Label']}.plist"
    assert values["ProgramArguments"] == [*ODD.command, "run" if kind == "service_file" else "tray"]
    assert values["EnvironmentVariables"]["KEEPRATE_HOME"] == "/Volumes/Ana's 100% & <photos>"
    assert "/opt/homebrew/bin" in values["EnvironmentVariables"]["PATH"]


def test_the_daemon_is_started_again_after_a_crash_only(home: Path) -> None:
    values = plistlib.loads(LaunchAgent(Names("", "keeprate"), Tools()).service_file(ODD).stamped.encode())
    assert values["RunAtLoad"] is True
    assert values["KeepAlive"] == {"SuccessfulExit": False}
    assert values["ThrottleInterval"] >= 10
    assert values["ProcessType"] == "Background"
    assert values["LowPriorityIO"] is True
    assert values["StandardErrorPath"] == str(home / "Library/Logs/keeprate/keeprate.daemon.log")


def test_the_tray_needs_a_menu_bar() -> None:
    values = plistlib.loads(LaunchAgent(Names("", "keeprate"), Tools()).tray_entry(ODD).stamped.encode())
    assert values["LimitLoadToSessionType"] == "Aqua"
    assert "KeepAlive" not in values  # whoever quits it wants to be rid of it


def test_installing_twice_and_uninstalling(mac: Path, home: Path) -> None:
    report = installing.install(locate_home(), tray=False)
    agent = home / "Library/LaunchAgents/keeprate.daemon.plist"
    assert agent.exists()
    assert (home / "Library/Logs/keeprate").is_dir()
    assert "The service runs now" in report.said[-1]
    assert calls(mac) == [
        "enable keeprate.daemon",
        f"bootstrap {os.getuid()} keeprate.daemon.plist",
        "kickstart keeprate.daemon",
    ]

    before = agent.stat().st_mtime_ns, agent.stat().st_ino  # not when it was read
    report = installing.install(locate_home(), tray=False)
    assert (agent.stat().st_mtime_ns, agent.stat().st_ino) == before
    assert report.said == ("The service runs (keeprate.daemon).",)
    assert calls(mac) == ["enable keeprate.daemon", "kickstart keeprate.daemon"]

    agent.write_text(agent.read_text().replace("<integer>30", "<integer>60"))
    installing.install(locate_home(), tray=False)
    assert calls(mac)[0] == "bootout keeprate.daemon"  # launchd reads a changed file only then
    assert (agent.parent / "keeprate.daemon.plist.bak").exists()

    installing.uninstall(locate_home())
    assert not agent.exists()
    assert calls(mac) == ["bootout keeprate.daemon"]


def test_starting_and_stopping(mac: Path) -> None:
    installing.install(locate_home(), tray=False)
    calls(mac)
    installing.control(locate_home(), "stop")
    installing.control(locate_home(), "stop")  # is down already
    assert calls(mac) == ["kill SIGTERM keeprate.daemon"]
    assert state.service_state(locate_home()).active == "inactive"
    installing.control(locate_home(), "start")
    installing.control(locate_home(), "restart")
    assert calls(mac)[-1] == "kickstart -k keeprate.daemon"


def test_a_failed_agent_is_told(mac: Path) -> None:
    installing.install(locate_home(), tray=False)
    (mac / "running").unlink()
    (mac / "code").write_text("2")
    found = state.service_state(locate_home())
    assert (found.kind, found.active, found.last_exit) == ("launchd", "failed", "exit code 2")
    assert any("/no/such/keeprate, which is not there" in problem for problem in found.problems)
    assert any("`keeprate config check`" in problem for problem in found.problems)
    (mac / "code").write_text("65")
    found = state.service_state(locate_home())
    assert any("catalog" in problem and "`keeprate status`" in problem for problem in found.problems)
    assert not any("config" in problem for problem in found.problems)


def test_over_ssh_it_says_why_not(mac: Path, home: Path) -> None:
    (mac / "session").unlink()
    with pytest.raises(ServiceUnavailableError, match="no graphical session"):
        installing.install(locate_home(), tray=False)
    assert not (home / "Library").exists()


def test_a_dry_run_touches_nothing(mac: Path, home: Path) -> None:
    report = installing.install(locate_home(), tray=False, dry_run=True)
    assert [command[1] for command in report.commands] == ["enable", "bootstrap", "kickstart"]
    assert calls(mac) == []
    assert not (home / "Library").exists()
