"""`embeddings`: the vectors, for use elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keeprate.cli.output import HeadOption, JsonOption, print_json, say

embeddings_app = typer.Typer(help="What the model saw in your photos, as vectors.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(embeddings_app, name="embeddings", rich_help_panel="Look")


@embeddings_app.command()
def export(
    file: Annotated[Path, typer.Argument(help="The Parquet file to make; an existing one is left alone.")],
    head: HeadOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write every photo with its vector, labels and scores as Parquet, for notebooks (needs keeprate[parquet])."""
    from keeprate.paths import locate_home
    from keeprate.steps.photos.vector_files import export_vectors
    from keeprate.steps.session import open_session

    with open_session(locate_home()) as session:
        session.libraries()  # says that there is none
        outcome = export_vectors(session, file, head)
    if as_json:
        print_json(outcome)
        return
    say(f"{outcome.photos} photos with {outcome.dimension} numbers each, by {outcome.model}, in {outcome.file}.")
