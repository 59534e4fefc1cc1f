"""The demo as a whole, with a real daemon; and the little that it reckons itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import psutil
import pytest

from keeprate.demo import session
from keeprate.demo.samples import Truth
from keeprate.demo.session import DemoStep, area_under_curve, run_demo
from keeprate.errors import KeeprateError, UsageError
from support.waiting import COMMAND_S, PATIENCE_S, wait_until


@pytest.mark.parametrize(
    ("judged", "expected"),
    [
        ([(0.9, True), (0.1, False)], 1.0),
        ([(0.1, True), (0.9, False)], 0.0),
        ([(0.5, True), (0.5, False)], 0.5),
        ([(0.9, True), (0.5, False), (0.4, True), (0.1, False)], 0.75),
        ([(0.9, True)], 0.5),
        ([], 0.5),
    ],
)
def test_area_under_curve(judged: list[tuple[float, bool]], expected: float) -> None:
    assert area_under_curve(judged) == expected


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="empty folder"):
        run_demo(None, folder=tmp_path, report=lambda step: None)
    assert os.listdir(tmp_path) == ["mine.txt"]


@pytest.mark.slow
def test_a_daemon_that_ends_early_is_reported_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil_config(config: Path) -> None:
        config.write_text("nonsense")

    monkeypatch.setattr(session, "_hurry", spoil_config)
    with pytest.raises(KeeprateError):
        run_demo(None, folder=tmp_path / "demo", report=lambda step: None)
    assert _daemons_of(tmp_path / "demo") == []


@pytest.mark.slow
def test_the_whole_demo(tmp_path: Path) -> None:
    steps: list[DemoStep] = []
    folder = tmp_path / "demo"
    result = run_demo(None, folder=folder, report=steps.append)
    assert result.truth is Truth.DRAWN
    assert result.embedded == result.photos == 120
    assert result.kept + result.deleted + result.unseen == result.photos
    assert result.auc > 0.7
    assert result.marked >= 1
    assert len(result.shown) == result.unseen
    assert list(result.shown) == sorted(result.shown)
    assert all((result.view_folder / name).resolve().is_relative_to(folder) for name in result.shown)
    assert len(steps) >= 5
    assert [step.seconds for step in steps] == sorted(step.seconds for step in steps)
    assert os.listdir(tmp_path) == ["demo"]
    assert _daemons_of(folder) == []


@pytest.mark.slow
def test_it_can_stay_running(tmp_path: Path) -> None:
    result = run_demo(None, folder=tmp_path / "demo", keep_running=True, report=lambda step: None)
    assert result.daemon_pid in [daemon.pid for daemon in _daemons_of(tmp_path / "demo")]
    assert result.daemon_pid is not None
    os.kill(result.daemon_pid, signal.SIGTERM)
    wait_until(lambda: not _daemons_of(tmp_path / "demo"))


@pytest.mark.slow
def test_a_demo_that_is_terminated_leaves_no_daemon(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys; from keeprate.demo.session import run_demo; "
        "run_demo(None, folder=pathlib.Path(sys.argv[1]), report=lambda step: None)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "demo")]) as demo:
        try:
            daemons = partial(_daemons_of, tmp_path / "demo")
            wait_until(lambda: any(_runs(one) for one in daemons()), COMMAND_S, what="the demo has drawn its photos")
            demo.send_signal(signal.SIGTERM)
            assert demo.wait(PATIENCE_S) == 128 + signal.SIGTERM
        finally:
            demo.kill()
    wait_until(lambda: not _daemons_of(tmp_path / "demo"))


def _runs(process: psutil.Process) -> bool:
    try:
        return process.cmdline()[-1:] == ["run"]
    except psutil.Error:  # it has just ended
        return False


def _daemons_of(folder: Path) -> list[psutil.Process]:
    """Processes that still work with the home of the demo in `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            home = process.environ().get("KEEPRATE_HOME", "")
            if home.startswith(str(folder)) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found
