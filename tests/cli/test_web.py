from __future__ import annotations

import json
import stat
from pathlib import Path

from keeprate.api.token import token
from support.commands import keeprate, run
from support.page import page_served


def test_without_a_daemon() -> None:
    done = run("web")
    assert (done.code, done.out) == (3, "")
    assert "The daemon is not running, and the page is its." in done.err


def test_the_address_with_its_token(home: Path) -> None:
    with page_served() as served:
        url = f"{served.server.url}/?token={token(served.home)}"
        assert keeprate("web") == f"{url}\n"
        assert json.loads(keeprate("web", "--json")) == {"url": url}
        assert stat.S_IMODE(served.home.token_file.stat().st_mode) == 0o600


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
    with page_served():
        done = run("web", "--open", BROWSER=str(browser))
        assert done.code == 0, done.err
        assert (tmp_path / "opened").read_text() == done.out.strip()
