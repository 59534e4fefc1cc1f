"""Tell systemd how the service does: sd_notify(3) without its library; nothing where nobody listens.

A service of Type=notify counts as started after `ready`, says what it does by `status` (`systemctl status` shows it),
and is killed and started again where `watchdog` was not called for longer than WatchdogSec.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping

LONGEST_STATUS = 200
PASSING_S = 1.0
PATIENCE_S = 5.0
"""So long a message that matters waits where the manager has no time to read; the others are dropped."""


class Notifier:
    """Speaks to the socket that `NOTIFY_SOCKET` names. May be called from any thread."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._said_at = 0.0
        self.watchdog_s = _watchdog_s(environment) if address else None
        """`watchdog` has to be called more often than this; None: nobody watches."""

    def ready(self) -> None:
        """Everything stands: also after a reload."""
        self._send("READY=1", PATIENCE_S)

    def reloading(self) -> None:
        """The config is read again, until `ready`. The time tells systemd which of its signals this answers."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}", PATIENCE_S)

    def status(self, sentence: str, *, passing: bool = False) -> None:
        """What the service does. `passing`: one of many such sentences, told at most once a second."""
        now = time.monotonic()
        if passing and now - self._said_at < PASSING_S:
            return
        self._said_at = now
        self._send("STATUS=" + " ".join(sentence.split())[:LONGEST_STATUS])

    def watchdog(self) -> None:
        """There is progress."""
        if self.watchdog_s is not None:
            self._send("WATCHDOG=1")

    def watch_every(self, seconds: float) -> None:
        """From now on it is enough to call `watchdog` so often; `watchdog_s` is what the unit asks for."""
        if self.watchdog_s is not None:
            self._send(f"WATCHDOG_USEC={round(seconds * 1e6)}", PATIENCE_S)

    def stopping(self) -> None:
        self._send("STOPPING=1", PATIENCE_S)

    def _send(self, message: str, wait_s: float = 0.0) -> None:
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),  # a service manager that does not listen is no reason to fail
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel,
        ):
            channel.settimeout(wait_s)
            channel.sendto(message.encode("utf-8", "replace"), self._address)


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    micros, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not micros.isdigit() or int(micros) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(micros) / 1e6
