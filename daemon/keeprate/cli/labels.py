"""`labels`: what you said about your photos."""

from __future__ import annotations

import typer

from keeprate.cli.output import HeadOption, JsonOption, print_json, printable

labels_app = typer.Typer(help="What you said about your photos, by moving them.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(labels_app, name="labels", rich_help_panel="Look")


@labels_app.command("list")
def list_labels(head: HeadOption = None, as_json: JsonOption = False) -> None:
    """Every label that counts, also of photos that are deleted since."""
    from keeprate.catalog import labels
    from keeprate.paths import locate_home
    from keeprate.service.session import open_session
    from keeprate.service.status import iso

    with open_session(locate_home()) as session:
        found = [label for name in session.heads(head) for label in labels.current(session.catalog, name).values()]
    if as_json:
        print_json(found)
        return
    for label in found:
        typer.echo(
            printable(f"{label.bucket:<10} {label.source:<7} {iso(label.at)}  {label.path or label.content_key}")
        )
    if not found:
        typer.echo("No labels yet: move photos into a bucket's folder.", err=True)
