"""A worker that hangs: it is killed, its subject is told, and it never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from keeprate.steps import worker_client
from keeprate.steps.session import Reporter
from keeprate.steps.tasks import EmbedTask, ReadMarksTask, Task, WriteTask
from keeprate.steps.worker_client import TOOK_TOO_LONG, WorkerClient, WorkerCrashedError
from support.waiting import next_line, wait_until

READ = ReadMarksTask("camera", ("/p/a.jpg",), ("",), (0.0,))


def speaker(tmp_path: Path, *lines: str) -> list[str]:
    """The command of a worker that gets its task and does this."""
    script = tmp_path / "worker.py"
    said = "\n".join(lines)
    script.write_text(f"import json, sys, time\ndef say(**m): print(json.dumps(m), flush=True)\ninput()\n{said}\n")
    return [sys.executable, str(script)]


def working(*subjects: str) -> str:
    return f"say(type='working', subjects={list(subjects)!r}, thread=1)"


DONE = f"say(type='done', outcome={ {'read': 1, 'failed': 0, 'cancelled': False}!r})"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_client, "HANGS_AFTER_S", 0.5)


@pytest.mark.parametrize("task", [READ, WriteTask()])
def test_a_worker_that_is_not_heard_of_again_is_killed(tmp_path: Path, task: Task) -> None:
    client = WorkerClient(speaker(tmp_path, working("/p/a.jpg"), "time.sleep(100)"))
    with pytest.raises(WorkerCrashedError) as crash:
        client.run(task, Reporter())
    assert (crash.value.subjects, crash.value.ending) == (("/p/a.jpg",), TOOK_TOO_LONG)
    assert client.pid is None


def test_one_with_nothing_in_hand_is_left_alone(tmp_path: Path) -> None:
    client = WorkerClient(speaker(tmp_path, working("/p/a.jpg"), working(), "time.sleep(1.2)", DONE))
    assert client.run(READ, Reporter()) is not None
    client.close()


def test_one_that_says_something_again_and_again_is_left_alone(tmp_path: Path) -> None:
    """It says something whenever three of the five ticks have gone by that a silent one has."""
    each = tuple(line for number in range(4) for line in (working(f"/p/{number}.jpg"), "input()"))
    client = WorkerClient(speaker(tmp_path, *each, DONE))

    def at_every_tick() -> bool:
        if client._ticks_silent >= 3:
            client._send({})
            wait_until(lambda: client._ticks_silent == 0)  # no further tick meanwhile: this is the thread that ticks
        return False

    assert client.run(READ, Reporter(cancelled=at_every_tick)) is not None
    client.close()


def test_what_may_take_long_may(tmp_path: Path) -> None:
    client = WorkerClient(speaker(tmp_path, working("key"), "time.sleep(1.2)", "sys.exit(3)"))
    with pytest.raises(WorkerCrashedError) as crash:
        client.run(EmbedTask(None), Reporter())
    assert crash.value.ending == "exit status 3"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's kernel sees to it")
def test_a_worker_that_hears_nothing_dies_with_its_parent() -> None:
    # it has asked the kernel once it answers a task, if only by a refusal; threads of numpy's are there long before
    started = (
        "import contextlib, sys; from keeprate.errors import KeeprateError; "
        "from keeprate.steps.session import Reporter; from keeprate.steps.tasks import UndoTask; "
        "from keeprate.steps.worker_client import WorkerClient; c = WorkerClient()\n"
        "with contextlib.suppress(KeeprateError): c.run(UndoTask(dry_run=True), Reporter())\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", f"{started}print(c.pid, flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with parent:
        try:
            worker = psutil.Process(int(next_line(parent.stdout)))
            os.kill(worker.pid, signal.SIGSTOP)  # as deaf as one that hangs in a library
        finally:
            parent.kill()
    wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
