"""keeprate as a unit of the user's own systemd.

What can be in the way (no systemd, none for this user, no way to it from cron or sudo, no lingering) is found out and
said; nothing of that is changed here.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
import shlex
from pathlib import Path

from keeprate.installation.manager import Facts, ServiceKind
from keeprate.installation.own_files import OwnFile
from keeprate.installation.program import Names, Program
from keeprate.installation.templates import (
    BY_SHELL,
    desktop_command,
    desktop_string,
    fill,
    systemd_command,
    systemd_environment,
    template,
)
from keeprate.installation.tools import TOOK_TOO_LONG, ServiceFailedError, ServiceUnavailableError, Tools

BOOTED = Path("/run/systemd/system")
"""There where systemd runs the system (sd_booted(3))."""
LINGER_FOLDER = Path("/var/lib/systemd/linger")
START_WITHIN_S = 30.0
"""So long we wait for "it runs"; systemd itself waits longer (TimeoutStartSec)."""
_ASKED = (
    "LoadState,ActiveState,UnitFileState,MainPID,StatusText,Result,ExecMainStatus,NRestarts,DropInPaths,"
    "NeedDaemonReload,ExecStart"
)
_EXEC_START = re.compile(r"^ExecStart=(?P<command>.+)$", re.MULTILINE)


class UserUnit:
    """The unit of one home, in the systemd of the user who runs this."""

    kind: ServiceKind = "systemd"

    def __init__(self, names: Names, tools: Tools) -> None:
        self._names = names
        self._tools = tools
        runtime = Path(f"/run/user/{os.getuid()}")
        if not os.environ.get("XDG_RUNTIME_DIR") and runtime.is_dir():
            # cron and su forget to say where it is
            tools.environment["XDG_RUNTIME_DIR"] = str(runtime)

    @property
    def unit(self) -> str:
        return self._names.unit

    @property
    def file(self) -> Path:
        return self._unit_folder() / self.unit

    @property
    def tray_file(self) -> Path:
        return _config_folder() / "autostart" / self._names.tray_entry

    def _unit_folder(self) -> Path:
        """Where the user's systemd looks, which may not know of an XDG_CONFIG_HOME that only a shell has."""
        ours, usual = _config_folder() / "systemd/user", Path.home() / ".config/systemd/user"
        if ours != usual:
            ran = self._tools.ask("systemctl", "--user", "show", "--property=UnitPath", "--value")
            if ran.code == 0 and str(ours) not in ran.out.split() and str(usual) in ran.out.split():
                return usual
        return ours

    def check(self) -> None:
        ran = self._tools.ask("systemctl", "--user", "show", "--property=Version", "--value")
        if ran.code == 0 and ran.out.strip():
            return
        if not BOOTED.is_dir():
            raise ServiceUnavailableError(_without_systemd(), advice=_instead())
        if not (os.environ.get("XDG_RUNTIME_DIR") or self._tools.environment.get("XDG_RUNTIME_DIR")):
            raise ServiceUnavailableError(
                "No systemd runs for you here: there is no session of yours that it belongs to.",
                advice=f"Log in as {getpass.getuser()} (desktop, console or ssh; not su or sudo) and try again, or "
                f"have it run always: sudo loginctl enable-linger {getpass.getuser()}",
            )
        said = " ".join((ran.err or ran.out).split())
        raise ServiceUnavailableError(f"Your systemd does not answer: {said}.", advice="Log in anew and try again.")

    # ---- files ----

    def service_file(self, program: Program) -> OwnFile:
        values = {
            "UNIT": self.unit,
            "DESCRIPTION": f"{self._names.title}: sorts photos by how likely you are to keep them",
            "EXEC": systemd_command([*program.command, "run"]),
            "ENVIRONMENT": systemd_environment(program.environment),
        }
        return OwnFile(self.file, fill(template("systemd/keeprate.service"), values))

    def tray_entry(self, program: Program) -> OwnFile:
        variables = [f"{name}={value}" for name, value in program.environment]
        before = ["env", *variables] if variables else []
        command = [*before, *program.command, "tray", "--wait", "60"]  # panels come when they come
        values = {
            "NAME": f"{self._names.title}: icon",
            "TRY_EXEC": desktop_string(program.command[0]),
            "EXEC": desktop_command(command),
        }
        return OwnFile(self.tray_file, fill(template("xdg/keeprate-tray.desktop"), values))

    def program_in(self, text: str) -> str:
        found = _EXEC_START.search(text)
        if found is None:
            return ""
        try:
            words = shlex.split(found["command"].lstrip("@-:+!"))
        except ValueError:
            return ""
        if words[:1] == [BY_SHELL[0]]:
            words = words[len(BY_SHELL) :]
        return words[0].replace("%%", "%") if words else ""

    # ---- asking ----

    def facts(self) -> Facts:
        ran = self._tools.ask("systemctl", "--user", "show", self.unit, f"--property={_ASKED}")
        values = dict(line.partition("=")[::2] for line in ran.out.splitlines())
        if not values:
            return Facts(lingering=self._lingering())
        active = values.get("ActiveState", "")
        result = values.get("Result", "")
        status = int(values.get("ExecMainStatus") or 0)
        pid = int(values.get("MainPID") or 0)
        return Facts(
            enabled=values.get("UnitFileState") in ("enabled", "enabled-runtime", "linked"),
            active=active,
            pid=pid or None,
            status_text=values.get("StatusText", ""),
            last_exit=_ending(result, status) if active in ("failed", "activating", "inactive") else "",
            exit_code=status if result == "exit-code" else None,
            restarts=int(values.get("NRestarts") or 0),
            program=_path_of(values.get("ExecStart", "")),
            drop_ins=tuple(values.get("DropInPaths", "").split()),
            lingering=self._lingering(),
            complaints=tuple(_complaints(values, self.unit)),
        )

    def _lingering(self) -> bool | None:
        user = getpass.getuser()
        if (LINGER_FOLDER / user).exists():
            return True
        ran = self._tools.ask("loginctl", "show-user", user, "--property=Linger", "--value")
        if ran.code == 0 and ran.out.strip() in ("yes", "no"):
            return ran.out.strip() == "yes"
        return False if LINGER_FOLDER.is_dir() else None

    # ---- doing ----

    def take_up(self, *, changed: bool) -> None:
        before = self.facts()
        if changed:
            self._do("daemon-reload")
        self._do("enable", "--quiet", self.unit)
        if before.active == "failed":
            self._do("reset-failed", self.unit, may_fail=True)
        self._bring_up("restart" if changed and before.runs else "start")

    def give_up(self) -> None:
        self._do("disable", "--quiet", "--now", self.unit)

    def forget(self) -> None:
        self._do("daemon-reload")
        self._do("reset-failed", self.unit, may_fail=True)

    def start(self) -> None:
        if self.facts().active == "failed":
            self._do("reset-failed", self.unit, may_fail=True)
        self._bring_up("start")

    def stop(self) -> None:
        self._do("stop", self.unit)

    def restart(self) -> None:
        if self.facts().active == "failed":
            self._do("reset-failed", self.unit, may_fail=True)
        self._bring_up("restart")

    def _bring_up(self, verb: str) -> None:
        ran = self._tools.do("systemctl", "--user", verb, self.unit, timeout_s=START_WITHIN_S, may_fail=True)
        if ran.code not in (0, TOOK_TOO_LONG):  # else it starts on while we go; `status` tells
            facts = self.facts()
            ending = f" ({facts.last_exit})" if facts.last_exit else ""
            advice = facts.what_to_do or "`keeprate service logs` shows what it said."
            raise ServiceFailedError(f"The service did not start{ending}.", advice=advice)

    def _do(self, *arguments: str, may_fail: bool = False) -> None:
        self._tools.do("systemctl", "--user", *arguments, may_fail=may_fail)


