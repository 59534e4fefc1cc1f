"""keeprate as an agent of macOS' launchd.

Written by launchd.plist(5) and launchctl(1). No test of ours has run on a Mac: the property lists are checked against
the documented keys, the calls against a stand-in for launchctl.
"""

from __future__ import annotations

import os
import plistlib
import re
import time
from pathlib import Path

from keeprate.installation.manager import Facts, ServiceKind
from keeprate.installation.own_files import OwnFile
from keeprate.installation.program import Names, Program
from keeprate.installation.templates import checked, fill, plist_array, plist_entries, template
from keeprate.installation.tools import ServiceUnavailableError, Tools

UNLOAD_WITHIN_S = 15.0
"""`bootout` returns before the agent is gone; a `bootstrap` in between fails with an I/O error."""
_LOOK_EVERY_S = 0.1


class LaunchAgent:
    """The agent of one home, in the user's graphical session."""

    kind: ServiceKind = "launchd"

    def __init__(self, names: Names, tools: Tools) -> None:
        self._names = names
        self._tools = tools
        self._domain = f"gui/{os.getuid()}"
        self._folder = Path.home() / "Library/LaunchAgents"
        self._logs = Path.home() / "Library/Logs/keeprate"

    @property
    def unit(self) -> str:
        return self._names.agent

    @property
    def file(self) -> Path:
        return self._folder / f"{self._names.agent}.plist"

    @property
    def tray_file(self) -> Path:
        return self._folder / f"{self._names.tray_agent}.plist"

    @property
    def _target(self) -> str:
        return f"{self._domain}/{self.unit}"

    def check(self) -> None:
        ran = self._tools.ask("launchctl", "print", self._domain)
        if ran.code != 0:
            raise ServiceUnavailableError(
                "There is no graphical session of yours, in which the agent could live.",
                advice="Log in at the Mac itself (ssh is not enough) and try again.",
            )

    # ---- files ----

    def service_file(self, program: Program) -> OwnFile:
        return OwnFile(self.file, self._filled("keeprate.daemon", self.unit, program, "run"))

    def tray_entry(self, program: Program) -> OwnFile:
        return OwnFile(self.tray_file, self._filled("keeprate.tray", self._names.tray_agent, program, "tray"))

    def _filled(self, name: str, label: str, program: Program, command: str) -> str:
        from xml.sax.saxutils import escape

        values = {
            "LABEL": label,
            "ARGUMENTS": plist_array([*program.command, command]),
            "ENVIRONMENT": plist_entries(program.environment),
            "LOGS": escape(checked(str(self._logs))),
            "LOG_NAME": label,
        }
        return fill(template(f"launchd/{name}.plist"), values)

    def program_in(self, text: str) -> str:
        try:
            arguments = plistlib.loads(text.encode()).get("ProgramArguments", [])
        except (plistlib.InvalidFileException, ValueError, OSError):
            return ""
        return str(arguments[0]) if arguments else ""

    # ---- asking ----

    def facts(self) -> Facts:
        ran = self._tools.ask("launchctl", "print", self._target)
        if ran.code != 0:
            return Facts(enabled=self.file.exists(), active="inactive")
        pid = re.search(r"^\s*pid = (\d+)", ran.out, re.MULTILINE)
        ending = re.search(r"^\s*last exit code = (-?\d+)", ran.out, re.MULTILINE)
        program = re.search(r"^\s*program = (.+)$", ran.out, re.MULTILINE)
        code = int(ending[1]) if ending else None
        return Facts(
            enabled=True,
            active="active" if pid else ("failed" if code else "inactive"),
            pid=int(pid[1]) if pid else None,
            last_exit=f"exit code {code}" if code else "",
            exit_code=code,
            program=program[1].strip() if program else "",
        )

    def _loaded(self) -> bool:
        return self._tools.ask("launchctl", "print", self._target).code == 0

    # ---- doing ----

    def take_up(self, *, changed: bool) -> None:
        if not self._tools.dry_run:
            self._logs.mkdir(parents=True, exist_ok=True)
        loaded = self._loaded()
        if loaded and changed:
            self.give_up()
            loaded = False
        self._tools.do("launchctl", "enable", self._target)
        if not loaded:
            self._tools.do("launchctl", "bootstrap", self._domain, str(self.file))
        self._tools.do("launchctl", "kickstart", self._target)

    def give_up(self) -> None:
        if not self._loaded():
            return
        self._tools.do("launchctl", "bootout", self._target, may_fail=True)
        deadline = time.monotonic() + UNLOAD_WITHIN_S
        while not self._tools.dry_run and self._loaded() and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)

    def forget(self) -> None:
        pass

    def start(self) -> None:
        self.take_up(changed=False)

    def stop(self) -> None:
        if self.facts().pid is not None:  # it ends with code 0, and launchd leaves it so
            self._tools.do("launchctl", "kill", "SIGTERM", self._target)

    def restart(self) -> None:
        if self._loaded():
            self._tools.do("launchctl", "kickstart", "-k", self._target)
        else:
            self.take_up(changed=False)
