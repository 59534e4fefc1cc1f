"""Speaks to the running daemon over its unix socket: for commands, the tray and the doctor.

The standard library's http client, since commands that only look have to begin fast: httpx2 takes four times as long to
import (decision 0096).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from keeprate import __version__
from keeprate.api.sessions import OPEN_S
from keeprate.errors import BusyError, CatalogError, ConfigError, DaemonNotRunningError, KeeprateError, UsageError
from keeprate.paths import Home
from keeprate.service.door import found_socket

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from keeprate.service.control import JobStatus, Live
    from keeprate.service.events import Event
    from keeprate.service.status import Status

PREFIX = "/api/v1"
CONNECT_TIMEOUT_S = 10.0
"""A daemon that hangs is taken for none after so long. One that lives may need seconds: on a machine that is busy, or
that has put it aside on a slow disk.
"""
ANSWER_TIMEOUT_S = 20.0
SILENCE_S = 60.0
"""The stream of events says something every 15 seconds; silence for longer means that the daemon hangs."""

_ERRORS = {one.slug: one for one in (UsageError, BusyError, ConfigError, CatalogError)} | {"not-found": UsageError}
"""By the kind that the daemon tells, those that commands tell apart or end with another code for."""

T = TypeVar("T")
_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


class DaemonClient:
    """The daemon of one home. Each call has a connection of its own, so calls may come from any thread."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._streams: set[_UnixConnection] = set()
        self._closed = False
        self.version = ""
        """Of the daemon's keeprate."""

    @classmethod
    def connect(cls, home: Home) -> DaemonClient | None:
        """The client of the daemon that runs on `home`; None: no daemon answers."""
        client = cls(home)
        try:
            client.version = str(client._call("GET", "", timeout_s=CONNECT_TIMEOUT_S)["version"])
        except (KeeprateError, KeyError, TypeError):
            return None
        return client

    def __enter__(self) -> DaemonClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End `events` wherever it waits; from any thread."""
        self._closed = True
        for stream in tuple(self._streams):
            stream.wake()

    def status(self, head: str | None = None) -> Status:
        """How things stand, or with only the head called `head`."""
        from keeprate.service.status import Status

        return self._built(Status, self._call("GET", f"/status{_query(head=head)}"))

    def live(self) -> Live:
        """What the daemon does now."""
        return self._live("GET", "/live")

    def run_job(self, name: str) -> JobStatus:
        """Have a job run as soon as possible.

        Raises:
            UsageError: there is no such job.
        """
        from keeprate.service.control import JobStatus

        return self._built(JobStatus, self._call("POST", f"/jobs/{quote(name, safe='')}/run"))

    def pause(self, name: str | None = None, until: float | None = None) -> None:
        """Let a job (None: all work) rest until then (unix seconds), or until `resume`."""
        self._call("POST", _of_job(name, "pause"), {"until": until})

    def resume(self, name: str | None = None) -> None:
        """Let a job (None: all work, but jobs that were paused one by one) go on."""
        self._call("POST", _of_job(name, "resume"))

    def make_way(self, who: str) -> Live:
        """Ask the daemon to let go of the work lock; `who` we are, for its log. Returns at once."""
        plain = who.encode("ascii", "replace").decode()[:200]
        return self._live("POST", "/make-way", {"who": plain})

    def catalog_changed(self) -> None:
        """Tell the daemon that we have changed something."""
        self._call("POST", "/catalog-changed")

    def reload(self) -> Live:
        """Have the config read again; whether it makes sense is seen in `live` soon after."""
        return self._live("POST", "/reload")

    def page_url(self, seconds: int = OPEN_S) -> str | None:
        """The address of the page, with a code that lets one browser in within `seconds`; None: it is not served."""
        found = self._call("POST", "/page-code", {"seconds": seconds})["url"]
        return None if found is None else str(found)

    def events(self, after: int | None = None) -> Iterator[Event]:
        """What happens from now on, and what was missed since the event `after`, as far as it is kept. Waits.

        Ends with `close`.

        Raises:
            DaemonNotRunningError: the daemon has ended.
        """
        connection = _UnixConnection(found_socket(self._home), SILENCE_S)
        self._streams.add(connection)
        try:
            response = self._sent(connection, "GET", "/events", None, after)
            yield from self._events(response)
        except (OSError, HTTPException, ValueError) as error:
            if not self._closed:
                raise _gone() from error
        finally:
            self._streams.discard(connection)
            connection.close()
        if not self._closed:
            raise _gone()

    def _events(self, response: HTTPResponse) -> Iterator[Event]:
        from keeprate.service.events import Event

        for line in response:
            if line.startswith(b"data: "):
                yield self._built(Event, json.loads(line[6:]))

    # ---- how ----

    def _live(self, method: str, address: str, body: dict[str, Any] | None = None) -> Live:
        from keeprate.service.control import Live

        return self._built(Live, self._call(method, address, body))

    def _call(
        self, method: str, address: str, body: dict[str, Any] | None = None, *, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> Any:
        """The parsed answer.

        Raises:
            DaemonNotRunningError: nobody answers.
            KeeprateError: the daemon refuses; UsageError and BusyError if that is why.
        """
        connection = _UnixConnection(found_socket(self._home), timeout_s)
        try:
            return json.loads(self._sent(connection, method, address, body).read())
        except (OSError, HTTPException, ValueError) as error:
            raise _gone() from error
        finally:
            connection.close()

    def _sent(
        self,
        connection: HTTPConnection,
        method: str,
        address: str,
        body: dict[str, Any] | None,
        after: int | None = None,
    ) -> HTTPResponse:
        headers = {"Host": "keeprate", "Accept": "*/*"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        connection.request(method, PREFIX + address, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        if response.status >= 400:
            raise self._refusal(json.loads(response.read()))
        return response

    def _refusal(self, problem: dict[str, Any]) -> KeeprateError:
        kind, what, advice = (str(problem.get(key) or "") for key in ("type", "title", "advice"))
        if kind == "unknown-address":
            if self.version == __version__:
                return UsageError("The daemon knows nothing of that name.")
            return self._misunderstanding()
        path = problem.get("path")
        found = _ERRORS.get(kind, KeeprateError)
        return found(what, advice=advice, path=None if path is None else Path(str(path)))

    def _built(self, kind: type[T], answer: Any) -> T:
        from pydantic import ValidationError

        try:
            built: T = _adapter(kind).validate_python(answer)
        except ValidationError as error:
            raise self._misunderstanding() from error
        return built

    def _misunderstanding(self) -> KeeprateError:
        theirs = f" ({self.version}, and this is {__version__})" if self.version not in ("", __version__) else ""
        return KeeprateError(
            f"The running daemon is of another version of keeprate{theirs}.",
            advice="Restart it: `keeprate service restart`, or end `keeprate run` and start it again.",
        )


class _UnixConnection(HTTPConnection):
    """Http over a unix socket that belongs to us."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("keeprate", timeout=timeout_s)
        self._path = path
        self._own: socket.socket | None = None

    def connect(self) -> None:
        own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            own.settimeout(self.timeout)
            own.connect(os.fspath(self._path))
            _check_peer(own)
        except BaseException:
            own.close()
            raise
        self.sock = self._own = own

    def wake(self) -> None:
        """Let whoever reads from it find the end."""
        if self._own is not None:
            with contextlib.suppress(OSError):
                self._own.shutdown(socket.SHUT_RDWR)


def _check_peer(connected: socket.socket) -> None:
    """Refuse to talk to another user's process that put its socket there (where the system tells)."""
    if hasattr(socket, "SO_PEERCRED"):
        _, uid, _ = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid != os.getuid():
            raise PermissionError("the socket belongs to another user")


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    from pydantic import TypeAdapter

    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _query(**values: str | None) -> str:
    given = {name: value for name, value in values.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""


def _of_job(name: str | None, act: str) -> str:
    return f"/{act}" if name is None else f"/jobs/{quote(name, safe='')}/{act}"


def _gone() -> DaemonNotRunningError:
    return DaemonNotRunningError(
        "The daemon does not answer (any more).", advice="`keeprate status` says whether it runs, `keeprate logs` why."
    )
