"""`export`, `clean`, `import`: heads, models and vectors to and from headmaster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keeprate.cli.output import HeadOption, JsonOption, QuietOption, print_json, say

if TYPE_CHECKING:
    from keeprate.steps.exchange.importing import ImportOutcome

PANEL = "Exchange"

import_app = typer.Typer(help="Take over what another program has learned or computed.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(import_app, name="import", rich_help_panel=PANEL)
    app.command(rich_help_panel=PANEL)(export)
    app.command(rich_help_panel=PANEL)(clean)


def export(
    dest: Annotated[Path, typer.Option(help="The folder to copy to; made if missing.")], as_json: JsonOption = False
) -> None:
    """Copy all checkpoints (.pt, in headmaster's format) to a folder; other files there are never overwritten."""
    from keeprate.paths import locate_home
    from keeprate.steps.exchange.exporting import export as do_export
    from keeprate.steps.session import open_session

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
    from keeprate.cli.at_work import at_work
    from keeprate.steps.exchange.exporting import clean as do_clean

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
    if outcome.marks:
        say(f"Marks stay in {outcome.marks} places until there is a new head; `keeprate undo --all` takes them back.")


@import_app.command("headmaster")
def import_headmaster(
    workspace: Annotated[
        Path | None, typer.Argument(help="The folder with heads/ and headmaster.db; default: the workspace in force.")
    ] = None,
    checkpoints: Annotated[bool, typer.Option(help="Also take the heads in out/*.pt into use.")] = True,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Take over headmaster's models, cached vectors and checkpoints: nothing is embedded twice. Changes none of it."""
    from keeprate.cli.at_work import at_work
    from keeprate.errors import UsageError
    from keeprate.steps.exchange.importing import import_workspace

    with at_work(quiet=quiet or as_json) as session:
        chosen = workspace or session.home.workspace
        if chosen is None:
            raise UsageError("Say which workspace.", advice="keeprate import headmaster FOLDER")
        outcome = import_workspace(session, chosen, checkpoints=checkpoints)
    if as_json:
        print_json(outcome)
    elif not quiet:
        _tell(outcome)


def _tell(outcome: ImportOutcome) -> None:
    for model in outcome.models:
        say(f"{model.name} ({model.path}): {model.vectors} vectors taken over. {model.note}".rstrip())
    say(f"{outcome.photos} photos of headmaster's cache were found ({outcome.seconds:.1f} s).")
    for count, what in (
        (outcome.turned, "of them have to be turned, which headmaster does not do: they will be embedded anew"),
        (outcome.not_found, "pictures of its cache lie nowhere any more"),
        (outcome.unusable, "entries of its cache are no vectors"),
    ):
        if count:
            say(f"{count} {what}.")
    for head in outcome.heads:
        say(f"{head.checkpoint}: {head.note}")
    say(f"Active is the model {outcome.active}; it is compared with the vectors when it is first loaded.")


@import_app.command("checkpoint")
def import_checkpoint(
    file: Annotated[Path, typer.Argument(help="A .pt file in headmaster's format.")],
    head: Annotated[str | None, typer.Option(help="The head that it is for; default: the file's name.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Take one checkpoint into use as a head; `heads rollback` goes back to the former one."""
    from keeprate.cli.at_work import at_work
    from keeprate.paths import expanded
    from keeprate.steps.exchange.importing import import_checkpoint as do_import
    from keeprate.steps.exchange.workspace_steps import look_first
    from keeprate.steps.heads.scoring import score

    with at_work(quiet=as_json) as session:
        look_first(session)
        outcome = do_import(session, expanded(file).absolute(), head)
        score(session, outcome.head)
    if as_json:
        print_json(outcome)
    else:
        say(f"{outcome.head}: {outcome.note}")
