"""What strangers can do to the server before it knows them: any user of this machine can connect to 127.0.0.1.

They get few connections, and keep none for nothing. Whoever has the unix socket is the user, and is not limited.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Mapping
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger("keeprate")

MOST_OVER_TCP = 64
HEAD_PATIENCE_S = 5.0
"""Whoever has not said by then what they want is cut off; uvicorn does the same between two requests."""
FILES_WANTED = 4096
"""Open files at once; 1024 is the usual limit, and asyncio takes up to 512 connections at once before it looks."""
COMPLAINT_EVERY_S = 60.0


def came_over_unix(scope: Mapping[str, Any]) -> bool:
    """Whether a request came over the unix socket: its address is a path and has no port."""
    server = scope.get("server")
    return server is not None and server[1] is None


class Connection(H11Protocol):
    """One connection. Beyond `MOST_OVER_TCP` the oldest that is not being answered makes room."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (streams only)
        super().connection_made(transport)
        if self._is_users():
            return
        self._patience = self.loop.call_later(HEAD_PATIENCE_S, self._cut_if_silent)
        self._made_at = self.loop.time()
        others = [one for one in self.connections if isinstance(one, Connection) and one.counts()]
        if len(others) > MOST_OVER_TCP:
            idle = [one for one in others if one is not self and not one.is_answered()]
            min(idle, key=lambda one: one._made_at, default=self).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        super().connection_lost(exc)

    def counts(self) -> bool:
        return not self._is_users() and not self.transport.is_closing()

    def is_answered(self) -> bool:
        """Whether a request is being answered here; those of strangers are refused at once."""
        return self.cycle is not None and not self.cycle.response_complete

    def _is_users(self) -> bool:
        return came_over_unix({"server": self.server})

    def _cut_if_silent(self) -> None:
        if not self.cycle:
            self.transport.abort()


class Complaints:
    """What goes wrong in the loop, told once a minute: asyncio repeats it hundreds of times a second."""

    def __init__(self) -> None:
        self._told_at = -math.inf
        self._untold = 0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if loop.time() - self._told_at < COMPLAINT_EVERY_S:
            self._untold += 1
            return
        more = f" (and {self._untold:,} more since the last time)" if self._untold else ""
        error = context.get("exception")
        log.error("the api: %s%s%s", context["message"], f" {error}" if error is not None else "", more)
        self._told_at, self._untold = loop.time(), 0


def allow_files() -> None:
    """Have the system let us open as many files as it may, within reason."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
