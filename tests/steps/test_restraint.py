"""Pauses that keep a share of the processor, and the limit of memory."""

from __future__ import annotations

import pytest

from keeprate.steps import restraint
from keeprate.steps.restraint import HEADROOM, MemoryLimit, Pacer


class Machine:
    """A clock and a processor that only move when told."""

    def __init__(self) -> None:
        self.now = self.used = 0.0

    def work(self, seconds: float, threads: int = 1) -> None:
        self.now += seconds
        self.used += seconds * threads

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def pacer_of(machine: Machine, percent: int) -> Pacer:
    return Pacer(percent, clock=lambda: machine.now, used=lambda: machine.used, sleep=machine.sleep)


def never() -> bool:
    return False


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restraint, "cores", lambda: 4)


@pytest.mark.parametrize(("percent", "threads", "batch_s"), [(50, 2, 0.3), (50, 4, 0.3), (10, 1, 2.0), (5, 4, 3.0)])
def test_a_share_is_kept(percent: int, threads: int, batch_s: float) -> None:
    machine = Machine()
    pacer = pacer_of(machine, percent)
    for _ in range(100):
        machine.work(batch_s, threads)
        pacer.pause(never)
        assert machine.used <= 4 * percent / 100 * machine.now + 1e-6
    assert machine.used == pytest.approx(4 * percent / 100 * machine.now, rel=0.05), "and used up"


def test_nobody_pauses_without_a_limit() -> None:
    machine = Machine()
    machine.work(10, 4)
    pacer_of(machine, 100).pause(never)
    assert machine.now == 10


def test_what_was_not_used_long_ago_is_gone() -> None:
    machine = Machine()
    pacer = pacer_of(machine, 25)
    machine.now += 1000  # it waited for a disk
    pacer.pause(never)
    machine.work(10, 4)
    pacer.pause(never)
    assert machine.now - 1000 == pytest.approx(39, abs=0.3)


def test_a_pause_ends_when_the_task_is_cancelled() -> None:
    machine = Machine()
    pacer = pacer_of(machine, 5)
    machine.work(60, 4)
    pacer.pause(lambda: machine.now >= 61)
    assert machine.now < 61.5


@pytest.mark.parametrize(("percent", "threads"), [(5, 1), (50, 2), (74, 2), (75, 3), (100, 4)])
def test_as_many_threads_as_the_share_feeds(percent: int, threads: int) -> None:
    assert Pacer(percent).threads == threads


def test_a_process_that_has_grown_is_to_be_replaced() -> None:
    size = [100_000_000]
    limit = MemoryLimit(1000, lambda: size[0])
    limit.working()
    assert not limit.exceeded()
    size[0] = 1_000_000_001
    assert limit.exceeded()
    size[0] = 0
    assert limit.exceeded(), "it stays so: what was cut short for it must be gone on with"


def test_a_limit_that_the_model_alone_exceeds_is_raised_to_what_it_needs() -> None:
    size = [2_000_000_000]
    limit = MemoryLimit(1000, lambda: size[0])
    limit.working()
    size[0] += HEADROOM
    limit.working()  # only the first time says what was needed
    assert not limit.exceeded()
    size[0] += 1
    assert limit.exceeded()


def test_garbage_is_no_reason_to_replace() -> None:
    answers = iter([2_000_000_000, 900_000_000])  # before and after it was given back
    assert not MemoryLimit(1000, lambda: next(answers)).exceeded()
