"""The real worker process: replaced when too large, stopped when asked, restrained when nobody waits for it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import psutil
import pytest
from PIL import Image

from keeprate.catalog import embeddings, models, problems
from keeprate.config.load import load_config
from keeprate.steps import memory, worker_client
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.photos.scanning import scan
from keeprate.steps.restraint import cores
from keeprate.steps.session import Progress, Reporter, Session
from keeprate.steps.tasks import (
    EmbedOutcome,
    EmbedTask,
    GroupTask,
    LookAtOutcome,
    LookAtTask,
    Outcome,
    Task,
    TrainTask,
)
from keeprate.steps.worker import NICENESS
from keeprate.steps.worker_client import WorkerClient, WorkerStoppedError
from support.photos import write_photos
from support.waiting import COMMAND_S, PATIENCE_S, join, wait_until


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def tell(told: list[str]) -> Callable[[str, str], object]:
    return lambda name, _sentence: told.append(name)


def set_config(session: Session, text: str) -> None:
    config = session.home.config_file
    config.write_text(f"{config.read_text()}\n{text}\n")
    load_config(config)  # it makes sense


def count(session: Session) -> int:
    return embeddings.count_embedded(session.catalog, models.active(session.catalog).id)


def run_in(tmp_path: Path, *before: str) -> list[str]:
    """The command of the real worker, with these lines run before it begins."""
    script = tmp_path / "worker.py"
    script.write_text("\n".join([*before, "from keeprate.steps import worker", "worker.main()", ""]))
    return [sys.executable, str(script)]


GREEDY = (
    "import functools, itertools",
    "from keeprate.steps import restraint",
    "sizes = itertools.count(10**12, 10**12)",
    "restraint.MemoryLimit = functools.partial(restraint.MemoryLimit, resident=lambda: next(sizes))",
)
"""Whenever it looks how large it is, it has grown by more than anything that is granted it."""


def test_a_worker_above_its_limit_gives_its_place_to_another(
    session: Session, root: Path, tmp_path: Path, told: list[str], tell: Callable[[str, str], object]
) -> None:
    set_config(session, "[embedding]\nthreads = 1\nbatch_size = 8")
    write_photos(root, range(24))
    scan(session)
    client = WorkerClient(run_in(tmp_path, *GREEDY), tell=tell)
    try:
        outcome = embed_all(session, client)
        assert (outcome.embedded, outcome.failed, outcome.cancelled) == (24, 0, False)
        assert count(session) == 24
        assert told == ["worker.started", "worker.recycled"] * 4, (
            "three get one batch done, the last finds nothing left"
        )
        paths = tuple(str(path) for path in write_photos(tmp_path / "elsewhere", range(100, 116)))
        looked = client.run(LookAtTask(paths), Reporter())
        assert isinstance(looked, LookAtOutcome)
        assert (looked.embedded, looked.cancelled) == (16, False)
        assert all(looked.content_keys)
        assert not any(looked.reasons)
    finally:
        client.close()
    assert told == ["worker.started", "worker.recycled"] * 7, "two batches"


def test_a_worker_of_common_size_is_kept(
    session: Session, root: Path, told: list[str], tell: Callable[[str, str], object]
) -> None:
    write_photos(root, range(24))
    scan(session)
    client = WorkerClient(tell=tell)
    try:
        embed_all(session, client)
        assert 20e6 < client.memory < 1e9
        assert client.device == "cpu"
        assert told == ["worker.started"]
    finally:
        client.close()
    assert told == ["worker.started", "worker.ended"]
    assert (client.memory, client.device, client.pid) == (0, "", None)


SLOW = (
    "import time",
    "from keeprate.embedding import pipeline",
    "look = pipeline._Run._look",
    "pipeline._Run._look = lambda run, item: (time.sleep(0.05), look(run, item))[1]",
)
"""Pictures that take a while each."""
STUCK = (
    "import time",
    "from keeprate.steps.heads import training",
    "from keeprate.steps.photos import grouping",
    "from keeprate.steps.session import Progress",
    "def stuck(session, task):",
    "    session.reporter.progress(Progress('stuck', 0, 1))",
    "    time.sleep(1000)",
    "training.train = grouping.group = stuck",
)


def stopped_within(client: WorkerClient, task: Task, after: Callable[[Progress], bool]) -> tuple[float, Outcome | None]:
    """Cancel the task as soon as its progress is such; how long it took to end, and its outcome if it had one."""
    asked_at: list[float] = []

    def progress(made: Progress) -> None:
        if after(made) and not asked_at:
            asked_at.append(time.monotonic())

    outcome = None
    with contextlib.suppress(WorkerStoppedError):
        outcome = client.run(task, Reporter(progress, lambda: bool(asked_at)))
    return time.monotonic() - asked_at[0], outcome


def test_embedding_stops_at_the_next_batch(
    session: Session, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_client, "CANCEL_GRACE_S", PATIENCE_S)  # the next batch may be far on a busy machine
    write_photos(root, range(200))
    scan(session)
    client = WorkerClient(run_in(tmp_path, *SLOW))
    try:
        _, outcome = stopped_within(client, EmbedTask(), lambda made: made.done > 0)
        assert isinstance(outcome, EmbedOutcome)
        assert outcome.cancelled
        assert 0 < outcome.embedded < 200
        assert count(session) == outcome.embedded
        assert client.pid is not None, "the worker lives on"
    finally:
        client.close()


@pytest.mark.parametrize("task", [TrainTask("keep"), GroupTask()])
def test_what_does_not_listen_is_killed_in_time(session: Session, tmp_path: Path, task: Task) -> None:
    client = WorkerClient(run_in(tmp_path, *STUCK))
    try:
        seconds, outcome = stopped_within(client, task, lambda made: made.step == "stuck")
        assert outcome is None
        assert seconds < PATIENCE_S
        assert client.pid is None
    finally:
        client.close()


def test_training_stops_where_it_tells_how_far_it_is(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_client, "CANCEL_GRACE_S", PATIENCE_S)
    endless = (
        "import time",
        "from keeprate.steps.heads import training",
        "from keeprate.steps.session import Progress",
        "def train(session, task):",
        "    while True:",
        "        time.sleep(0.02)",
        "        session.reporter.progress(Progress('train', 1, 100, task.head))",
        "training.train = train",
    )
    client = WorkerClient(run_in(tmp_path, *endless))
    try:
        _, outcome = stopped_within(client, TrainTask("keep"), lambda made: made.step == "train")
        assert outcome is None
        assert client.pid is not None, "it was not killed for that"
    finally:
        client.close()


class Killed(WorkerClient):
    """A real worker that somebody kills as soon as it has photos in hand, so many times."""

    def __init__(self, times: int, command: list[str]) -> None:
        super().__init__(command)
        self.left = times

    def run(self, task: Task, reporter: Reporter) -> Outcome:
        def progress(made: Progress) -> None:
            if made.done and self.left and self.pid:
                self.left -= 1
                os.kill(self.pid, signal.SIGKILL)
            reporter.progress(made)

        return super().run(task, Reporter(progress, reporter.cancelled))


@pytest.mark.parametrize("times", [1, 2])
def test_whoever_kills_the_worker_makes_no_photo_a_bad_one(
    session: Session, root: Path, tmp_path: Path, times: int
) -> None:
    write_photos(root, range(16))
    scan(session)
    client = Killed(times, run_in(tmp_path, *SLOW))
    try:
        outcome = embed_all(session, client)
    finally:
        client.close()
    assert client.left == 0
    assert count(session) == 16
    assert outcome.embedded == 16
    assert problems.count(session.catalog) == 0


def test_a_photo_that_always_takes_all_memory_is_left_alone_in_the_end(
    session: Session, root: Path, tmp_path: Path
) -> None:
    photos = write_photos(root, range(10))
    scan(session)
    deadly = (
        "import os, signal",
        "from keeprate.embedding import pipeline",
        "look = pipeline._Run._look",
        "def deadly(run, item):",
        f"    if item.path.name == {photos[4].name!r}: os.kill(os.getpid(), signal.SIGKILL)",
        "    return look(run, item)",
        "pipeline._Run._look = deadly",
    )
    deaths: list[str] = []
    client = WorkerClient(run_in(tmp_path, *deadly), tell=lambda name, _: deaths.append(name))
    try:
        embed_all(session, client)
        assert count(session) == 9
        assert [one.path for one in problems.latest(session.catalog)] == [str(photos[4])]
        assert problems.paths_of(session.catalog, "embed") == set(), "it may have been an accident"
        embed_all(session, client)
        assert problems.paths_of(session.catalog, "embed") == {str(photos[4])}
        died = deaths.count("worker.crashed")
        embed_all(session, client)
        assert deaths.count("worker.crashed") == died, "not tried again"
    finally:
        client.close()


@pytest.mark.skipif(not hasattr(os, "nice"), reason="no priorities here")
def test_it_lets_others_go_first(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH")  # which takes that from it in all other tests
    client = WorkerClient()
    try:
        client.run(GroupTask(), Reporter())
        assert psutil.Process(client.pid).nice() == min(19, psutil.Process().nice() + NICENESS)
    finally:
        client.close()


ON_TWO_CORES = (
    "import os",
    "if hasattr(os, 'sched_setaffinity'): os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])",
)


@pytest.fixture(scope="module")
def many_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough for ten seconds whatever the machine, one block of grey beside another."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(3000):
        grey = [255 * (number >> bit & 1) for bit in range(12)]
        Image.frombytes("L", (4, 3), bytes(grey)).resize((160, 120), Image.Resampling.NEAREST).save(
            folder / f"{number:04d}.jpg"
        )
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("percent", [25, 50])
def test_work_in_the_background_keeps_its_share_of_the_processor(
    session: Session, root: Path, many_photos: Path, tmp_path: Path, percent: int
) -> None:
    set_config(session, f"[jobs]\nmax_cpu = {percent}")
    shutil.copytree(many_photos, root / "many", copy_function=os.link)
    scan(session)
    # two cores at most, for with many it would be done at once
    client = WorkerClient(run_in(tmp_path, *ON_TWO_CORES), background=True)
    done = threading.Event()
    working = threading.Event()

    def work() -> None:
        with contextlib.suppress(WorkerStoppedError):  # a busy machine may not let it end in time
            client.run(EmbedTask(), Reporter(lambda made: working.set() if made.done else None, done.is_set))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert working.wait(COMMAND_S), "it has begun"
        process = psutil.Process(client.pid)
        if sys.platform == "linux":
            assert process.ionice().ioclass == psutil.IOPRIO_CLASS_IDLE

        def used_s() -> float:
            times = process.cpu_times()
            return times.user + times.system

        before, began = used_s(), time.monotonic()
        wait_until(
            lambda: (time.monotonic() - began > 10 and used_s() > before) or not thread.is_alive(), what="it works"
        )
        used, seconds = used_s() - before, time.monotonic() - began
        assert seconds > 3, "there was not enough to do"
        assert used <= 1.1 * min(2, cores()) * percent / 100 * seconds
    finally:
        done.set()
        join(thread)
        client.close()


GROWING = """
import psutil
from keeprate.steps import memory

