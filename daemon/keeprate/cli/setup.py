"""`init` and `config`: what to watch, and the file that says so."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from keeprate.cli.output import JsonOption, print_json, say
from keeprate.cli.profile import profile_named
from keeprate.errors import UsageError

config_app = typer.Typer(help="Look at the settings.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Set up")(init)
    app.add_typer(config_app, name="config", rich_help_panel="Set up")


def init(
    folder: Annotated[
        Path, typer.Argument(help="The folder with your photos; everything below it is watched.", readable=False)
    ],
    name: Annotated[str | None, typer.Option(help="What to call the library; default: the folder's name.")] = None,
    viewer: Annotated[
        str,
        typer.Option(
            help="The viewer you look with: folder, geeqie, digikam, darktable, gthumb, shotwell, gwenview, dolphin, "
            "nomacs, xnview, lightroom, explorer, finder. [dim]folder[/dim] makes a view folder of numbered links, "
            "which every viewer sorts by name. `keeprate profile` tells what the others get."
        ),
    ] = "folder",
    embed: Annotated[
        bool, typer.Option("--embed", help="Write stars into JPEGs, for viewers that read them only there.")
    ] = False,
    keep: Annotated[str, typer.Option(help="Photos moved into this folder are keepers.")] = "keep",
    delete: Annotated[str, typer.Option(help="Photos moved into this folder (or the trash) are not.")] = "delete",
    view_folder: Annotated[Path | None, typer.Option(help="Where the view folder shall be.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Begin to watch a folder: writes the config, makes the keep and delete folders, says what happens next."""
    from keeprate.cli.running_daemon import tell_of_config, unreachable
    from keeprate.config.edit import add_library
    from keeprate.config.load import load_config
    from keeprate.paths import expanded, locate_home
    from keeprate.steps.marks.profiles import view_folder_beside

    home = locate_home()
    if home.workspace is not None:
        raise UsageError(
            "A workspace needs no init: its folders say everything.",
            path=home.workspace,
            advice="Make heads/HEAD/BUCKET/ for each bucket, put pictures in, and run `keeprate train`.",
        )
    root = expanded(folder).absolute()
    _check_folder(root)
    profile = profile_named(viewer, embed=embed)
    called = name or re.sub(r"[^\w .-]", "-", root.name).lstrip(" .-") or "photos"
    view = expanded(view_folder or view_folder_beside(root, home.views_dir / called)).absolute()
    library: dict[str, Any] = {
        "name": called,
        "root": str(root),
        "viewer": viewer,
        "heads": {"keep": {"buckets": {"keep": keep, "delete": [delete, "trash:"]}}},
        "marks": profile.marks(view, embed=embed),
    }
    present = load_config(home.config_file)
    for other in present.library:
        if root != other.root and (root.is_relative_to(other.root) or other.root.is_relative_to(root)):
            raise UsageError(
                f"This folder and the library {other.name!r} ({other.root}) lie one inside the other.",
                path=root,
                advice="A photo belongs to one library: choose a folder beside it, or change the root in the config.",
            )
    if present.library_named(called) is not None:
        raise UsageError(
            f"There is a library called {called!r} already.", path=home.config_file, advice="Name this one with --name."
        )
    config = add_library(home.config_file, library)
    from keeprate.steps.marks.managers import check_marks

    check_marks(config)
    for bucket in (keep, delete):
        if not bucket.startswith("**/"):
            _make_folder(root / bucket)
    watched = tell_of_config(home)
    if as_json:
        print_json({"name": called, "root": root, "config": home.config_file, "view_folder": view})
        return
    say(f"{called}: watching {root}\n")
    say(f"  Keepers go into    {root / keep}")
    say(f"  the rest into      {root / delete}  (or the trash)")
    say(f"  and the order into {view}  once there is something to learn from.\n")
    if profile.viewer != "folder":
        say(f"In {profile.title}: {profile.in_viewer}\n")
    if watched:
        say("The running daemon watches it from now on.")
    else:
        say(
            unreachable(home)
            or "Next: `keeprate service install` does everything from now on by itself; `keeprate sync` does it once."
        )
    say(f"Move at least two photos, better twenty, into each folder. Settings: {home.config_file}")


def _check_folder(root: Path) -> None:
    if not root.is_dir():
        raise UsageError("There is no such folder.", path=root, advice="Name the folder that holds your photos.")
    if not os.access(root, os.R_OK | os.X_OK):
        raise UsageError("The folder cannot be read.", path=root, advice="Look at its permissions.")


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"The folder cannot be made: {error.strerror}.",
            path=path,
            advice="Make it yourself, or choose another.",
        ) from error


@config_app.command("check")
def check(as_json: JsonOption = False) -> None:
    """Check the settings; says what is wrong, or that all is well."""
    from keeprate.config.workspace import config_of
    from keeprate.paths import locate_home
    from keeprate.steps.lock import lock_holder
    from keeprate.steps.marks.managers import check_marks

    home = locate_home()
    config = config_of(home)
    check_marks(config)
    if as_json:
        offline = [library.name for library in config.library if not library.root.is_dir()]
        print_json({
            "path": str(home.config_file), "exists": home.config_file.exists(), "heads": list(config.heads()),
            "libraries": [library.name for library in config.library], "offline": offline,
        })  # fmt: skip
        return
    if home.workspace is not None:
        say(f"The workspace {home.workspace} is fine: {len(config.heads())} heads.")
        return
    if not home.config_file.exists():
        say(f"There is no config file yet ({home.config_file}); `keeprate init FOLDER` writes it.")
        return
    count = len(config.library)
    say(f"{home.config_file} is fine: {count} {'library' if count == 1 else 'libraries'}.")
    for library in config.library:
        if not library.root.is_dir():
            say(f"  {library.name}: {library.root} is not there now; it counts as offline.")
    if lock_holder(home.daemon_lock_file) is not None:
        say("`keeprate config reload` has the running daemon read it.")


@config_app.command("reload")
def reload() -> None:
    """Have the running daemon read the settings again, after checking them."""
    from keeprate.cli.running_daemon import needed_daemon
    from keeprate.config.workspace import config_of
    from keeprate.paths import locate_home
    from keeprate.steps.marks.managers import check_marks

    home = locate_home()
    check_marks(config_of(home))
    with needed_daemon(home, instead="The settings count when it starts.") as client:
        client.reload()
    say("The daemon reads the settings again.")


@config_app.command("show")
def show(as_json: JsonOption = False) -> None:
    """Print the settings as they are in force, defaults included."""
    import tomlkit

    from keeprate.config.workspace import config_of
    from keeprate.paths import locate_home

    values = config_of(locate_home()).model_dump(mode="json", exclude_none=True)
    if as_json:
        print_json(values)
    else:
        say(tomlkit.dumps(values))


@config_app.command("path")
def path(as_json: JsonOption = False) -> None:
    """Print where the config file is."""
    from keeprate.paths import locate_home

    file = str(locate_home().config_file)
    if as_json:
        print_json({"path": file})
    else:
        say(file)
