"""Installing and uninstalling the service, and starting and stopping it: what is written, what is called, what to say.

Everything here is safe to do twice. On a dry run nothing is written and nothing called; the answer says what would be.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from keeprate.config.workspace import config_of
from keeprate.errors import KeeprateError, UsageError
from keeprate.installation.manager import ServiceManager
from keeprate.installation.own_files import OwnFile, look, remove, write
from keeprate.installation.program import this_program, tray_installed
from keeprate.installation.state import manager_for, other_daemon
from keeprate.installation.tools import ServiceFailedError, ServiceUnavailableError, Tools
from keeprate.paths import Home

Verb = Literal["start", "stop", "restart"]


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file as it would be written or removed."""

    path: Path
    text: str
    """Empty: it would be removed."""
    already: bool
    """It is as it should be: nothing would happen to it."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was done, or, on a dry run, what would be."""

    said: tuple[str, ...]
    """What happened, in sentences."""
    hints: tuple[str, ...]
    """What else to know."""
    files: tuple[PlannedFile, ...]
    commands: tuple[tuple[str, ...], ...]


def install(home: Home, *, tray: bool | None = None, dry_run: bool = False) -> Report:
    """Have keeprate run on `home` from now on, at every login. `tray`: its icon too; None: if it is installed.

    Raises:
        ServiceUnavailableError: there is nothing here that could start it.
        ServiceFailedError: the service manager refused, or the service did not start.
        UsageError: as root for somebody else, or beside a daemon that runs already.
        KeeprateError: a file cannot be written.
    """
    refuse_sudo()
    tools = Tools(dry_run=dry_run)
    manager = manager_for(home, tools)
    program = this_program(home)
    if tray and not tray_installed():
        raise UsageError("The tray icon is not installed.", advice="pip install 'keeprate[tray]', or pipx inject.")
    with_tray = tray_installed() if tray is None else tray
    service, icon = manager.service_file(program), manager.tray_entry(program) if with_tray else None
    planned = [_planned(one) for one in (service, icon) if one is not None]
    if dry_run:
        manager.take_up(changed=not planned[0].already)
        hints = (*_obstacles(manager), *_hints(manager, program.passing))
        return Report((), hints, tuple(planned), tuple(tools.commands))
    manager.check()
    _refuse_beside_another(home, manager)
    changed = write(service)
    said = [changed]
    if icon is not None:
        said.append(write(icon))
    else:
        said.append(remove(manager.tray_entry(program)))
    ran_before = manager.facts().runs
    try:
        manager.take_up(changed=bool(changed))
        said.append(_how_it_runs(manager, ran_before=ran_before, changed=bool(changed)))
    except ServiceFailedError as error:
        if manager.facts().enabled:
            raise _though_installed(home, error) from error
        raise
    told = tuple(filter(None, said))
    return Report(told, _hints(manager, program.passing), tuple(planned), tuple(tools.commands))


def uninstall(home: Home, *, dry_run: bool = False) -> Report:
    """End the service and remove its files. Photos, catalog, config and marks stay; the hints say where they are.

    Raises:
        UsageError: as root for somebody else.
        KeeprateError: the service manager refused, or a file cannot be removed.
    """
    refuse_sudo()
    tools = Tools(dry_run=dry_run)
    manager = manager_for(home, tools)
    program = this_program(home)
    files = [manager.service_file(program), manager.tray_entry(program)]
    found = [look(one) for one in files]
    planned = tuple(
        PlannedFile(one.path, "", already=there.kind in ("missing", "foreign"))
        for one, there in zip(files, found, strict=True)
    )
    ours = found[0].kind not in ("missing", "foreign")
    drop_ins: tuple[str, ...] = ()
    said: list[str] = []
    if ours:
        if not dry_run:
            manager.check()
        drop_ins = manager.facts().drop_ins
        manager.give_up()
        said.append("The service was ended and does not start any more.")
    if not dry_run:
        said += [remove(one) for one in files]
    if ours:
        manager.forget()
    if dry_run:
        return Report((), _left_behind(home, drop_ins), planned, tuple(tools.commands))
    told = tuple(filter(None, said)) or ("Nothing to do: no service of keeprate is installed.",)
    return Report(told, _left_behind(home, drop_ins), planned, tuple(tools.commands))


