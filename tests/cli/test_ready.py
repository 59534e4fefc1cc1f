"""What `support.commands.run` gives is what a process that begins by itself gives: it is a copy of one that waits."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support import ready
from support.commands import COMMAND, Finished, keeprate, run
from support.photos import write_photos


def by_itself(*arguments: str) -> Finished:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    "arguments", [("status",), ("labels", "--help"), ("nonsense",), ("scan", "--quick"), ("list", "--head", "no")]
)
def test_the_same_is_said_and_ends_the_same(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    write_photos(tmp_path / "Photos", range(1))
    keeprate("init", tmp_path / "Photos")
    assert run(*arguments) == by_itself(*arguments)


def test_each_has_its_own_place_and_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command sets in its process is gone with it, and what the test changes is there."""
    (tmp_path / "workspace" / "heads" / "h" / "a").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert run("--workspace", "workspace", "scan").code == 0
    assert (tmp_path / "workspace" / ".keeprate").is_dir()
    assert "no library yet" in run("scan").err
    monkeypatch.setenv("KEEPRATE_WORKSPACE", str(tmp_path / "workspace"))
    assert run("scan").code == 0


def test_one_that_takes_too_long_is_ended_and_the_next_begins() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        ready.run(["status"], os.environ, 0.0)
    assert run("--version").code == 0


def test_a_test_that_is_ended_in_the_middle_leaves_nothing_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    class EndedError(Exception):
        """As pytest's time limit: from a signal, wherever the test is."""

    def ended(_ready: object) -> int:
        raise EndedError

    assert run("--version").code == 0
    with monkeypatch.context() as patch:
        patch.setattr("support.ready._Ready._told", ended)
        with pytest.raises(EndedError):
            run("status")
    assert run("--version") == by_itself("--version")


def test_what_is_read_while_loading_needs_a_process_that_begins_by_itself() -> None:
    assert ready.run(["--version"], os.environ, 60) is not None
    assert ready.run(["--version"], {**os.environ, "TZ": "Asia/Tokyo"}, 60) is None
    assert ready.run(["run"], os.environ, 60) is None
