"""`export`, `clean`, `import`: heads, models and vectors to and from headmaster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keeprate.cli.output import HeadOption, JsonOption, print_json, say

PANEL = "Exchange"


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL)(export)
    app.command(rich_help_panel=PANEL)(clean)


def export(
    dest: Annotated[Path, typer.Option(help="The folder to copy to; made if missing.")], as_json: JsonOption = False
) -> None:
    """Copy all checkpoints (.pt, in headmaster's format) to a folder; other files there are never overwritten."""
    from keeprate.paths import locate_home
    from keeprate.service.exporting import export as do_export
    from keeprate.service.session import open_session

    with open_session(locate_home()) as session:
        outcome = do_export(session, dest)
    if as_json:
        print_json(outcome)
    else:
        say(f"{len(outcome.copied)} checkpoints copied to {outcome.destination}: {', '.join(outcome.copied) or '–'}.")
        if outcome.unchanged:
            say(f"There already: {', '.join(outcome.unchanged)}.")
        for name in outcome.refused:
            say(f"Left alone: {name}, for another file of this name lies there.")
    if outcome.refused:
        raise typer.Exit(1)


def clean(
    head: HeadOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove checkpoints and take their heads out of use; labels and vectors stay, the next training begins anew."""
    from keeprate.cli.steps import at_work
    from keeprate.service.exporting import clean as do_clean

    with at_work(quiet=True) as session:
        outcome = do_clean(session, head, dry_run=dry_run)
    if as_json:
        print_json(outcome)
        return
    for path in outcome.removed:
        say(f"{'would be removed' if dry_run else 'removed'}: {path}")
    for path in outcome.kept:
        say(f"left alone, keeprate did not write it: {path}")
    named = ", ".join(outcome.heads) or "no head"
    say(f"{named} {'would be taken' if dry_run else 'taken'} out of use; `keeprate train` begins anew.")
