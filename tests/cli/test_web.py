from __future__ import annotations

import json
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from keeprate.api.token import token
from support.commands import keeprate, run
from support.page import page_served
from support.waiting import PATIENCE_S


def test_without_a_daemon() -> None:
    done = run("web")
    assert (done.code, done.out) == (3, "")
    assert "The daemon is not running, and the page is its." in done.err


def status_of(url: str) -> int:
    where = urlsplit(url)
    connection = HTTPConnection(where.netloc, timeout=PATIENCE_S)
    connection.request("GET", f"{where.path}?{where.query}")
    with closing(connection):
        return connection.getresponse().status


def test_the_address_lets_one_in(home: Path) -> None:
    with page_served() as served:
        printed = keeprate("web").strip()
        assert printed.startswith(f"{served.server.url}/?code=")
        assert token(served.home) not in printed
        assert json.loads(keeprate("web", "--json"))["url"].startswith(f"{served.server.url}/?code=")
        assert [status_of(printed), status_of(printed)] == [303, 401]


def test_a_page_that_is_switched_off(home: Path) -> None:
    config = home / "keeprate" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[api]\nweb = false\n")
    with page_served():
        done = run("web")
    assert done.code == 1
    assert "The daemon does not serve the page." in done.err


def test_open_starts_the_browser(home: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    with page_served() as served:
        done = run("web", "--open", BROWSER=str(browser))
        assert (done.code, done.out) == (0, f"{served.server.url}/\n"), done.err
        opened = (tmp_path / "opened").read_text()
        assert opened.startswith(f"{served.server.url}/?code=")
        assert status_of(opened) == 303
