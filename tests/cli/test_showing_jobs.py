"""The table of jobs: every job has its line, and nothing is promised that nobody will do."""

from __future__ import annotations

from dataclasses import replace

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