def control(home: Home, verb: Verb, *, dry_run: bool = False) -> Report:
    """Start, stop or restart the installed service.

    Raises:
        UsageError: it is not installed, or a daemon runs already that it did not start.
        ServiceUnavailableError: there is no service manager that could be asked.
        ServiceFailedError: it refused, or the service did not start.
    """
    refuse_sudo()
    tools = Tools(dry_run=dry_run)
    manager = manager_for(home, tools)
    if not dry_run:
        manager.check()
    if not manager.file.exists():
        raise UsageError(
            "The service is not installed.", path=manager.file, advice="`keeprate service install` installs it."
        )
    if verb != "stop":
        _refuse_beside_another(home, manager)
    ran_before = manager.facts().runs
    {"start": manager.start, "stop": manager.stop, "restart": manager.restart}[verb]()
    said: tuple[str, ...] = ()
    if not dry_run:
        sentence = "The service was stopped; it starts again at the next login."
        said = (sentence if verb == "stop" else _how_it_runs(manager, ran_before=ran_before, changed=verb != "start"),)
    return Report(said, (), (), tuple(tools.commands))


def refuse_sudo() -> None:
    """Not for root in somebody's name.

    Raises:
        UsageError: sudo calls us.
    """
    user = os.environ.get("SUDO_USER", "root")
    if os.geteuid() == 0 and user != "root":
        raise UsageError(
            "With sudo, the service would be root's, and so would every file that it writes beside your photos.",
            advice=f"Run it as {user}, without sudo.",
        )


def _planned(wanted: OwnFile) -> PlannedFile:
    return PlannedFile(wanted.path, wanted.stamped, look(wanted).kind == "current")


def _refuse_beside_another(home: Home, manager: ServiceManager) -> None:
    pid = other_daemon(home, manager.facts())
    if pid is not None:
        raise UsageError(
            f"keeprate runs already, started by something else (process {pid}).",
            advice=f"End it first (Ctrl-C where it runs, or kill {pid}), then try again.",
        )


def _how_it_runs(manager: ServiceManager, *, ran_before: bool, changed: bool) -> str:
    facts = manager.facts()
    if facts.active == "active":
        state = "runs" if ran_before and not changed else ("runs again" if ran_before else "runs now")
    elif facts.runs:
        state = "is starting"
    else:
        raise ServiceFailedError(
            f"The service did not start{f' ({facts.last_exit})' if facts.last_exit else ''}.",
            advice="`keeprate service logs` shows what it said.",
        )
    text = f" {facts.status_text}" if facts.status_text else ""
    return f"The service {state} ({manager.unit}).{text}"


def _though_installed(home: Home, error: ServiceFailedError) -> ServiceFailedError:
    """`error`, with what was done all the same."""
    what, advice = f"{error.what} It is installed, and is started at every login.", error.advice
    with suppress(KeeprateError):
        if home.workspace is None and not config_of(home).library:
            what += " There is no library yet."
            advice = "`keeprate init FOLDER` makes the first one; then `keeprate service start`."
    return ServiceFailedError(what, advice=advice)


def _obstacles(manager: ServiceManager) -> tuple[str, ...]:
    """What the real thing would end with, in sentences."""
    try:
        manager.check()
    except ServiceUnavailableError as error:
        return (f"Nothing of this would be done: {error.what} {error.advice}",)
    return ()


def _hints(manager: ServiceManager, passing: bool) -> tuple[str, ...]:
    hints = []
    if passing:
        hints.append(
            "This keeprate lies in a folder that is cleaned up at times, and the service would be gone with it: "
            "install it for good (pipx install keeprate, or uv tool install keeprate), and the service from there."
        )
    if manager.kind == "systemd" and manager.facts().lingering is False:
        hints.append(
            "It runs while you are logged in. To have it run from when the machine starts: loginctl enable-linger"
        )
    return tuple(hints)


def _left_behind(home: Home, drop_ins: tuple[str, ...]) -> tuple[str, ...]:
    folders = dict.fromkeys((home.config_dir, home.data_dir, home.state_dir, home.cache_dir))
    kept = [str(folder) for folder in folders if folder.exists() and folder.parent not in folders]
    hints = ["Your photos and the marks on them are as they were."]
    if kept:
        hints.append(f"Settings, catalog and what was learned are kept, for another time: {', '.join(kept)}")
        hints.append(
            "To leave for good: first `keeprate undo --all`, which takes the marks back and needs the catalog; then "
            "remove these folders, and keeprate itself."
        )
    hints += [f"A drop-in of yours was left alone: {one}" for one in drop_ins]
    return tuple(hints)
