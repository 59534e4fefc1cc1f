"""`restore`: go back to a backup of the catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keeprate.cli.output import JsonOption, print_json, say


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Service")(restore)


def restore(
    backup: Annotated[
        Path | None, typer.Argument(help="The backup; default: the latest one that can be read.", show_default=False)
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Only show the backups.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put a backup into the catalog's place. What stood there is set aside; no photo is touched."""
    from keeprate.paths import expanded, locate_home
    from keeprate.steps.upkeep.backup import backups
    from keeprate.steps.upkeep.restoring import restore as put_into_place

    home = locate_home()
    if listed:
        found = backups(home)
        if as_json:
            print_json(found)
            return
        for one in found:
            why = "  (before an update)" if one.before_update else ""
            say(f"{one.made_at:%Y-%m-%d %H:%M}  {one.bytes / 1e6:8,.1f} MB  {one.path}{why}")
        if not found:
            say(f"There is no backup in {home.backups_dir}. The daemon makes one a day.")
        return
    outcome = put_into_place(home, None if backup is None else expanded(backup).absolute())
    if as_json:
        print_json(outcome)
        return
    say(f"{outcome.backup} is the catalog now.")
    if outcome.set_aside is not None:
        say(f"The former one is in {outcome.set_aside}; delete that when all is well.")
    if outcome.marks_unknown:
        say(
            "Marks that keeprate wrote after this backup was made stay where they are, and `keeprate undo` may not "
            "know of them: docs/how-to/take-marks-back.md says how to take them off by hand."
        )
    say("`keeprate sync` brings it up to date.")
