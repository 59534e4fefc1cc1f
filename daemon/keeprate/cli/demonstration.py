"""`demo`: the main job on sample pictures, or on copies of your own photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keeprate.cli.output import JsonOption, QuietOption


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Set up")(demo)


def demo(
    photos: Annotated[
        Path | None,
        typer.Option(help="A folder of your photos; copies of them are used. Default: sample pictures."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where the demo library shall be; default: a temporary folder.")
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """See it work: a daemon on a temporary library, photos sorted as you would, and the order that comes out."""
