"""`run`: the daemon in the foreground, which is what a service starts."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keeprate.cli.log_lines import LogFormat

if TYPE_CHECKING:
    from keeprate.errors import KeeprateError
    from keeprate.paths import Home


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Work")(run)


def run(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more about what happens.")] = False,
    log_format: Annotated[
        LogFormat, typer.Option(help="text: for people; json: one object a line, for programs.")
    ] = LogFormat.text,
    log_file: Annotated[
        Path | None,
        typer.Option(help="Write the log into this file too; by default where neither terminal nor journal take it."),
    ] = None,
) -> None:
    """Watch the libraries and do everything on its own, until Ctrl-C or SIGTERM; SIGHUP reads the settings again."""
    _spare_memory()
    from keeprate.api.server import ApiServer
    from keeprate.cli.log_output import note_file, set_up_log
    from keeprate.errors import KeeprateError
    from keeprate.paths import expanded, locate_home
    from keeprate.service.daemon import run_daemon
    from keeprate.web.page import add_page

    home = locate_home()
    _refuse_beside_another(home)
    written = set_up_log(
        form=log_format,
        verbose=verbose,
        file=None if log_file is None else expanded(log_file).absolute(),
        usual_file=home.log_file,
    )
    note_file(home, written)
    try:
        run_daemon(home, serve=lambda home, control: ApiServer(home, control, extend=[add_page]))
    except KeeprateError as error:
        if sys.stderr.isatty():
            raise
        _log_end(error)
        raise typer.Exit(error.exit_code) from error


def _refuse_beside_another(home: Home) -> None:
    """Before anything is written: the log is that of the daemon that runs."""
    from keeprate.errors import BusyError
    from keeprate.steps.lock import lock_holder

    pid = lock_holder(home.daemon_lock_file)
    if pid is not None:
        raise BusyError(
            f"A daemon is at work here already (process {pid}).",
            advice="There is one for each home: `keeprate status` says what it does, `keeprate service restart`"
            f"{f' or `kill {pid}`' if pid else ''} ends it.",
        )


def _log_end(error: KeeprateError) -> None:
    """Say why there is no daemon where the log goes: in one line, and as an error, for which one looks there."""
    from keeprate.service.events import Events

    what = error.what if error.path is None else f"{error.what} ({error.path})"
    Events().tell("daemon.failed", f"{what} {error.advice}".rstrip(), level=logging.ERROR, reason=error.slug)


def _spare_memory() -> None:
    """Begin as a process that stays small, and leave out what it needs not.

    FastAPI loads all of pydantic 1, to find nothing made with it.
    """
    from keeprate.steps.memory import begin_anew_frugally

    begin_anew_frugally()
    modules: dict[str, Any] = sys.modules
    modules.setdefault("pydantic.v1", None)  # what Python takes for "not installed"
