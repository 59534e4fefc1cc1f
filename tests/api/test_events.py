"""The stream of events: in order, with ids to go on from, and gone without a trace when nobody listens."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse

import pytest

from keeprate.api import server as server_module
from keeprate.api import streaming
from keeprate.api.client import DaemonClient, _UnixConnection
from keeprate.service.events import KEPT
from support.api import Serving, serving
from support.waiting import PATIENCE_S, let_pass, wait_until


@dataclass(frozen=True, slots=True)
class Told:
    id: str
    name: str
    data: dict[str, object]


@contextmanager
def stream(here: Serving, after: str | None = None) -> Iterator[HTTPResponse]:
    connection = _UnixConnection(here.home.socket_file, PATIENCE_S)
    try:
        headers = {} if after is None else {"Last-Event-ID": after}
        connection.request("GET", "/api/v1/events", headers=headers)
        response = connection.getresponse()
        assert response.getheader("Content-Type") == "text/event-stream; charset=utf-8"
        assert response.readline() == b": listening\n"
        yield response
    finally:
        connection.wake()
        connection.close()


def read(response: HTTPResponse) -> Told:
    fields: dict[str, str] = {}
    for line in response:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if not name and fields:
            return Told(fields["id"], fields["event"], json.loads(fields["data"]))
        if name:
            fields[name] = value
    raise AssertionError("the stream has ended")


def listeners(here: Serving) -> int:
    return len(here.control.events._listeners)


def test_after_a_break_what_was_missed_is_told() -> None:
    with serving() as here:
        here.control.events.tell("daemon.started", "Before anybody listened.")
        with stream(here) as response:
            first = here.control.events.tell("job.started", "Begun.", job="embed", odd="\udcff\n")
            told = read(response)
        assert (told.name, told.data["sentence"], told.data["id"]) == ("job.started", "Begun.", first.id)
        assert told.data["data"] == {"job": "embed", "odd": "\udcff\n"}
        here.control.events.tell("job.finished", "Done.", job="embed")
        with stream(here, told.id) as response:
            assert read(response).name == "job.finished"
        with stream(here, "0") as response:
            assert [read(response).name for _ in range(3)] == ["daemon.started", "job.started", "job.finished"]


def test_after_a_restart_all_is_told() -> None:
    with serving() as here:
        for number in range(5):
            here.control.events.tell("job.started", str(number))
        with stream(here, "0") as response:
            last = [read(response) for _ in range(5)][-1]
    with serving() as here:
        here.control.events.tell("daemon.started", "Again.")
        with stream(here, last.id) as response:
            assert read(response).name == "daemon.started"


@pytest.mark.parametrize("after", ["x", "-1", "1" * 50, "é", "٣", "abc-", ""])
def test_an_id_that_is_none_is_as_good_as_none(after: str) -> None:
    with serving() as here:
        here.control.events.tell("daemon.started", "Before.")
        connection = _UnixConnection(here.home.socket_file, PATIENCE_S)
        connection.request("GET", "/api/v1/events", headers={"Last-Event-ID": after.encode()})
        response = connection.getresponse()
        assert response.status == 200
        assert response.readline() == b": listening\n"
        connection.close()


def test_many_listen_and_go_without_a_trace() -> None:
    with serving() as here:
        opened = [stream(here) for _ in range(20)]
        responses = [one.__enter__() for one in opened]
        wait_until(lambda: listeners(here) == 20)
        here.control.events.tell("job.started", "Begun.")
        assert {read(response).name for response in responses} == {"job.started"}
        for one in opened:
            one.__exit__(None, None, None)
        wait_until(lambda: listeners(here) == 0)


def test_who_does_not_read_holds_nobody_up() -> None:
    with serving() as here, stream(here) as response:
        for _ in range(30_000):
            here.control.events.tell("job.progress", "x" * 100, level=0)
        wait_until(lambda: DaemonClient.connect(here.home) is not None)
        told = [read(response).data["id"]]
        while told[-1] != 30_000:
            told.append(read(response).data["id"])
        assert len(told) < 25_000, "what nobody fetches is not kept for ever"
        assert told == sorted(told, key=lambda one: int(str(one)))


def test_who_leaves_while_something_is_told_leaves_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as here:
        for _ in range(5):
            with stream(here):  # it does not read, so that it leaves in the middle of a sentence
                for _ in range(5_000):
                    here.control.events.tell("job.progress", "x" * 100, level=0)
        wait_until(lambda: listeners(here) == 0)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_silent_stream_shows_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "KEEPALIVE_S", 0.05)
    with serving() as here, stream(here) as response:
        assert response.readline() == b"\n"
        assert response.readline() == b": ping\n"


def test_the_end_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "STOP_PATIENCE_S", PATIENCE_S)  # it shall end by itself, however slowly
    with serving() as here:
        opened = [stream(here) for _ in range(5)]
        for one in opened:
            one.__enter__()
        idle = socket.socket(socket.AF_UNIX)
        idle.connect(str(here.home.socket_file))
        half = socket.socket(socket.AF_UNIX)
        half.connect(str(here.home.socket_file))
        half.send(b"POST /api/v1/labels HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        server = here.server._server
        assert server is not None
        wait_until(lambda: len(server.server_state.connections) == 7)  # asyncio leaks what it accepts while it closes
        here.server.stop()
        assert here.server._thread is not None
        assert not here.server._thread.is_alive()
        idle.close()
        half.close()
        for stopped in opened:
            stopped.__exit__(None, None, None)
    assert not here.home.socket_file.exists()


def test_nothing_wakes_up_while_nobody_asks() -> None:
    with serving() as here:
        assert here.server._thread is not None
        stat = f"/proc/self/task/{here.server._thread.native_id}/status"
        client = DaemonClient.connect(here.home)
        assert client is not None

        def slept() -> int:
            """How often it has gone to sleep; being put aside for other programs is not counted."""
            with open(stat) as lines:
                return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))

        def sleeps_on() -> bool:
            before = slept()
            let_pass(2)
            return slept() == before

        wait_until(sleeps_on, what="it sleeps on, once the connection has closed")


def test_the_kept_events_are_bounded() -> None:
    with serving() as here:
        for number in range(KEPT + 10):
            here.control.events.tell("job.started", str(number), level=0)
        with stream(here, "0") as response:
            assert read(response).data["id"] == 11


def test_progress_pushes_nothing_out_of_what_is_kept() -> None:
    with serving() as here:
        here.control.events.tell("head.promoted", "It is better.")
        for number in range(KEPT + 10):
            here.control.events.tell("job.progress", str(number), level=0)
        with stream(here, "0") as response:
            assert read(response).name == "head.promoted"
            here.control.events.tell("job.progress", "heard while it happens", level=0)
            assert read(response).name == "job.progress"
