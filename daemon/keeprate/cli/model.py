"""`model`: the registry of vision models."""

from __future__ import annotations

from typing import Annotated

import typer

from keeprate.cli.output import JsonOption, print_json, print_table, printable, say

model_app = typer.Typer(help="The vision models that turn pictures into vectors.", no_args_is_help=True)


NameArgument = Annotated[str | None, typer.Argument(help="A registered model.")]
NameOption = Annotated[str | None, typer.Option("--name", help="The same, as headmaster has it.")]


def register(app: typer.Typer) -> None:
    app.add_typer(model_app, name="model", rich_help_panel="Set up")
    for name, command in (
        ("model-add", add), ("model-list", list_models), ("model-activate", activate), ("model-remove", remove),
    ):  # fmt: skip
        app.command(name, hidden=True)(command)  # headmaster's spelling


def _named(argument: str | None, option: str | None) -> str:
    """The name, given in either way."""
    from keeprate.errors import UsageError

    name = argument or option
    if name is None or (argument and option and argument != option):
        raise UsageError("Name one model.", advice="`keeprate model list` shows those that are registered.")
    return name


@model_app.command("list")
def list_models(
    known: Annotated[bool, typer.Option("--known", help="Models that keeprate knows by name.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The registered models; the active one is marked."""
    from dataclasses import asdict

    from rich.table import Column, Table

    from keeprate.catalog import models, open_catalog
    from keeprate.embedding.file_names import WARNING, encodes_names
    from keeprate.embedding.known_models import KNOWN_MODELS
    from keeprate.paths import locate_home

    if known:
        if as_json:
            print_json([asdict(one) | {"cache_mb_per_1000": one.cache_mb_per_1000} for one in KNOWN_MODELS])
            return
        place = Column("Hugging Face id", overflow="fold")  # whoever copies it needs all of it
        table = Table("Name", place, "Dim", "Download", "Cache/1k photos", "Remark", box=None, header_style="bold")
        for one in KNOWN_MODELS:
            cache = f"{one.cache_mb_per_1000:.1f} MB"
            table.add_row(one.name, one.path, str(one.dimension), f"{one.download_mb} MB", cache, one.remark)
        print_table(table)
        return
    with open_catalog(locate_home().catalog_file) as catalog:
        found = models.all_models(catalog)
    if as_json:
        print_json(found)
        return
    table = Table("", "Name", "Path", "Dimension", "Photos", box=None, header_style="bold")
    for model in found:
        table.add_row(
            "*" if model.active else "",
            printable(model.name),
            printable(model.path),
            str(model.embed_dim or "–"),
            str(model.cached),
        )
    print_table(table)
    if any(encodes_names(model.path) for model in found):
        say(f"file-names: {WARNING}.")


@model_app.command()
def add(
    name: Annotated[
        str | None, typer.Argument(help="What to call it; a name of `model list --known` needs nothing else.")
    ] = None,
    name_option: NameOption = None,
    path: Annotated[str | None, typer.Option(help="Hugging Face id, or a folder.")] = None,
    dim: Annotated[
        int | None, typer.Option(min=1, help="Length of its vectors; found out by itself if left out.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="A fixed revision of a Hugging Face model.")] = None,
    file_names: Annotated[
        bool, typer.Option("--file-names", help="Encode file names too (CLIP, SigLIP): a rename changes the score.")
    ] = False,
) -> None:
    """Register a model: any image model of Hugging Face, by its id or from a folder."""
    name = _named(name, name_option)
    import os

    from keeprate.catalog import models, open_catalog
    from keeprate.embedding.file_names import PREFIX, WARNING
    from keeprate.embedding.known_models import KNOWN_MODELS
    from keeprate.errors import UsageError
    from keeprate.paths import expanded, locate_home

    if path is None:
        entry = next((one for one in KNOWN_MODELS if one.name == name), None)
        if entry is None:
            raise UsageError(
                f"{name!r} is not a model that keeprate knows by name.",
                advice="Say where it is with --path, or look at `keeprate model list --known`.",
            )
        path, dim = entry.path, dim or (None if file_names else entry.dimension)
    local = expanded(path)
    looks_local = local.is_absolute() or path.startswith((".", "~")) or local.is_dir()
    if looks_local:
        if not local.is_dir():
            raise UsageError("There is no such folder.", path=local, advice="Name the folder with its config.json.")
        path = os.path.normpath(local.absolute())
    with open_catalog(locate_home().catalog_file) as catalog:
        models.add(catalog, name, f"{PREFIX if file_names else ''}{path}", embed_dim=dim, revision=revision)
    if file_names:
        say(f"Note: {WARNING}.")
    say(f"{name} is registered. `keeprate model activate {name}` puts it into use.")


@model_app.command()
def activate(name: NameArgument = None, name_option: NameOption = None) -> None:
    """Use this model from now on; vectors of the others stay, so switching back costs nothing."""
    name = _named(name, name_option)
    from keeprate.catalog import models, open_catalog
    from keeprate.cli.running_daemon import tell_of_catalog
    from keeprate.embedding.file_names import WARNING, encodes_names
    from keeprate.paths import locate_home

    home = locate_home()
    with open_catalog(home.catalog_file) as catalog:
        model = models.activate(catalog, name)
    rest = "The running daemon does the rest." if tell_of_catalog(home) else "`keeprate sync` does the rest."
    if encodes_names(model.path):
        say(f"Note: {WARNING}.")
    say(f"{name} is active; {model.cached} photos have its vector already. {rest}")


@model_app.command()
def remove(name: NameArgument = None, name_option: NameOption = None) -> None:
    """Forget a model and all vectors by it."""
    name = _named(name, name_option)
    from keeprate.catalog import models, open_catalog
    from keeprate.cli.running_daemon import tell_of_catalog
    from keeprate.paths import locate_home

    home = locate_home()
    with open_catalog(home.catalog_file) as catalog:
        model = models.remove(catalog, name)
        now = models.active(catalog)
    tell_of_catalog(home)
    say(f"{name} is removed, with {model.cached} vectors. Active is {now.name}.")
