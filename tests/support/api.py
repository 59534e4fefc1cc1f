"""A real api server on real sockets, in front of a daemon that only notes what it is asked for."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from email.message import Message
from http.client import HTTPConnection
from typing import Any

from keeprate import __version__
from keeprate.api.client import _UnixConnection
from keeprate.api.server import ApiServer, Extension
from keeprate.config.models import Config
from keeprate.config.workspace import config_of
from keeprate.errors import UsageError
from keeprate.paths import Home, locate_home
from keeprate.service.control import JOB_TITLES, JobStatus, Live
from keeprate.service.events import Events
from keeprate.steps.lock import hold_lock
from support.waiting import PATIENCE_S, join


def idle_jobs() -> tuple[JobStatus, ...]:
    return tuple(JobStatus(name, title, "idle", "Nothing to do.") for name, title in JOB_TITLES.items())


@dataclass(slots=True)
class NotingControl:
    """A `Control` whose jobs never run."""

    events: Events = field(default_factory=Events)
    config: Config = field(default_factory=lambda: config_of(locate_home()))
    damage: str = ""
    asked: list[tuple[object, ...]] = field(default_factory=list)
    """What was asked for, in order: the method's name and its arguments."""
    said: Live = field(
        default_factory=lambda: Live(
            os.getpid(), __version__, time.time(), "idle", "Idle.", (), None, None, idle_jobs(), None
        )
    )

    def live(self) -> Live:
        return self.said

    def run_job(self, name: str, *, because: str) -> None:
        if name not in JOB_TITLES:
            raise UsageError(f"There is no job called {name!r}.")
        self.asked.append(("run_job", name, because))

    def pause(self, name: str | None = None, *, until: float | None = None) -> None:
        self.asked.append(("pause", name, until))
        if name is None:
            self.said = replace(self.said, state="paused", sentence="Paused.", paused_until=until)

    def resume(self, name: str | None = None) -> None:
        self.asked.append(("resume", name))
        if name is None:
            self.said = replace(self.said, state="idle", sentence="Idle.", paused_until=None)

    def make_way(self, who: str) -> None:
        self.asked.append(("make_way", who))

    def catalog_changed(self) -> None:
        self.asked.append(("catalog_changed",))

    def reload(self) -> None:
        self.asked.append(("reload",))

    def stop(self) -> None:
        self.asked.append(("stop",))


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that listens."""

    home: Home
    control: NotingControl
    server: ApiServer


@contextlib.contextmanager
def serving(home: Home | None = None, extend: Sequence[Extension] = ()) -> Iterator[Serving]:
    """A server for `home` (default: that of the environment), holding the daemon's lock as the daemon does."""
    home = home or locate_home()
    control = NotingControl(config=config_of(home))
    with hold_lock(home.daemon_lock_file):
        server = ApiServer(home, control, extend=extend)
        server.start()
        try:
            yield Serving(home, control, server)
        finally:
            server.stop()
            if server._thread is not None:
                join(server._thread)  # a daemon does not wait for it on a busy machine; the next test does


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back over HTTP."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def _answered(connection: HTTPConnection, method: str, path: str, body: object, headers: dict[str, str]) -> Answered:
    sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    try:
        connection.putrequest(method, path, skip_host="Host" in headers)
        if sent is not None:
            headers = {"Content-Type": "application/json", "Content-Length": str(len(sent))} | headers
        for name, value in headers.items():
            if value or name != "Content-Length":
                connection.putheader(name, value)
        connection.endheaders(sent)
        response = connection.getresponse()
        return Answered(response.status, response.headers, response.read())
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def over_unix(here: Serving, method: str, path: str, body: object = None, **headers: str) -> Answered:
    """Ask over the unix socket, as a command does. `path` is below /api/v1 unless it begins with two slashes."""
    connection = _UnixConnection(here.home.socket_file, PATIENCE_S)
    return _answered(connection, method, _address(path), body, {"Host": "keeprate"} | _named(headers))


def over_tcp(
    here: Serving, method: str, path: str, body: object = None, *, token: bool = True, **headers: str
) -> Answered:
    """Ask on 127.0.0.1, as a program with the token does; with `token=False` as any other."""
    assert here.server.url is not None
    shown = {"Authorization": f"Bearer {here.home.token_file.read_text().strip()}"} if token else {}
    connection = HTTPConnection(here.server.url.removeprefix("http://"), timeout=PATIENCE_S)
    return _answered(connection, method, _address(path), body, shown | _named(headers))


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _address(path: str) -> str:
    return path[1:] if path.startswith("//") else f"/api/v1{path}"
