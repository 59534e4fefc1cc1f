"""`demo`: the main job on sample pictures, or on copies of your own photos."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keeprate.cli.output import JsonOption, QuietOption, print_json, printable, say

if TYPE_CHECKING:
    from keeprate.demo.session import DemoResult, DemoStep

SHOWN_AT_EACH_END = 5


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Set up")(demo)


def demo(
    photos: Annotated[
        Path | None, typer.Option(help="A folder of your photos; copies of them are used. Default: sample pictures.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where the demo library shall be; default: a new temporary folder.")
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """See it work: a daemon on a temporary library, photos sorted as you would, and the order that comes out."""
    from keeprate.demo.session import run_demo

    def report(step: DemoStep) -> None:
        if not quiet:
            typer.echo(printable(f"{step.seconds:5.1f} s  {step.text}"), err=True)

    result = run_demo(photos, folder=folder, report=report)
    if as_json:
        print_json(
            {
                "photos": result.photos,
                "embedded": result.embedded,
                "labels": {"keep": result.kept, "delete": result.deleted},
                "auc": result.auc,
                "marked": result.marked,
                "view_folder": str(result.view_folder),
                "seconds": round(result.seconds, 1),
            }
        )
        return
    _tell(result)


def _tell(result: DemoResult) -> None:
    say("\nThe order that came out (the number after the first _ is the chance that you keep it):")
    say(f"  {result.view_folder}")
    for name in result.shown[:SHOWN_AT_EACH_END]:
        say(f"    {name}")
    if len(result.shown) > 2 * SHOWN_AT_EACH_END:
        say(f"    … {len(result.shown) - 2 * SHOWN_AT_EACH_END} more …")
    for name in result.shown[SHOWN_AT_EACH_END:][-SHOWN_AT_EACH_END:]:
        say(f"    {name}")
    say(
        f"\n{result.kept} moved into keep/ and {result.deleted} into delete/ were enough to tell the other "
        f"{result.unseen} apart with an AUC of {result.auc:.3f} (0.5: a guess, 1: perfect)."
    )
    written = "that folder of links" if result.marked == 1 else f"{result.marked} places"
    say(f"{result.embedded} photos embedded, {result.seconds:.0f} s. Marks written: {written}; no photo was touched")
    say("but by moving it into a bucket, as you would. `keeprate undo --all` takes the marks back.")
    say(f"\nLook at it: open {result.view_folder} in your photo viewer, or")
    say(f"  KEEPRATE_HOME={shlex.quote(str(result.home))} {_command()} status")
    say(f"Everything lies in {result.folder}; delete it when you are done.")


def _command() -> str:
    """How to call keeprate from the person's shell."""
    return "keeprate" if shutil.which("keeprate") else shlex.quote(sys.argv[0])
