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

from keeprate.config.workspace import config_of
from keeprate.errors import CatalogError, ConfigError, DiskFullError, KeeprateError, UsageError
from keeprate.paths import Home
from keeprate.service.clocks import MachineClocks
from keeprate.service.control import Control
from keeprate.service.door import Door, Server
from keeprate.service.engine import Engine
from keeprate.service.notify import Notifier
from keeprate.service.pulse import Pulse
from keeprate.service.standstill import LOOK_AGAIN_S, Standstill
from keeprate.steps.lock import hold_lock
from keeprate.steps.marks.managers import check_marks
from keeprate.steps.session import Session, open_session

GRACE_S = 4.0
"""A daemon that was told to stop and still has not ended after this long is ended hard: no step minds."""
UNUSABLE_CATALOG = 65
"""What `keeprate run` ends with where starting again would not help, as 2 for a config: systemd then leaves it
(decision 0091). `EX_DATAERR` of sysexits.h."""

LONGEST_OPENING_S = 3600.0
"""Once there is room, a catalog from before an update is copied and made new: so long no sign of life is asked for."""

log = logging.getLogger("keeprate")


def run_daemon(home: Home, *, serve: Callable[[Home, Control], Server] | None = None) -> None:
    """Work until SIGTERM or SIGINT; where the disk is too full to begin, wait until it is not.

    Args:
        home: what to work on.
        serve: makes the server by which the daemon can be reached; None: it cannot be.

    Raises:
        BusyError: another daemon works on this home.
        KeeprateError: the config or the catalog cannot be used, or there is no library.
    """
    notifier = Notifier()
    with hold_lock(home.daemon_lock_file), _signals() as ear:
        session = _opened_in_time(home, serve, notifier, ear)
        if session is not None:
            with session:
                _run(session, serve, notifier, ear)


class _Ear:
    """Tells whoever is in charge what signals say; who takes charge is told what came before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: Control | None = None
        self._reload = False
        self.stopped = False
        """Whether the daemon was told to stop."""

    def hear(self, number: int) -> None:
        with self._lock:
            if number == signal.SIGHUP:
                self._reload = True
                if self._control is not None:
                    self._control.reload()
            else:
                self.stopped = True
                if self._control is not None:
                    self._control.stop()

    def put_in_charge(self, control: Control) -> None:
        with self._lock:
            self._control = control
            if self._reload:
                control.reload()
            if self.stopped:
                control.stop()


def _run(session: Session, serve: Callable[[Home, Control], Server] | None, notifier: Notifier, ear: _Ear) -> None:
    if ear.stopped:
        notifier.stopping()
        return
    door = Door(session.home, serve)
    engine = Engine(session, notifier=notifier, before_work=lambda: door.check(engine))
    ear.put_in_charge(engine)
    _work(engine, notifier, door)


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


def _opened(home: Home) -> Session:
    """A session that the daemon can work with."""
    try:
        session = open_session(home)
    except CatalogError as error:
        if not isinstance(error.__cause__, sqlite3.OperationalError):  # in use, or the disk: may pass
            error.exit_code = UNUSABLE_CATALOG
        raise
    try:
        session.libraries()
        check_marks(session.config)
    except BaseException:
        session.catalog.close()
        raise
    return session


def _opened_in_time(
    home: Home, serve: Callable[[Home, Control], Server] | None, notifier: Notifier, ear: _Ear
) -> Session | None:
    """A session as soon as the disk has room for one; None: told to stop before (decision 0120)."""
    try:
        return _opened(home)
    except DiskFullError as error:
        standstill = Standstill(config_of(home), error)
    door = Door(home, serve)
    ear.put_in_charge(standstill)
    try:
        with contextlib.suppress(KeeprateError):  # there may be no room for a socket either
            door.open(standstill)
        standstill.tell()
        notifier.ready()  # the api answers; a start that waited for room would be ended and tried anew
        notifier.status(standstill.sentence)
        notifier.watch_every(LONGEST_OPENING_S)
        while standstill.wait(min(LOOK_AGAIN_S, (notifier.watchdog_s or 60) / 3)):
            notifier.watchdog()
            try:
                return _opened(home)
            except (DiskFullError, ConfigError, UsageError) as error:
                if standstill.goes_on(error):
                    standstill.tell()
                    notifier.status(standstill.sentence)
    finally:
        door.close()
        notifier.watch_every(notifier.watchdog_s or 0)
    notifier.stopping()
    return None


@contextlib.contextmanager
def _signals() -> Iterator[_Ear]:
    """Hear signals in a thread of their own, also while the engine's is deep in SQLite or on a disk that hangs."""
    ear = _Ear()
    ended = threading.Event()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, _heard) for number in numbers}
    wakeup = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(ours, ear, ended), name="keeprate-signals", daemon=True).start()
    try:
        yield ear
    finally:
        ended.set()
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        theirs.close()


def _heard(*_: object) -> None:
    """The interpreter's own part of a signal; what it means is done where `_listen` reads it."""


def _listen(channel: socket.socket, ear: _Ear, ended: threading.Event) -> None:
    with channel:
        while numbers := channel.recv(16):
            for number in numbers:
                ear.hear(number)
                if number != signal.SIGHUP:
                    threading.Thread(target=_end_in_time, args=(ended,), name="keeprate-end", daemon=True).start()


def _end_in_time(ended: threading.Event) -> None:
    """Many short waits make the grace, so that what a busy machine takes from us all does not count."""
    if not any(ended.wait(0.1) for _ in range(round(GRACE_S / 0.1))):
        log.warning("A step did not stop in time: the daemon ends without it. Nothing is lost.")
        os._exit(0)
