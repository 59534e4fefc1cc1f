"""The daemon while the disk of the catalog has no room even to open it: it answers, says so, and waits.

Settings that make no sense meanwhile are waited for as well: a daemon that is up does not end for them.

To end would be no help: a service manager would start it a few times and then leave it, also once there is room.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import NoReturn

from keeprate import __version__
from keeprate.config.models import Config
from keeprate.errors import DiskFullError, KeeprateError
from keeprate.service.control import JOB_TITLES, JobStatus, Live
from keeprate.service.events import Events

LOOK_AGAIN_S = 5.0
"""How often it is tried whether there is room."""


class Standstill:
    """Satisfies `control.Control`; nothing can be asked of it but to look again, and to stop."""

    def __init__(self, config: Config, error: DiskFullError) -> None:
        self._config = config
        self._error: KeeprateError = error
        self._events = Events()
        self._began_at = time.time()
        self._woken = threading.Event()
        self._stopping = False

    @property
    def events(self) -> Events:
        return self._events

    @property
    def config(self) -> Config:
        return self._config

    @property
    def damage(self) -> str:
        return ""  # it was never opened

    @property
    def sentence(self) -> str:
        advice = "Make room" if isinstance(self._error, DiskFullError) else self._error.advice.rstrip(".:")
        return f"{self._error.what} {advice}: keeprate waits for it, and goes on by itself."

    def goes_on(self, error: KeeprateError) -> bool:
        """Because of `error` now; whether that is another one than before."""
        before, self._error = self._error, error
        return str(before) != str(error)

    def tell(self) -> None:
        """Say what is the matter."""
        if isinstance(self._error, DiskFullError):
            self._events.tell("disk.full", self.sentence, level=logging.ERROR)
        else:
            path = None if self._error.path is None else str(self._error.path)
            self._events.tell("daemon.config_rejected", self.sentence, level=logging.ERROR, path=path)

    def live(self) -> Live:
        jobs = tuple(JobStatus(name, title, "waiting", self._error.what) for name, title in JOB_TITLES.items())
        said = self.sentence
        return Live(os.getpid(), __version__, self._began_at, "attention", said, (said,), None, None, jobs, None)

    def run_job(self, name: str, *, because: str) -> NoReturn:  # noqa: ARG002
        raise self._error

    def pause(self, name: str | None = None, *, until: float | None = None) -> NoReturn:  # noqa: ARG002
        raise self._error

    def resume(self, name: str | None = None) -> NoReturn:  # noqa: ARG002
        raise self._error

    def make_way(self, who: str) -> None:
        """It holds no lock that anybody may wait for."""

    def catalog_changed(self) -> None:
        self._woken.set()

    def reload(self) -> None:
        """The settings are read when there is room; that may be now."""
        self._woken.set()

    def stop(self) -> None:
        self._stopping = True
        self._woken.set()

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until there is a reason to look; whether to go on."""
        self._woken.wait(seconds)
        self._woken.clear()
        return not self._stopping
