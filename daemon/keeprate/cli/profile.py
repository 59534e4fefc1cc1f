"""`profile`: which marks suit which viewer, and into the config with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from keeprate.cli.output import JsonOption, print_json, print_table, printable, say
from keeprate.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from keeprate.config.edit import MarksEdit
    from keeprate.config.models import Config, LibraryConfig
    from keeprate.paths import Home
    from keeprate.steps.marks.profiles import Marks, Profile

KEPT = frozenset({"order.view_folder"})
"""Where the user has put something is not for a profile to change."""


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Set up")(profile)


def profile_named(viewer: str, *, embed: bool) -> Profile:
    """The profile of a viewer.

    Raises:
        UsageError: there is none, or nothing can be embedded for it.
    """
    from keeprate.steps.marks.profiles import PROFILES

    found = PROFILES.get(viewer)
    if found is None:
        raise UsageError(f"There is no profile for the viewer {viewer!r}.", advice=f"Known are: {', '.join(PROFILES)}.")
    if embed and not found.inside:
        able = ", ".join(name for name, one in PROFILES.items() if one.inside)
        raise UsageError(
            f"Nothing that {found.title} shows can be embedded into photos.", advice=f"--embed helps with: {able}."
        )
    return found


def profile(
    name: Annotated[
        str | None, typer.Argument(help="The viewer; without one, all are listed.", show_default=False)
    ] = None,
    library: Annotated[
        str | None, typer.Option("--library", "-l", help="Write it into the config of this library.")
    ] = None,
    embed: Annotated[
        bool, typer.Option("--embed", help="Stars into JPEGs, for viewers that read them only there.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --library: say what would change.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Which marks suit a viewer; with --library, put them into the config. Comments and other settings there stay."""
    if name is None:
        if library is not None or embed:
            raise UsageError("Which viewer?", advice="Name it: `keeprate profile geeqie --library NAME`.")
        _list(as_json)
        return
    found = profile_named(name, embed=embed)
    from keeprate.config.load import load_config
    from keeprate.paths import locate_home

    home = locate_home()
    if library is None:
        config = load_config(home.config_file) if home.workspace is None else None
        marks = found.marks(_view_folder(home, config), embed=embed)
        if as_json:
            print_json(_facts(found, embed) | {"marks": marks})
        else:
            say(_as_toml(found, marks, embed))
        return
    if home.workspace is not None:
        raise UsageError("A workspace has no libraries and writes no marks.", path=home.workspace)
    _write(home, found, library, embed=embed, dry_run=dry_run, as_json=as_json)


def _write(home: Home, profile: Profile, name: str, *, embed: bool, dry_run: bool, as_json: bool) -> None:
    from keeprate.cli.running_daemon import tell_of_config
    from keeprate.config.edit import set_marks
    from keeprate.config.load import load_config
    from keeprate.steps.marks.managers import check_marks

    library = load_config(home.config_file).library_named(name)
    if library is None:
        known = ", ".join(one.name for one in load_config(home.config_file).library)
        raise UsageError(
            f"There is no library called {name!r}.",
            path=home.config_file,
            advice=f"Known are: {known}." if known else "`keeprate init FOLDER` makes the first.",
        )
    marks = profile.marks(_view_beside(home, library), embed=embed)
    check_marks(set_marks(home.config_file, name, profile.viewer, marks, keep=KEPT, dry_run=True).config)
    edit = set_marks(home.config_file, name, profile.viewer, marks, keep=KEPT, dry_run=dry_run)
    if not dry_run:
        tell_of_config(home)
    if as_json:
        print_json(
            _facts(profile, embed)
            | {
                "library": name,
                "written": not dry_run,
                "marks": next(one.marks for one in edit.config.library if one.name == name),
                "changed": edit.changed,
                "kept": edit.kept,
            }
        )
        return
    _tell(edit, profile, name, dry_run=dry_run)


def _tell(edit: MarksEdit, profile: Profile, library: str, *, dry_run: bool) -> None:
    say(f"{library}: {'would be set up' if dry_run else 'set up'} for {profile.title}")
    for line in edit.changed:
        say(f"  {line}")
    if not edit.changed:
        say("  nothing to change: its marks say this already")
    for line in edit.differing:
        say(f"  {line}, as you have set it")
    for kept in edit.kept:
        say(
            f"  [library.marks.{kept}] stays as you have set it; remove it yourself if it shall not be written any more"
        )
    say(f"\nIn {profile.title}: {profile.in_viewer}")
    if not dry_run:
        say("`keeprate write --dry-run` shows what will be written, `keeprate write` writes it.")


def _list(as_json: bool) -> None:
    from keeprate.steps.marks.profiles import PROFILES

    if as_json:
        print_json([_facts(one, embed=False) | {"embeds": bool(one.inside)} for one in PROFILES.values()])
        return
    from rich.table import Table

    table = Table("profile", "for", "writes", "--embed", "tried", box=None, pad_edge=False)
    for one in PROFILES.values():
        table.add_row(one.viewer, one.title, one.writes(), "stars in JPEGs" if one.inside else "", one.tried or "no")
    print_table(table)
    say("\n`keeprate profile NAME` shows the settings, `keeprate profile NAME --library L` writes them.")


def _as_toml(profile: Profile, marks: Marks, embed: bool) -> str:
    """The tables of the config, with comments that say why."""
    import tomlkit

    tried = f"tried with version {profile.tried}" if profile.tried else "by its documentation, not tried"
    comments = [
        f"{profile.title}: {profile.writes(embed=embed)} ({tried}).",
        profile.why,
        f"In the viewer: {profile.in_viewer}",
    ]
    tables = [f"[library.marks.{name}]\n{tomlkit.dumps(settings)}".rstrip() for name, settings in marks.items()]
    return printable("\n".join([*(f"# {comment}" for comment in comments), "\n\n".join(tables)]))


def _facts(profile: Profile, embed: bool) -> dict[str, object]:
    return {
        "viewer": profile.viewer,
        "title": profile.title,
        "writes": profile.writes(embed=embed),
        "why": profile.why,
        "in_viewer": profile.in_viewer,
        "tried": profile.tried,
        "embed": embed,
    }


def _view_folder(home: Home, config: Config | None) -> Path:
    """The view folder of the only library, or one that may stand for it."""
    from pathlib import Path

    if config is not None and len(config.library) == 1:
        return _view_beside(home, config.library[0])
    return Path.home() / "Pictures by score"


def _view_beside(home: Home, library: LibraryConfig) -> Path:
    from keeprate.steps.marks.profiles import view_folder_beside

    return view_folder_beside(library.root, home.views_dir / library.name)
