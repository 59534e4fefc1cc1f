"""How things stand with the service: installed, enabled, running, and what is wrong with it.

Only looks: no file is written, no unit touched. For `keeprate service status` and `keeprate doctor`.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from keeprate.installation.launchd import LaunchAgent
from keeprate.installation.manager import Facts, ServiceKind, ServiceManager
from keeprate.installation.own_files import FileKind, Found, look
from keeprate.installation.program import Program, installed_at, names_of, this_program
from keeprate.installation.systemd import UserUnit
from keeprate.installation.tools import ServiceUnavailableError, Tools
from keeprate.paths import Home
from keeprate.steps.lock import lock_holder

ON_A_MAC = sys.platform == "darwin"


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What is known of the service of one home. Times in unix seconds; None where nobody can say."""

    kind: ServiceKind
    unit: str
    """The name that systemctl or launchctl knows it by."""
    why_not: str
    """Why the service manager cannot be asked, in one sentence; empty: it can."""
    advice: str
    """What to do about that."""
    file: Path
    """Where the unit (or the agent) lies or would lie."""
    file_kind: FileKind
    written_by: str
    """The version of keeprate that wrote it."""
    drop_ins: tuple[str, ...]
    """The user's own additions, which we never touch."""
    program: str
    """What it starts."""
    program_exists: bool
    enabled: bool | None
    """Whether it starts when the user logs in."""
    active: str
    """`active`, `activating`, `deactivating`, `failed`, `inactive`; empty: not known."""
    since: float | None
    pid: int | None
    status_text: str
    """What the daemon says that it is doing."""
    last_exit: str
    """How it last ended, if not well: "exit code 2", "silent for too long …"."""
    restarts: int
    lingering: bool | None
    """Whether it goes on when nobody is logged in."""
    other_daemon: int | None
    """A daemon on this home that this service did not start: its process."""
    tray_file: Path | None
    """What starts the tray icon at login, if that is installed."""
    problems: tuple[str, ...]
    """What is wrong, each in a sentence that says what to do."""

    @property
    def installed(self) -> bool:
        return self.file_kind != "missing"


def manager_for(home: Home, tools: Tools) -> ServiceManager:
    """The service manager of this system; on one that has none, what systemd's would be."""
    names = names_of(home)
    return LaunchAgent(names, tools) if ON_A_MAC else UserUnit(names, tools)


def service_state(home: Home) -> ServiceState:
    """Look at the service of `home`.

    Raises:
        KeeprateError: its file cannot be read.
    """
    manager = manager_for(home, Tools())
    program = this_program(home)
    kind, why_not, advice, facts = manager.kind, "", "", Facts()
    try:
        manager.check()
        facts = manager.facts()
    except ServiceUnavailableError as error:
        kind, why_not, advice = "none", error.what, error.advice
    found = look(manager.service_file(program))
    started = facts.program or manager.program_in(found.text)
    since = _started_at(facts.pid)
    return ServiceState(
        kind=kind,
        unit=manager.unit,
        why_not=why_not,
        advice=advice,
        file=manager.file,
        file_kind=found.kind,
        written_by=found.written_by,
        drop_ins=facts.drop_ins,
        program=started,
        program_exists=bool(started) and os.access(started, os.X_OK),
        enabled=facts.enabled,
        active=facts.active,
        since=since,
        pid=facts.pid,
        status_text=facts.status_text,
        last_exit=facts.last_exit,
        restarts=facts.restarts,
        lingering=facts.lingering,
        other_daemon=other_daemon(home, facts),
        tray_file=manager.tray_file if manager.tray_file.exists() else None,
        problems=tuple(_problems(manager, facts, found, started, program, since)),
    )


def how_to_start(home: Home) -> str:
    """What to do where no daemon runs, in one sentence: the service's name for it, if there can be one here."""
    state = service_state(home)
    if state.kind == "none":
        return "Start it: `keeprate run`."
    if state.installed:
        return "Start it: `keeprate service start`."
    return "`keeprate service install` has it run from now on; `keeprate run` runs it here until Ctrl-C."


def other_daemon(home: Home, facts: Facts) -> int | None:
    """The process of a daemon on this home that is not the service's."""
    pid = lock_holder(home.daemon_lock_file)
    return pid if pid is not None and pid != facts.pid else None


def _started_at(pid: int | None) -> float | None:
    import psutil

    try:
        return None if pid is None else psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def _problems(
    manager: ServiceManager, facts: Facts, found: Found, started: str, program: Program, since: float | None
) -> list[str]:
    """What is wrong with an installed service."""
    if found.kind == "missing":
        return list(facts.complaints)
    said = [*_problems_of_file(manager, found, started, program), *facts.complaints]
    if facts.active == "activating" and facts.last_exit:  # systemd waits for RestartSec
        said.append(f"The service does not run now ({facts.last_exit}). It is started again within seconds.")
    elif facts.active == "failed":
        then = "`keeprate service logs` shows what it said; `keeprate service start` tries again."
        if facts.what_to_do:
            then = f"{facts.what_to_do} Then `keeprate service start`."
        said.append(f"The service does not run ({facts.last_exit or 'it failed'}). {then}")
    if facts.enabled is False:
        said.append("It does not start when you log in: `keeprate service install` has it do so.")
    updated = installed_at()
    if since is not None and updated is not None and since < updated:
        said.append("keeprate was updated while it ran: `keeprate service restart` starts the new one.")
    return said


def _problems_of_file(manager: ServiceManager, found: Found, started: str, program: Program) -> list[str]:
    anew = "`keeprate service install` writes it anew"
    if started and not os.access(started, os.X_OK):
        gone = f"It starts {started}, which is not there any more (was its environment moved or deleted?)."
        return [f"{gone} {anew}, for the keeprate that you call it with; `keeprate service uninstall` removes it."]
    if started and started != program.command[0]:
        return [f"It starts another keeprate ({started}) than this one ({program.command[0]}): {anew}, for this one."]
    match found.kind:
        case "outdated":
            return [f"It was written by keeprate {found.written_by} and is not up to date: {anew}."]
        case "edited":
            own = f": systemctl --user edit {manager.unit}" if manager.kind == "systemd" else "."
            return [f"It was changed by hand: {anew} and keeps a copy. Your own settings belong into a drop-in{own}"]
        case "foreign":
            return [f"{manager.file} was not written by keeprate: {anew} and keeps a copy."]
        case _:
            return []
