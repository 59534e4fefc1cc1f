"""`service`: keeprate as a service of your session, installed with one command."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from keeprate.cli.output import JsonOption, print_json, say

if TYPE_CHECKING:
    from keeprate.installation.installing import Report
    from keeprate.installation.state import ServiceState

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]

service_app = typer.Typer(
    help="Run keeprate as a service: systemd on Linux, launchd on macOS. It starts when you log in.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    app.add_typer(service_app, name="service", rich_help_panel="Set up")


@service_app.command()
def install(
    tray: Annotated[
        bool | None,
        typer.Option("--tray/--no-tray", help="The tray icon too, at login. Without either: if it is installed."),
    ] = None,
    dry_run: DryRunOption = False,
) -> None:
    """Start keeprate now and at every login. May be called again at any time, such as after an update."""
    from keeprate.installation import installing
    from keeprate.paths import locate_home

    report = installing.install(locate_home(), tray=tray, dry_run=dry_run)
    if dry_run:
        _tell_plan(report)
    else:
        _tell(report)


@service_app.command()
def uninstall(dry_run: DryRunOption = False) -> None:
    """End the service and remove it. Photos, marks, catalog and settings stay as they are."""
    from keeprate.installation import installing
    from keeprate.paths import locate_home

    report = installing.uninstall(locate_home(), dry_run=dry_run)
    if dry_run:
        _tell_plan(report)
    else:
        _tell(report)


@service_app.command()
def start(dry_run: DryRunOption = False) -> None:
    """Start the installed service."""
    _control("start", dry_run=dry_run)


@service_app.command()
def stop(dry_run: DryRunOption = False) -> None:
    """Stop the service until the next login; `keeprate pause` lets it rest without that."""
    _control("stop", dry_run=dry_run)


@service_app.command()
def restart(dry_run: DryRunOption = False) -> None:
    """Stop the service and start it again."""
    _control("restart", dry_run=dry_run)


@service_app.command()
def status(as_json: JsonOption = False) -> None:
    """Is it installed, does it run, and what is wrong with it?"""
    from keeprate.installation.state import service_state
    from keeprate.paths import locate_home

    state = service_state(locate_home())
    if as_json:
        print_json(state)
        return
    for line in _lines(state):
        say(line)


@service_app.command()
def logs(
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="So many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is said from now on.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts, one object a line.")] = False,
) -> None:
    """What the service has said; `keeprate logs` has more options."""
    from keeprate.cli.logs import show_logs
    from keeprate.paths import locate_home

    show_logs(locate_home(), follow=follow, count=lines, since=None, as_json=as_json)


def _control(verb: str, *, dry_run: bool) -> None:
    from typing import cast

    from keeprate.installation import installing
    from keeprate.paths import locate_home

    report = installing.control(locate_home(), cast("installing.Verb", verb), dry_run=dry_run)
    if dry_run:
        _tell_plan(report)
    else:
        _tell(report)


def _tell(report: Report) -> None:
    for sentence in report.said:
        say(sentence)
    if report.hints:
        say("")
    for hint in report.hints:
        say(hint)


def _tell_plan(report: Report) -> None:
    for file in report.files:
        if file.already:
            say(f"# {file.path}: nothing to do\n" if file.text else f"# {file.path}: none of ours is there")
        elif file.text:
            say(f"# {file.path} would be:\n\n{file.text}")
        else:
            say(f"# {file.path} would be removed")
    if report.commands:
        say("# would be run:")
    for command in report.commands:
        say(shlex.join(command))
    for hint in report.hints:
        say(f"# {hint}")


def _lines(state: ServiceState) -> list[str]:
    """The state as people read it."""
    from datetime import datetime

    def shown(at: float) -> str:
        return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")

    lines = []
    if not state.installed:
        lines.append("The service is not installed; `keeprate service install` does it.")
    else:
        by = f", by keeprate {state.written_by}" if state.written_by else ""
        lines.append(f"{'Installed':<12}{state.file}{by}")
        lines.append(f"{'Starts':<12}{state.program or '?'}")
    if state.kind == "none":
        return [*lines, state.why_not, state.advice, *_problem_lines(state)]
    if state.installed:
        at_login = {True: "yes", False: "no", None: "not known"}[state.enabled]
        always = " and without a login (lingering)" if state.lingering and state.enabled else ""
        lines.append(f"{'At login':<12}{at_login}{always}")
        runs = state.active or "not known"
        if state.pid is not None:
            runs += f", process {state.pid}" + (f", since {shown(state.since)}" if state.since else "")
        if state.restarts:
            runs += f", restarted {state.restarts} times"
        lines.append(f"{'State':<12}{runs}")
        if state.status_text and state.pid is not None:
            lines.append(f"{'It says':<12}{state.status_text}")
        if state.last_exit:
            lines.append(f"{'Last end':<12}{state.last_exit}")
        lines += [f"{'Drop-in':<12}{one}" for one in state.drop_ins]
    if state.tray_file is not None:
        lines.append(f"{'Tray icon':<12}at login ({state.tray_file})")
    if state.other_daemon is not None:
        lines.append(f"A daemon that this service did not start is at work: process {state.other_daemon}.")
    return lines + _problem_lines(state)


def _problem_lines(state: ServiceState) -> list[str]:
    return [f"! {problem}" for problem in state.problems]
