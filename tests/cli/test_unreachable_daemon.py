"""A daemon that runs and cannot be reached is no absent one: commands say so, and what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeprate.paths import locate_home
from keeprate.steps.lock import hold_lock
from support.commands import answer, keeprate, run
from support.photos import write_photos

SAID = f"The daemon (process {os.getpid()}) runs and cannot be reached"
RESTART = f"restart it: `keeprate service restart`, or `kill {os.getpid()}` and `keeprate run`."


@pytest.fixture
def library(tmp_path: Path) -> Path:
    root = tmp_path / "Photos"
    write_photos(root, range(3))
    keeprate("init", root)
    return root


@pytest.fixture
def _unreachable(library: Path) -> Iterator[None]:
    """It holds its lock, and its socket is gone."""
    with hold_lock(locate_home().daemon_lock_file):
        yield


@pytest.mark.usefixtures("_unreachable")
def test_a_pause_is_noted_for_it() -> None:
    for command in ("pause", "resume"):
        told = keeprate(command)
        assert SAID in told
        assert RESTART in told
        assert "No daemon runs" not in told
    keeprate("pause", "write")
    assert [one["name"] for one in answer("jobs", "list") if one["state"] == "paused"] == ["write"]


@pytest.mark.usefixtures("_unreachable")
@pytest.mark.parametrize("command", [["web"], ["retrain"], ["jobs", "run", "backup"], ["config", "reload"]])
def test_what_needs_it_says_so(command: list[str]) -> None:
    done = run(*command)
    assert (done.code, done.out) == (3, "")
    assert f"{SAID}." in done.err
    assert RESTART in done.err
    assert "not running" not in done.err


@pytest.mark.usefixtures("_unreachable")
def test_how_things_stand(tmp_path: Path) -> None:
    assert f"running (process {os.getpid()}), and cannot be reached" in keeprate("status")
    assert "is not running" not in keeprate("jobs", "list")
    (tmp_path / "More").mkdir()
    assert SAID in keeprate("init", tmp_path / "More"), "it does not know of the folder yet"


def test_what_starts_one_where_none_runs(library: Path) -> None:
    for command in (["web"], ["logs"]):
        done = run(*command)
        assert "cannot be reached" not in done.err
        assert "Start it: `keeprate run`." in done.err, "no service manager is here: it is not advised"
        assert "keeprate service" not in done.err
