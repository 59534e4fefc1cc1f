"""The daemon in the foreground: one for each home, from the first lock to the last goodbye.

SIGTERM and SIGINT end it within seconds, SIGHUP has it read its settings again. What it does meanwhile is the
engine's business (`engine`), how it is reached that of the server that it is given.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator

from keeprate.errors import CatalogError
from keeprate.paths import Home
from keeprate.service.clocks import MachineClocks
from keeprate.service.control import Control
from keeprate.service.door import Door, Server
from keeprate.service.engine import Engine
from keeprate.service.notify import Notifier
from keeprate.service.pulse import Pulse
from keeprate.steps.lock import hold_lock
from keeprate.steps.marks.managers import check_marks
from keeprate.steps.session import Session, open_session

GRACE_S = 4.0
"""A daemon that was told to stop and still has not ended after this long is ended hard: no step minds."""
UNUSABLE_CATALOG = 65
"""What `keeprate run` ends with where starting again would not help, as 2 for a config: systemd then leaves it
(decision 0091). `EX_DATAERR` of sysexits.h."""

log = logging.getLogger("keeprate")


def run_daemon(home: Home, *, serve: Callable[[Home, Control], Server] | None = None) -> None:
    """Work until SIGTERM or SIGINT.

    Args:
        home: what to work on.
        serve: makes the server by which the daemon can be reached; None: it cannot be.

    Raises:
        BusyError: another daemon works on this home.
        KeeprateError: the config or the catalog cannot be used, or there is no library.
    """
    notifier = Notifier()
    with hold_lock(home.daemon_lock_file), _opened(home) as session:
        session.libraries()
        check_marks(session.config)
        door = Door(home, serve)
        engine = Engine(session, notifier=notifier, before_work=lambda: door.check(engine))
        ended = threading.Event()
        try:
            with _signals(engine, ended):
                _work(engine, notifier, door)
        finally:
            ended.set()


def _work(engine: Engine, notifier: Notifier, door: Door) -> None:
    pulse = Pulse(engine, notifier, MachineClocks())
    engine.events.tell("daemon.started", f"keeprate has started (process {os.getpid()}).", pid=os.getpid())
    try:
        door.open(engine)
        pulse.start()
        engine.start()
        notifier.ready()
        engine.events.tell("daemon.ready", "All folders are watched.", level=logging.DEBUG)
        engine.run()
    finally:
        notifier.stopping()
        engine.events.tell("daemon.stopping", "keeprate stops.")
        engine.close()
        pulse.stop()
        door.close()


@contextlib.contextmanager
def _opened(home: Home) -> Iterator[Session]:
    try:
        session = open_session(home)
    except CatalogError as error:
        if not isinstance(error.__cause__, sqlite3.OperationalError):  # in use, or the disk: may pass
            error.exit_code = UNUSABLE_CATALOG
        raise
    with session:
        yield session


@contextlib.contextmanager
def _signals(engine: Engine, ended: threading.Event) -> Iterator[None]:
    """Hear signals in a thread of their own, also while the engine's is deep in SQLite or on a disk that hangs."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, _heard) for number in numbers}
    wakeup = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(ours, engine, ended), name="keeprate-signals", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        theirs.close()


def _heard(*_: object) -> None:
    """The interpreter's own part of a signal; what it means is done where `_listen` reads it."""


def _listen(channel: socket.socket, engine: Engine, ended: threading.Event) -> None:
    with channel:
        while numbers := channel.recv(16):
            for number in numbers:
                if number == signal.SIGHUP:
                    engine.reload()
                else:
                    engine.stop()
                    threading.Thread(target=_end_in_time, args=(ended,), name="keeprate-end", daemon=True).start()


def _end_in_time(ended: threading.Event) -> None:
    if not ended.wait(GRACE_S):
        log.warning("A step did not stop in time: the daemon ends without it. Nothing is lost.")
        os._exit(0)
