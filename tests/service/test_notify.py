"""What systemd is told, read from a real socket."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeprate.service.notify import Notifier
from support.waiting import PATIENCE_S, join


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE_S)
        yield listener


def notifier(manager: socket.socket, **environment: str) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": manager.getsockname(), **environment})


def heard(manager: socket.socket) -> str:
    return manager.recv(4096).decode()


def test_the_states(manager: socket.socket) -> None:
    ours = notifier(manager, WATCHDOG_USEC="30000000", WATCHDOG_PID=str(os.getpid()))
    assert ours.watchdog_s == 30
    ours.ready()
    ours.watchdog()
    ours.stopping()
    assert [heard(manager) for _ in range(3)] == ["READY=1", "WATCHDOG=1", "STOPPING=1"]


def test_reloading_carries_a_time_of_now(manager: socket.socket) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier(manager).reloading()
    first, _, second = heard(manager).partition("\n")
    assert first == "RELOADING=1"
    micros = int(second.removeprefix("MONOTONIC_USEC="))
    assert before <= micros <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_a_status_is_one_line_and_passing_ones_are_not_told_every_time(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeprate.service.notify.PASSING_S", 300.0)  # a second may pass on a busy machine
    ours = notifier(manager)
    ours.status("Idle:\nnothing to do.")
    for number in range(50):
        ours.status(f"Embedding {number} of 50 photos.", passing=True)
    ours.status("Idle.")
    assert heard(manager) == "STATUS=Idle: nothing to do."
    assert heard(manager) == "STATUS=Idle.", "within a second only what stays is told"


def test_an_abstract_socket_is_spoken_to() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0keeprate-test-{os.getpid()}")
        listener.settimeout(PATIENCE_S)
        Notifier({"NOTIFY_SOCKET": f"@keeprate-test-{os.getpid()}"}).ready()
        assert listener.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"},
    ],
)
def test_nobody_watches(manager: socket.socket, environment: dict[str, str]) -> None:
    ours = notifier(manager, **environment)
    assert ours.watchdog_s is None
    ours.watchdog()
    ours.ready()
    assert heard(manager) == "READY=1", "no WATCHDOG=1 before it"


def test_a_manager_that_does_not_read_keeps_nobody_waiting(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeprate.service.notify.PATIENCE_S", 0.1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other, contextlib.suppress(BlockingIOError):
        other.setblocking(False)
        while True:
            other.sendto(b"full", manager.getsockname())
    ours = notifier(manager, WATCHDOG_USEC="30000000")

    def tell() -> None:
        for say in (ours.ready, ours.watchdog, ours.reloading, ours.stopping):
            say()
        ours.status("Idle.")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    join(teller)
    assert heard(manager) == "full"


def test_what_matters_waits_for_a_manager_that_is_busy(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keeprate.service.notify.PATIENCE_S", PATIENCE_S)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other, contextlib.suppress(BlockingIOError):
        other.setblocking(False)
        while True:
            other.sendto(b"full", manager.getsockname())
    teller = threading.Thread(target=notifier(manager).ready, daemon=True)
    teller.start()
    while (said := heard(manager)) == "full":
        pass
    assert said == "READY=1"
    join(teller)


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready()
