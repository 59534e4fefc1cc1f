"""`web`: where the page is."""

from __future__ import annotations

from typing import Annotated

import typer

from keeprate.cli.output import JsonOption, print_json


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Look")(web)


def web(
    open_it: Annotated[bool, typer.Option("--open", help="Open it in your browser.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The address of the page of the running daemon, with the token that it asks for: do not pass it on."""
    from keeprate.api.client import DaemonClient
    from keeprate.errors import DaemonNotRunningError, KeeprateError
    from keeprate.paths import locate_home

    home = locate_home()
    client = DaemonClient.connect(home)
    if client is None:
        raise DaemonNotRunningError(
            "The daemon is not running, and the page is its.",
            advice="Start it: `keeprate service start`, or `keeprate run`.",
        )
    with client:
        url = client.page_url()
    if url is None:
        raise KeeprateError(
            "The daemon does not serve the page.",
            advice="Set `[api] web = true`; if that is so, `keeprate status` says what is in the way.",
            path=home.config_file,
        )
    if as_json:
        print_json({"url": url})
    else:
        typer.echo(url)
    if open_it:
        import webbrowser

        if not webbrowser.open(url):
            raise KeeprateError("No browser could be opened.", advice="Open the address above in one.")
