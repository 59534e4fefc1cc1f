"""`heads`: what was learned, when, and which version is in use."""

from __future__ import annotations

from typing import Annotated

import typer

from keeprate.cli.output import HeadOption, JsonOption, print_json, print_table, say

heads_app = typer.Typer(help="What was learned: versions, history, going back.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(heads_app, name="heads", rich_help_panel="Look")


@heads_app.command("list")
def list_heads(as_json: JsonOption = False) -> None:
    """The heads, their labels and the version in use."""
    from rich.table import Table

    from keeprate.paths import locate_home
    from keeprate.service.session import open_session
    from keeprate.service.status import status

    with open_session(locate_home()) as session:
        found = status(session).heads
    if as_json:
        print_json(list(found))
        return
    table = Table("Head", "Labels", "Version", "Trained", "Model", box=None, header_style="bold")
    for head in found:
        counts = ", ".join(f"{bucket} {count}" for bucket, count in head.labels.items())
        table.add_row(head.name, counts, str(head.version or "–"), head.trained_at or "–", head.model or "–")
    print_table(table)


@heads_app.command()
def history(head: HeadOption = None, as_json: JsonOption = False) -> None:
    """Every training: what it was measured at, and why it was taken into use or not."""
    from keeprate.catalog import heads
    from keeprate.paths import locate_home
    from keeprate.service.session import open_session
    from keeprate.service.status import iso

    with open_session(locate_home()) as session:
        versions = [one for name in session.heads(head) for one in heads.history(session.catalog, name)]
    if as_json:
        print_json(versions)
        return
    for one in versions:
        counts = ", ".join(f"{bucket} {count}" for bucket, count in one.label_counts.items())
        say(f"{one.head} {one.version}{' (in use)' if one.in_use else ''}, {iso(one.trained_at)}, {counts}")
        say(f"  {one.reason}")
    if not versions:
        say("Nothing has been trained yet.")


@heads_app.command()
def rollback(
    head: Annotated[str, typer.Option(help="The head.")],
    version: Annotated[int | None, typer.Option(help="Which version; default: the one used before.")] = None,
) -> None:
    """Go back to an earlier version of a head; photos are scored and marked by it from now on."""
    from keeprate.catalog import heads
    from keeprate.cli.steps import at_work
    from keeprate.errors import UsageError
    from keeprate.service.scoring import score

    with at_work(quiet=False) as session:
        session.heads(head)
        if version is None:
            current = heads.in_use(session.catalog, head)
            earlier = [
                one.version
                for one in heads.history(session.catalog, head)
                if one.promoted and current is not None and one.version < current.version
            ]
            if not earlier:
                raise UsageError(f"The head {head!r} has no earlier version to go back to.")
            version = earlier[0]
        chosen = heads.use(session.catalog, head, version)
        scored = score(session, head).scored
    say(f"{head} is at version {chosen.version} again; {scored} scores brought up to date.")
