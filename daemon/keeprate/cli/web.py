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
    """The address of the page of the running daemon; it lets one browser in, once, within ten minutes."""
    from keeprate.api.sessions import OPEN_S, PRINTED_S
    from keeprate.cli.running_daemon import needed_daemon
    from keeprate.errors import KeeprateError
    from keeprate.paths import locate_home

    home = locate_home()
    with needed_daemon(home, what="The daemon is not running, and the page is its.") as client:
        url = client.page_url(OPEN_S if open_it else PRINTED_S)
    if url is None:
        raise KeeprateError(
            "The daemon does not serve the page.",
            advice="Set `[api] web = true`; if that is so, `keeprate status` says what is in the way.",
            path=home.config_file,
        )
    shown = url.partition("?")[0] if open_it else url  # what lets the browser in is for nobody else
    if as_json:
        print_json({"url": shown})
    else:
        typer.echo(shown)
    if open_it:
        import webbrowser

        if not webbrowser.open(url):
            raise KeeprateError("No browser could be opened.", advice="Open the address that `keeprate web` prints.")