def _config_folder() -> Path:
    named = os.environ.get("XDG_CONFIG_HOME", "")
    return Path(named) if named.startswith("/") else Path.home() / ".config"


def _path_of(shown: str) -> str:
    """The program in `{ path=/a b/c ; argv[]=… }`; empty: the shell starts it, and the file says which."""
    found = re.search(r"path=(.*?) ; argv\[\]=", shown)
    return found[1] if found and found[1] != BY_SHELL[0] else ""


def _ending(result: str, status: int) -> str:
    match result:
        case "" | "success":
            return ""
        case "exit-code":
            return f"exit code {status}"
        case "signal" | "core-dump":
            return f"ended by signal {status}"
        case "watchdog":
            return "silent for too long: the watchdog ended it"
        case "timeout":
            return "it did not start or end in time"
        case "oom-kill":
            return "the memory ran out"
        case "start-limit-hit":
            return "it failed five times within ten minutes"
        case other:
            return other


def _complaints(values: dict[str, str], unit: str) -> list[str]:
    said = []
    if "masked" in (values.get("LoadState"), values.get("UnitFileState")):
        said.append(f"The unit is masked, so it never starts: systemctl --user unmask {unit}")
    if values.get("LoadState") in ("bad-setting", "error"):
        said.append(f"systemd cannot make sense of the unit: systemd-analyze --user verify {unit}")
    if values.get("NeedDaemonReload") == "yes":
        said.append("systemd has not read the unit since it changed: systemctl --user daemon-reload")
    return said


def _without_systemd() -> str:
    if "microsoft" in platform.release().lower():
        return "This Linux inside Windows (WSL) runs without systemd, so there is nothing to hand the service to."
    if platform.system() == "Linux":
        return "This system was not started by systemd, so there is nothing to hand the service to."
    return f"keeprate knows no service manager of {platform.system()}."


def _instead() -> str:
    start = "Start `keeprate run` from whatever starts programs when you log in, or run `keeprate sync` from cron."
    if "microsoft" in platform.release().lower():
        return f"Write systemd=true below [boot] in /etc/wsl.conf, then `wsl --shutdown`. Or: {start}"
    return start
