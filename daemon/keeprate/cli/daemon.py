"""`run`: the daemon in the foreground, which is what a service starts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from keeprate.cli.log_lines import LogFormat


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
    from keeprate.cli.log_output import set_up_log
    from keeprate.paths import expanded, locate_home
    from keeprate.service.daemon import run_daemon
    from keeprate.web.page import add_page

    home = locate_home()
    set_up_log(
        form=log_format,
        verbose=verbose,
        file=None if log_file is None else expanded(log_file).absolute(),
        usual_file=home.log_file,
    )
    run_daemon(home, serve=lambda home, control: ApiServer(home, control, extend=[add_page]))


def _spare_memory() -> None:
    """Leave out what a process that stays needs not: FastAPI loads all of pydantic 1, to find nothing made with it."""
    modules: dict[str, Any] = sys.modules
    modules.setdefault("pydantic.v1", None)  # what Python takes for "not installed"
