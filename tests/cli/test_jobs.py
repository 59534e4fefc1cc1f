"""`pause`, `resume`, `retrain` and `jobs`, with a daemon and without."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.service.control import JOB_TITLES
from support.api import serving
from support.commands import answer, keeprate, run, started
from support.photos import write_photos
from support.waiting import PATIENCE_S, wait_until


@pytest.fixture(autouse=True)
def library(tmp_path: Path) -> Path:
    root = tmp_path / "Photos"
    write_photos(root, range(3))
    keeprate("init", root)
    return root


def paused() -> dict[str, float | None]:
    return {one["name"]: one["paused_until"] for one in answer("jobs", "list") if one["state"] == "paused"}


def test_a_pause_needs_no_daemon() -> None:
    began = time.time()
    told = keeprate("pause")
    assert told == "All work is paused until `keeprate resume`. No daemon runs now; it is noted for when one does.\n"
    keeprate("pause", "embed", "--for", "2h")
    found = paused()
    assert found.keys() == set(JOB_TITLES), "everything rests"
    assert found["write"] is None
    assert found["embed"] is None, "with everything, and so for longer"
    told = keeprate("resume")
    assert told.startswith("All other work goes on. Embed stays paused: `keeprate resume embed`. No daemon runs now")
    assert paused().keys() == {"embed"}
    until = paused()["embed"]
    assert until is not None
    assert began + 7200 <= until <= time.time() + 7200
    keeprate("resume", "embed")
    assert paused() == {}
    assert keeprate("resume").startswith("Nothing is paused any more.")


def test_with_a_daemon_it_is_told() -> None:
    began = time.time()
    with serving() as there:
        assert keeprate("pause") == "All work is paused until `keeprate resume`.\n"
        keeprate("pause", "write", "--for", "90s")
        keeprate("resume", "write")
        keeprate("resume")
        assert keeprate("jobs", "run", "backup").startswith("Back up the catalog: asked for.")
        assert keeprate("retrain").startswith("Learn from new labels: asked for.")
        asked = list(there.control.asked)
    assert asked[0] == ("pause", None, None)
    assert asked[1][:2] == ("pause", "write")
    until = asked[1][2]
    assert isinstance(until, float)
    assert began + 90 <= until <= time.time() + 90
    assert asked[2:4] == [("resume", "write"), ("resume", None)]
    assert [one[:2] for one in asked[4:]] == [("run_job", "backup"), ("run_job", "retrain")]


def test_jobs_alone_is_the_list() -> None:
    assert keeprate("jobs") == keeprate("jobs", "list")
    assert [one["name"] for one in answer("jobs")] == list(JOB_TITLES)


def test_what_needs_a_daemon_says_so() -> None:
    for arguments, advice in ((["retrain"], "`keeprate train`"), (["jobs", "run", "backup"], "`keeprate sync`")):
        done = run(*arguments)
        assert (done.code, done.out) == (3, "")
        assert "The daemon is not running." in done.err
        assert advice in done.err


@pytest.mark.parametrize(
    ("arguments", "saying"),
    [
        (["pause", "dancing"], "There is no job called 'dancing'."),
        (["resume", "dancing"], "There is no job called 'dancing'."),
        (["jobs", "run", "dancing"], "There is no job called 'dancing'."),
        (["pause", "--for", "soon"], "'soon' is no period"),
        (["pause", "--for", "0s"], "'0s' is no period"),
        (["jobs", "--json", "list"], "--json goes behind the command."),
        (["logs", "--since", "soon"], "'soon' is no time."),
    ],
)
def test_usage(arguments: list[str], saying: str) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert saying in done.err


def test_waiting_for_a_job_ends_with_what_came_of_it() -> None:
    with serving() as there:
        events = there.control.events
        events.tell("job.started", "of long ago", job="retrain")
        events.tell("job.finished", "of long ago", job="retrain")
        for name, code in (("job.finished", 0), ("job.failed", 1)):
            there.control.asked.clear()
            with started("retrain", "--wait") as waiting:
                wait_until(lambda: bool(there.control.asked))
                events.tell("job.finished", "the one before", job="retrain")
                events.tell("job.started", "now", job="retrain")
                events.tell("job.progress", "half", level=0, job="retrain", done=1, total=2)
                events.tell("job.finished", "another job", job="embed")
                events.tell("job.finished", "it made way", job="retrain", cut=True)
                events.tell("job.started", "again", job="retrain")
                events.tell(name, "keep: it is better.", job="retrain")
                assert waiting.communicate(timeout=PATIENCE_S)[0] == "keep: it is better.\n"
                assert waiting.returncode == code


def test_a_daemon_that_ends_meanwhile_is_noticed() -> None:
    with contextlib.ExitStack() as stack:
        there = stack.enter_context(serving())
        waiting = stack.enter_context(started("retrain", "--wait"))
        wait_until(lambda: bool(there.control.asked))
        there.server.stop()
        assert "The daemon does not answer" in waiting.communicate(timeout=PATIENCE_S)[1]
        assert waiting.returncode == 3


def test_status_comes_from_the_daemon_and_is_the_same() -> None:
    keeprate("scan")
    alone = answer("status")
    with serving() as there:
        there.control.said = replace(there.control.said, sentence="Idle: 3 photos.", attention=("Mount the disk.",))
        beside = answer("status")
        shown = keeprate("status")
    assert beside["live"]["sentence"] == "Idle: 3 photos."
    different = {key for key in alone if alone[key] != beside[key]}
    assert different <= {"live", "jobs", "daemon"}
    assert f"Daemon    running (process {beside['live']['pid']}): Idle: 3 photos." in shown
    assert "Attention Mount the disk." in shown
    assert run("status", "--head", "none").code == 2


def test_errors_are_the_same_beside_a_daemon() -> None:
    alone = run("status", "--head", "none")
    with serving():
        beside = run("status", "--head", "none")
    assert (beside.code, beside.out, beside.err) == (alone.code, alone.out, alone.err)


def test_jobs_are_listed() -> None:
    with serving():
        assert [one["name"] for one in json.loads(keeprate("jobs", "list", "--json"))] == list(JOB_TITLES)
        shown = keeprate("jobs", "list")
    assert all(name in shown for name in JOB_TITLES)
    assert "The daemon is not running" in keeprate("jobs", "list")
