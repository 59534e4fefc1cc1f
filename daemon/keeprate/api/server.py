"""The daemon's http server: uvicorn in a thread of its own, which sleeps while nobody asks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterable

import anyio.to_thread
import uvicorn
from fastapi import FastAPI

from keeprate.api.app import make_app
from keeprate.api.connections import Complaints, Connection, allow_files
from keeprate.api.context import Context
from keeprate.api.guard import Guard
from keeprate.api.sessions import Sessions
from keeprate.api.sockets import BACKLOG, LOOPBACK, open_unix_socket, open_web_socket
from keeprate.api.streaming import Streams
from keeprate.api.token import token
from keeprate.errors import KeeprateError
from keeprate.paths import Home
from keeprate.service.control import Control

Extension = Callable[[FastAPI, Home, Control], None]
"""Adds what does not belong to the api, such as the page."""

log = logging.getLogger("keeprate")

THREADS = 4
"""Requests that read or write the catalog at the same time; others wait their turn."""
START_PATIENCE_S = 60.0
"""A server that cannot begin says so at once; on a busy machine one that can may need long."""
STOP_PATIENCE_S = 0.9
LAST_ANSWERS_S = 0.3
"""What is being answered when the server ends may take so long to its end."""
ACCEPTING_STEPS = 4
"""Turns of the loop from an accepted connection to one that is ours to close."""


class ApiServer:
    """Serves the api of one daemon: on the unix socket always, on 127.0.0.1 if the config wants the page.

    Of the config it takes what is in force when it is made: where `[api]` changes, the daemon makes another one.
    """

    def __init__(self, home: Home, control: Control, *, extend: Iterable[Extension] = ()) -> None:
        self._home, self._control, self._extend = home, control, tuple(extend)
        self._config = control.config.api
        self._inode: int | None = None
        self._thread: threading.Thread | None = None
        self._server: _Server | None = None
        self.url: str | None = None
        """Where the page is, while it is served."""

    def start(self) -> None:
        """Listen. If only the page's port is taken, everything else works, and `attention` says so.

        Raises:
            KeeprateError: the unix socket cannot be made, or nothing can be served.
        """
        allow_files()
        right = token(self._home)
        sockets = [open_unix_socket(self._home)]
        self._inode = self._home.socket_file.stat().st_ino
        attention: tuple[str, ...] = ()
        port = None
        try:
            if self._config.web:
                sockets.append(open_web_socket(self._config.port))
                port = int(sockets[1].getsockname()[1])
        except KeeprateError as error:
            attention = (f"{error.what} {error.advice}",)
            self._control.events.tell(
                "api.page_unavailable", attention[0], level=logging.WARNING, port=self._config.port
            )
        page = None if port is None else f"http://{LOOPBACK}:{port}"
        streams, sessions = Streams(self._control.events), Sessions()
        context = Context(self._home, self._control, streams, sessions, page, attention)
        app = make_app(context, with_metrics=self._config.metrics)
        for extend in self._extend:
            extend(app, self._home, self._control)
        self._serve(_Server(Guard(app, right, sessions, port), streams), sockets)
        self.url = page

    def _serve(self, server: _Server, sockets: list[socket.socket]) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.run, args=(sockets,), name="api", daemon=True)
        self._thread.start()
        if not server.began.wait(START_PATIENCE_S) or not server.started:
            raise KeeprateError("The api cannot be served.", advice="The log says why: `keeprate logs`.")

    def stop(self) -> None:
        """End all streams and connections; returns within a second. Once stopped it cannot be started again."""
        if self._server is not None and self._thread is not None:
            self._server.end()
            self._thread.join(STOP_PATIENCE_S)
        self.url = None
        with contextlib.suppress(OSError):
            if self._home.socket_file.stat().st_ino == self._inode:
                self._home.socket_file.unlink()


class _Server(uvicorn.Server):
    """uvicorn's server, that waits for its end instead of waking up ten times a second to look for it."""

    def __init__(self, app: Guard, streams: Streams) -> None:
        super().__init__(
            uvicorn.Config(
                app, http=Connection, ws="none", loop="asyncio", lifespan="off", interface="asgi3", log_config=None,
                access_log=False, proxy_headers=False, server_header=False, date_header=False,
                timeout_graceful_shutdown=1, backlog=BACKLOG,
            )
        )  # fmt: skip
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # strangers' nonsense would fill the log
        self.began = threading.Event()
        """Set once it serves, or has failed to."""
        self._streams = streams
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            super().run(sockets)
        except Exception:
            log.exception("the api has ended")
        finally:
            self.began.set()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(Complaints())
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        await self.on_tick(0)
        self.began.set()
        await self._ending.wait()
        self._streams.end()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        for listener in sockets or []:
            loop.remove_reader(listener)
        for _ in range(ACCEPTING_STEPS):  # asyncio loses, and never closes, what it is accepting while a server closes
            await asyncio.sleep(0)
        loop.call_later(LAST_ANSWERS_S, self._cut)
        await super().shutdown(sockets)

    def _cut(self) -> None:
        """Wait for nobody who has not said what they want, or does not take their answer."""
        for connection in tuple(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()

    def end(self) -> None:
        """From any thread: serve nobody any more."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._ending.set)
