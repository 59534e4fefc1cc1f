"""`tray`: the icon in the panel, in a process of its own."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Look")(tray)


def tray(
    wait: Annotated[
        float, typer.Option(min=0, help="Wait so many seconds for the panel to come, as at login.", show_default=False)
    ] = 0,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more about what happens.")] = False,
) -> None:
    """Show keeprate as an icon in the panel: what it is doing, and a menu. Exit code 69 where there is none."""
    import logging
    import os
    import sys

    from keeprate.cli.output import print_error, say
    from keeprate.errors import BusyError, KeeprateError
    from keeprate.paths import locate_home
    from keeprate.steps.lock import hold_lock
    from keeprate.tray.app import run_tray, session_lock_file

    level = logging.DEBUG if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(message)s", stream=sys.stderr)
    code = 0
    home = locate_home()
    try:
        with hold_lock(session_lock_file(home)):
            run_tray(home, wait_s=wait, say=say)
    except BusyError:
        say("The icon is there already.")
    except KeeprateError as error:
        print_error(error)
        code = error.exit_code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # pystray leaves threads behind that would keep the process alive