empty = memory.resident_bytes()
small = [bytes(1000) for _ in range(100_000)]  # below malloc's own limit for giving back at once
full = memory.resident_bytes()
assert full - empty > 80e6, (empty, full)
assert abs(full - psutil.Process().memory_info().rss) < 20e6
small.clear()
memory.give_back()
assert memory.resident_bytes() < empty + 0.3 * (full - empty)
assert memory.resident_bytes(2**22 + 1) == 0, "no such process"
"""


def test_a_process_knows_how_large_it_is_and_gives_back_what_it_does_not_need() -> None:
    """In a new process: this one may have room left from other tests."""
    done = subprocess.run([sys.executable, "-c", GROWING], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class HeldTimer(threading.Timer):
    """A timer whose time comes when the test says so."""

    set_up: ClassVar[list[HeldTimer]] = []

    def start(self) -> None:
        self.set_up.append(self)


def test_many_small_things_make_for_one_giving_back(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[None] = []
    monkeypatch.setattr(HeldTimer, "set_up", [])
    monkeypatch.setattr("keeprate.steps.memory.threading.Timer", HeldTimer)
    monkeypatch.setattr(memory, "_timers", [])  # a test before may have left one that runs
    monkeypatch.setattr(memory, "give_back", lambda: given.append(None))
    for times in (1, 2):
        for _ in range(50):
            memory.give_back_soon()
        assert len(HeldTimer.set_up) == times
        HeldTimer.set_up[-1].function()
        assert len(given) == times


FRUGAL = """
import json, os, sys
from keeprate.steps.memory import begin_anew_frugally
begin_anew_frugally()
names = ("PYTHONMALLOC", "MALLOC_ARENA_MAX", "KEEPRATE_BEGAN_ANEW")
blocks = sys.getallocatedblocks()  # of Python's own allocator
print(json.dumps([os.getpid(), sys.argv[1:], blocks == 0, {n: os.environ[n] for n in names if n in os.environ}]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is what it is about")
@pytest.mark.parametrize(
    ("name", "set_before", "is_frugal"),
    [
        ("keeprate", {}, True),
        ("keeprate/__main__.py", {}, True),
        ("keeprate", {"PYTHONMALLOC": "pymalloc"}, False),  # somebody knows better
        ("other", {}, False),
        ("pytest/__main__.py", {}, False),
    ],
)
def test_a_process_that_stays_begins_anew_with_another_allocation(
    tmp_path: Path, name: str, set_before: dict[str, str], is_frugal: bool
) -> None:
    """It is the same process, and its own processes find the environment that it was started with."""
    script = tmp_path / name
    script.parent.mkdir(exist_ok=True)
    script.write_text(FRUGAL)
    process = subprocess.Popen(
        [sys.executable, script, "run", "a b", "-v"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **set_before},
    )
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert json.loads(said) == [process.pid, ["run", "a b", "-v"], is_frugal, set_before]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is what it is about")
def test_a_process_that_cannot_begin_anew_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as while an update exchanges Python."""
    for name in memory.ALLOCATION:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "argv", ["/somewhere/keeprate", "run"])
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    memory.begin_anew_frugally()
