"""The daemon is found whatever the environment says, and its socket comes back where somebody has taken it away."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.api.client import DaemonClient
from keeprate.api.server import ApiServer
from keeprate.config.models import ApiConfig
from keeprate.paths import Home, locate_home
from keeprate.service.control import Control
from keeprate.service.door import Door
from keeprate.steps.lock import hold_lock
from support.api import NotingControl


@pytest.fixture
def home(home: Path, tmp_path: Path) -> Home:
    return replace(locate_home(), runtime_dir=tmp_path / "user" / "keeprate")


@pytest.fixture
def door(home: Home) -> Iterator[Door]:
    """That of a daemon that runs."""
    with hold_lock(home.daemon_lock_file):
        made = Door(home, ApiServer)
        made.open(NotingControl())
        yield made
        made.close()


def answers(home: Home) -> bool:
    client = DaemonClient.connect(home)
    if client is not None:
        client.close()
    return client is not None


def test_it_is_found_from_another_environment(home: Home, door: Door, tmp_path: Path) -> None:
    other = replace(home, runtime_dir=tmp_path / "another")
    assert answers(other)
    door.close()
    assert not answers(other)
    assert not answers(home)


def test_a_socket_that_was_removed_is_made_again(home: Home, door: Door) -> None:
    shutil.rmtree(home.runtime_dir)
    assert not answers(home)
    door.check(NotingControl())
    assert answers(home)
    assert home.socket_file.exists()


def test_it_is_another_where_the_settings_say_so(home: Home) -> None:
    control = NotingControl()
    made: list[ApiServer] = []

    def serve(where: Home, asked: Control) -> ApiServer:
        made.append(ApiServer(where, asked))
        return made[-1]

    def has_page() -> bool:
        return made[-1].url is not None

    door = Door(home, serve)
    with hold_lock(home.daemon_lock_file):
        door.open(control)
        door.check(control)
        assert has_page()
        assert len(made) == 1, "nothing has changed"
        control.config = control.config.model_copy(update={"api": ApiConfig(web=False)})
        door.check(control)
        assert answers(home)
        assert not has_page()
        control.config = control.config.model_copy(update={"api": ApiConfig(metrics=True)})
        door.check(control)
        door.check(control)
        assert answers(home)
        assert has_page()
        assert len(made) == 3
        door.close()


def test_where_its_place_is_no_more_it_gets_one_of_ours(
    home: Home, door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(home.runtime_dir.parent)
    home.runtime_dir.parent.write_text("nobody can make a folder here")
    door.check(NotingControl())
    assert answers(home)
    assert not home.socket_file.exists()
    assert "made again" in caplog.text
    caplog.clear()
    door.check(NotingControl())
    assert caplog.text == "", "it is where it shall be"


def test_one_that_cannot_be_made_is_told_once_and_tried_again(
    home: Home, door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_way = [home.runtime_dir.parent, home.state_dir / "run"]
    for folder in in_the_way:
        shutil.rmtree(folder, ignore_errors=True)
        folder.write_text("nobody can make a folder here")
    for _ in range(3):
        door.check(NotingControl())
    assert caplog.text.count("cannot be made again") == 1
    in_the_way[0].unlink()
    door.check(NotingControl())
    assert answers(home)
    assert home.socket_file.exists()


def test_nobody_serves_where_nobody_shall(home: Home) -> None:
    door = Door(home, None)
    door.open(NotingControl())
    door.check(NotingControl())
    door.close()
    assert not home.socket_file.exists()
