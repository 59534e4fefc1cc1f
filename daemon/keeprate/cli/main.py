"""The `keeprate` command: puts the groups together and turns every error into a sentence and an exit code.

0 done, 1 failed, 2 usage, 3 daemon not running, 65 unusable catalog (of `run`), 69 no desktop, 130 interrupted.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Protocol

import typer

from keeprate import __version__
from keeprate.cli.output import print_error
from keeprate.errors import DiskFullError, KeeprateError
from keeprate.steps.memory import has_begun_anew

HELP = """
keeprate learns from the photos you keep and delete, and sorts the rest where you already look at them.

Begin with  [bold]keeprate init ~/Pictures[/bold] , move some photos into its keep/ and delete/ folders, and call
[bold]keeprate service install[/bold]  (from now on all happens by itself) or  [bold]keeprate sync[/bold]  (everything
once). No photo is ever moved, deleted or changed.
"""


INTERRUPTED = 130
"""What a command ends with after Ctrl-C: 128 and the number of SIGINT, as in a shell."""


class Group(Protocol):
    """A module of commands."""

    def register(self, app: typer.Typer) -> None: ...


app = typer.Typer(
    name="keeprate",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"keeprate {__version__}")
        raise typer.Exit


@app.callback()
def keeprate(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
    workspace: Annotated[
        Path | None,
        typer.Option(help="Work in this folder of heads/HEAD/BUCKET/ instead (or set KEEPRATE_WORKSPACE)."),
    ] = None,
) -> None:
    if workspace is not None:
        os.environ["KEEPRATE_WORKSPACE"] = str(workspace)  # for this process and its worker


def _groups() -> Iterable[Group]:
    """The modules of the commands, in the order of the help; in a daemon's process only its own, which saves 3 MB."""
    from keeprate.cli import daemon

    if has_begun_anew():
        return (daemon,)
    from keeprate.cli import (
        classifying,
        demonstration,
        doctor,
        embeddings,
        evaluating,
        exchanging,
        groups,
        heads,
        jobs,
        labels,
        logs,
        looking,
        model,
        profile,
        restoring,
        service,
        setup,
        showing_status,
        steps,
        tray,
        web,
    )

    return (
        setup, profile, steps, classifying, evaluating, showing_status, looking, groups, heads, labels, embeddings,
        model, exchanging, daemon, service, doctor, web, jobs, restoring, logs, tray, demonstration,
    )  # fmt: skip


for _group in _groups():
    _group.register(app)


def main() -> None:
    """Run the command line and exit."""
    try:
        app()
    except KeeprateError as error:
        print_error(error)
        sys.exit(error.exit_code)
    except sqlite3.Error as error:
        from keeprate.catalog.connection import translated
        from keeprate.paths import locate_home

        print_error(translated(error, locate_home().catalog_file))
        sys.exit(1)
    except BrokenPipeError:
        # the reader of our output has seen enough; silence the interpreter's flush at exit as well
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        print_error(_told(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(_interrupted())
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer has caught the KeyboardInterrupt and says nothing
            _interrupted()
        raise


def _interrupted() -> int:
    print("Interrupted; everything done so far is kept.", file=sys.stderr)
    return INTERRUPTED


def _told(error: OSError) -> KeeprateError:
    """What the system refused, as a sentence."""
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError("The disk is full.", path=path, advice="Make room and try again; nothing was harmed.")
    return KeeprateError(f"The system refused: {error.strerror or error}.", path=path)
