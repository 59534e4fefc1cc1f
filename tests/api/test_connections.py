"""Strangers on 127.0.0.1: they cannot take the api from its user, nor fill its log."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import threading
from collections.abc import Iterator

import pytest

from keeprate.api import connections
from keeprate.api.connections import MOST_OVER_TCP, Complaints
from support.api import Serving, over_tcp, over_unix, serving
from support.waiting import PATIENCE_S, join, wait_until


def knock(here: Serving) -> socket.socket:
    assert here.server.url is not None
    host, port = here.server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


def is_cut(one: socket.socket) -> bool:
    one.settimeout(0)
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.fixture
def knocking(here: Serving) -> Iterator[list[socket.socket]]:
    """Many who connect and say nothing."""
    opened = [knock(here) for _ in range(3 * MOST_OVER_TCP)]
    yield opened
    for one in opened:
        one.close()


def test_those_who_say_nothing_make_room(here: Serving, knocking: list[socket.socket]) -> None:
    assert over_tcp(here, "GET", "/live").status == 200
    assert over_unix(here, "GET", "/live").status == 200
    wait_until(lambda: sum(not is_cut(one) for one in knocking) <= MOST_OVER_TCP)
    assert all(is_cut(one) for one in knocking[:MOST_OVER_TCP]), "the oldest first"


def test_who_is_answered_is_not_cut(here: Serving) -> None:
    token = here.home.token_file.read_text().strip()
    listener = knock(here)
    listener.sendall(
        b"GET /api/v1/events HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n"
        % (str(here.server.url).removeprefix("http://").encode(), token.encode())
    )
    wait_until(lambda: bool(here.control.events._listeners))
    opened = [knock(here) for _ in range(2 * MOST_OVER_TCP)]
    wait_until(lambda: sum(not is_cut(one) for one in opened) < MOST_OVER_TCP)
    here.control.events.tell("job.started", "Begun.")
    listener.settimeout(PATIENCE_S)
    got = b""
    while b"job.started" not in got:
        more = listener.recv(9999)
        assert more, "it was cut"
        got += more
    for one in (*opened, listener):
        one.close()


def test_who_does_not_say_what_they_want_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_PATIENCE_S", 0.2)
    with serving() as here:
        silent, half, users = knock(here), knock(here), socket.socket(socket.AF_UNIX)
        half.sendall(b"GET / HTTP/1.1\r\nHost:")
        users.connect(str(here.home.socket_file))
        wait_until(lambda: is_cut(silent) and is_cut(half))
        assert not is_cut(users)
        for one in (silent, half, users):
            one.close()


def test_who_is_refused_is_cut(here: Serving) -> None:
    assert over_tcp(here, "GET", "/live", token=False).headers["Connection"] == "close"
    assert over_tcp(here, "GET", "/live").headers["Connection"] is None


def test_nonsense_of_strangers_is_not_logged(here: Serving, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for said in (
            b"\x16\x03\x01\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h\r\n\r\n",
        ):
            with knock(here) as one:
                one.sendall(said)
                assert one.recv(9999).startswith(b"HTTP/1.1 4")
    assert caplog.records == []


def test_what_goes_wrong_again_and_again_is_told_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    complaints = Complaints()
    loop = asyncio.new_event_loop()
    moment = [1000.0]
    monkeypatch.setattr(loop, "time", lambda: moment[0])
    for _ in range(500):
        complaints(loop, {"message": "socket.accept() out of system resource", "exception": OSError(24, "Too many")})
    assert len(caplog.records) == 1
    moment[0] += 0.1
    complaints(loop, {"message": "too soon"})
    assert len(caplog.records) == 1
    moment[0] += 59.9
    complaints(loop, {"message": "again"})
    loop.close()
    assert [record.getMessage() for record in caplog.records] == [
        "the api: socket.accept() out of system resource [Errno 24] Too many",
        "the api: again (and 500 more since the last time)",
    ]


def test_more_files_may_be_open() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        connections.allow_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(connections.FILES_WANTED, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("_", range(5))
def test_who_connects_at_the_end_is_not_left_waiting(_: int) -> None:
    """asyncio forgets what it is accepting while its server closes: nobody would ever close that."""
    stuck = []
    with serving() as here:
        path, ended = str(here.home.socket_file), threading.Event()

        def connect_again_and_again() -> None:
            while not ended.is_set():
                one = socket.socket(socket.AF_UNIX)
                one.settimeout(PATIENCE_S)
                try:
                    one.connect(path)
                    one.sendall(b"GET /api/v1/live HTTP/1.1\r\nHost: keeprate\r\n\r\n")
                    one.recv(9999)
                except TimeoutError:
                    stuck.append(one)
                except OSError:
                    pass
                finally:
                    one.close()

        many = [threading.Thread(target=connect_again_and_again) for _ in range(8)]
        for one in many:
            one.start()
        wait_until(lambda: here.server._server is not None and here.server._server.server_state.total_requests > 20)
        here.server.stop()
        ended.set()
        for one in many:
            join(one)
    assert stuck == []
