"""What the daemon does by itself, and telling it when: `pause`, `resume`, `retrain`, `jobs`.

A pause is kept in the catalog, so it can be begun and ended without a daemon too; whatever is to be done now needs one.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from keeprate.cli.output import JsonOption, print_json, printable, say
from keeprate.cli.pauses import begin_pause, end_pause
from keeprate.cli.running_daemon import needed_daemon
from keeprate.errors import UsageError

if TYPE_CHECKING:
    from keeprate.api.client import DaemonClient
    from keeprate.service.events import Event

JobArgument = Annotated[str | None, typer.Argument(help="One job, such as `write`; default: all work.", metavar="JOB")]
WaitOption = Annotated[bool, typer.Option("--wait", "-w", help="Wait until it is done, and say what came of it.")]

LONGEST_PAUSE_S = 3650 * 86400.0

jobs_app = typer.Typer(help="What the daemon does by itself, and when.")


def register(app: typer.Typer) -> None:
    for command in (pause, resume, retrain):
        app.command(rich_help_panel="Service")(command)
    app.add_typer(jobs_app, name="jobs", rich_help_panel="Service")


def pause(
    job: JobArgument = None,
    period: Annotated[
        str | None, typer.Option("--for", help="So long, such as 30m or 2h; default: until `keeprate resume`.")
    ] = None,
) -> None:
    """Let the daemon rest, with all its work or with one job. A pause lasts over a restart."""
    from keeprate.paths import locate_home
    from keeprate.service.wording import time_of_day

    _check_name(job)
    now = time.time()
    until = None if period is None else now + _seconds(period)
    home = locate_home()
    unheard = begin_pause(home, job, until)
    end = "`keeprate resume`" if until is None else time_of_day(until, now)
    say(f"{_what(job)} paused until {end}. {unheard}".rstrip())


def resume(job: JobArgument = None) -> None:
    """Let the daemon go on, with all its work or with one job. Jobs that were paused one by one stay paused."""
    from keeprate.paths import locate_home

    _check_name(job)
    unheard, resting = end_pause(locate_home(), job)
    if job is not None:
        said = f"{_what(job)} not paused any more."
    elif resting:
        said = " ".join(f"{name} stays paused: `keeprate resume {name}`." for name in resting)
        said = f"All other work goes on. {said[:1].upper()}{said[1:]}"
    else:
        said = "Nothing is paused any more."
    say(f"{said} {unheard}".rstrip())


def retrain(wait: WaitOption = False, as_json: JsonOption = False) -> None:
    """Have the daemon learn from what you said since, now: every head that has something new to learn.

    `keeprate train --head NAME` learns a single one.
    """
    _run("retrain", wait=wait, as_json=as_json, instead="`keeprate train` learns without it.")


@jobs_app.callback(invoke_without_command=True)
def jobs(context: typer.Context, as_json: JsonOption = False) -> None:
    """What the daemon does by itself, and when; without a command, the list."""
    if context.invoked_subcommand is None:
        list_jobs(as_json)
    elif as_json:
        raise UsageError(
            "--json goes behind the command.", advice=f"`keeprate jobs {context.invoked_subcommand} --json`."
        )


@jobs_app.command("list")
def list_jobs(as_json: JsonOption = False) -> None:
    """Every job: what came of it last, when it runs next, why it does not run now."""
    from keeprate.cli.showing_jobs import show_jobs
    from keeprate.cli.showing_status import state_of
    from keeprate.paths import locate_home

    now = state_of(locate_home(), None)
    if as_json:
        print_json(now.jobs)
        return
    show_jobs(now.jobs, brief=False, running=now.daemon.running)
    if not now.daemon.running:
        say("\nThe daemon is not running; this is what is remembered of it.")


@jobs_app.command("run")
def run_job(
    job: Annotated[str, typer.Argument(help="Which; `keeprate jobs list` names them.", metavar="JOB")],
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Have the daemon do a job now, also in quiet hours, on battery or while it is paused."""
    _check_name(job)
    _run(job, wait=wait, as_json=as_json, instead="`keeprate sync` does everything once, without it.")


# ---- pauses ----


def _check_name(job: str | None) -> None:
    from keeprate.service.control import JOB_TITLES

    if job is not None and job not in JOB_TITLES:
        raise UsageError(f"There is no job called {job!r}.", advice=f"Known are: {', '.join(JOB_TITLES)}.")


def _seconds(period: str) -> float:
    from keeprate.config.durations import parse_duration

    try:
        seconds = parse_duration(period).total_seconds()
    except ValueError as error:
        raise UsageError(f"{period!r} is no period: {error}.") from error
    if not 0 < seconds < LONGEST_PAUSE_S:
        raise UsageError(f"{period!r} is no period to pause for.", advice="Without --for it lasts until you resume.")
    return seconds


def _what(job: str | None) -> str:
    return "All work is" if job is None else f"The job {job} is"


# ---- running ----


def _run(job: str, *, wait: bool, as_json: bool, instead: str) -> None:
    from keeprate.paths import locate_home

    with needed_daemon(locate_home(), instead=instead) as client:
        asked_at = time.time()
        client.run_job(job)
        ended = _followed(client, job, asked_at, quiet=as_json) if wait else None
        known = next(one for one in client.live().jobs if one.name == job)
    if as_json:
        print_json(known)
    elif ended is None:
        say(f"{known.title}: asked for. `keeprate jobs list` tells how it goes, or --wait waits for it.")
    else:
        say(ended.sentence)
    if ended is not None and ended.name == "job.failed":
        raise typer.Exit(1)


def _followed(client: DaemonClient, job: str, asked_at: float, *, quiet: bool) -> Event:
    """The event with which the run ends that began after it was asked for; what happens meanwhile is shown.

    Raises:
        DaemonNotRunningError: the daemon ended before.
    """
    began = False
    drawing = sys.stderr.isatty() and not quiet
    try:
        for event in client.events(after=0):  # also what happened before we listened
            if event.at < asked_at or event.data.get("job") != job:
                continue
            if event.name == "job.started":
                began = True
            elif event.name == "job.progress" and drawing:
                print(f"\r\x1b[K{printable(event.sentence)}", end="", file=sys.stderr, flush=True)
            elif began and (event.name == "job.failed" or (event.name == "job.finished" and not event.data.get("cut"))):
                return event
    finally:
        if drawing:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    raise AssertionError("events end with an error")
