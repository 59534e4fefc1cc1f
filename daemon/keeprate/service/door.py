"""How the daemon is reached: it notes where its socket is, and makes it again when somebody has taken it away.

It is made anew, too, where `[api]` says something else since the settings were read again.

The folder for sockets follows from the environment, which is another one under `su` or cron, and it is emptied when a
session ends. The note lies in the state folder, where whoever looks for this home's daemon looks anyway.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from keeprate.errors import KeeprateError
from keeprate.paths import Home, write_private

if TYPE_CHECKING:  # commands that only want to know where the socket is load none of it
    from keeprate.config.models import ApiConfig
    from keeprate.service.control import Control

NOTE = "socket"
"""Name of the file in the state folder."""
INSTEAD = "run"
"""Name of the folder there where the socket is when its usual place is no more."""

log = logging.getLogger("keeprate")


class Server(Protocol):
    """How other programs reach the daemon."""

    def start(self) -> None:
        """Returns when it listens; may raise a KeeprateError."""

    def stop(self) -> None: ...


class Door:
    """Starts the server, and starts it anew where nobody could find it any more, or it is to be another."""

    def __init__(self, home: Home, serve: Callable[[Home, Control], Server] | None) -> None:
        """`serve` makes the server; None: the daemon cannot be reached."""
        self._home = home
        self._serve = serve
        self._server: Server | None = None
        self._config: ApiConfig | None = None
        """What was in force when it was opened."""
        self._complained = False

    def open(self, control: Control) -> None:
        """Listen.

        Raises:
            KeeprateError: it cannot be.
        """
        if self._serve is None:
            return
        self._config = control.config.api
        server = self._serve(self._home, control)
        server.start()
        self._server = server
        with suppress(OSError):  # a full disk: whoever has our environment finds the socket all the same
            note = self._home.state_dir / NOTE
            write_private(note, os.fsencode(self._home.socket_file))

    def check(self, control: Control) -> None:
        """See whether the socket is still there, and make it again if it is not: in its place, or in one of ours.

        Where `[api]` is another than when it was opened, all of it is made anew: browsers have to be let in again.
        """
        changed = control.config.api != self._config
        if self._serve is None or (self._home.socket_file.exists() and not changed):
            return
        self._stop_server()
        usual = self._home
        for home in (usual, replace(usual, runtime_dir=usual.state_dir / INSTEAD)):
            self._home = home
            try:
                self.open(control)
            except KeeprateError as error:
                reason = error
            else:
                if changed:
                    log.info("The api is served as [api] says now.")
                else:
                    log.warning("The api's socket had vanished and was made again: %s", home.socket_file)
                self._complained = False
                return
        self._home = usual
        if not self._complained:
            log.error("The api's socket has vanished and cannot be made again: %s", reason)
            self._complained = True

    def close(self) -> None:
        """Serve nobody any more."""
        self._stop_server()
        with suppress(OSError):
            (self._home.state_dir / NOTE).unlink()

    def _stop_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()


def found_socket(home: Home) -> Path:
    """Where the daemon of this home has noted that its socket is; else where it is by our environment."""
    with suppress(OSError):
        noted = Path(os.fsdecode((home.state_dir / NOTE).read_bytes()))
        if noted.is_absolute() and noted.exists():
            return noted
    return home.socket_file
