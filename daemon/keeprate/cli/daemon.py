"""`run`: the daemon in the foreground, which is what a service starts."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Work")(run)


def run(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more about what happens.")] = False,
) -> None:
    """Watch the libraries and do everything on its own, until Ctrl-C or SIGTERM."""
    import logging
    import sys

    from keeprate.paths import locate_home
    from keeprate.service.daemon import run_daemon

    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
    )
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    logging.getLogger("watchdog").setLevel(logging.WARNING)
    run_daemon(locate_home())
