"""The table of jobs: every job has its line, and nothing is promised that nobody will do."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from keeprate.cli.showing_jobs import show_jobs
from keeprate.service.control import JOB_TITLES
from support.api import idle_jobs


@pytest.mark.parametrize("brief", [True, False])
def test_every_job_has_its_line(capsys: pytest.CaptureFixture[str], brief: bool) -> None:
    show_jobs(idle_jobs(), brief=brief)
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(JOB_TITLES)
    assert all(line.rstrip().endswith("when there is work") for line in lines)


def test_without_a_daemon_nothing_is_done_when_there_is_work(capsys: pytest.CaptureFixture[str]) -> None:
    write = replace(next(one for one in idle_jobs() if one.name == "write"), state="paused")
    show_jobs((*idle_jobs(), write), brief=False, running=False)
    out = capsys.readouterr().out
    assert "when there is work" not in out
    assert out.count("when a daemon runs") == len(JOB_TITLES)
    assert "paused until resumed" in out


@pytest.mark.parametrize("brief", [True, False])
def test_a_job_that_waits_says_when_and_why_in_full(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, brief: bool
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    at = datetime(2199, 3, 4, 18, 40).timestamp()
    waiting = replace(idle_jobs()[0], state="waiting", why="Other programs need the processor.", next_at=at)
    show_jobs([waiting], brief=brief)
    assert " ".join(capsys.readouterr().out.split()).endswith("2199-03-04 18:40: Other programs need the processor.")
    show_jobs([replace(waiting, why="It is tried again at 2199-03-04 18:40.")], brief=brief)
    assert capsys.readouterr().out.count("18:40") == 1
    show_jobs([replace(waiting, next_at=None)], brief=brief)
    assert "2199" not in capsys.readouterr().out
