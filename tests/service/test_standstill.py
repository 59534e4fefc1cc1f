"""A daemon that found no room for its catalog, at the moment when there is some: nothing said to it then is lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keeprate.paths import Home
from keeprate.steps.session import Session
from support.waiting import PATIENCE_S, wait_until

DAEMON = """
import logging, os, signal, sys, time
from pathlib import Path
from keeprate.errors import DiskFullError
from keeprate.paths import locate_home
from keeprate.service import daemon, notify
from keeprate.service.engine import Engine

room, opening, between = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
logging.basicConfig(level=logging.DEBUG, format="%(message)s")
daemon.LOOK_AGAIN_S = 0.1
notify.PATIENCE_S = 60.0  # who reads in the test may be kept from it
opens = daemon.open_session

def open_session(home):
    if not room.exists():
        raise DiskFullError("The disk is full.", advice="Make room.")
    if opening:
        os.kill(os.getpid(), signal.Signals[opening])
    if opening == "SIGTERM":
        time.sleep(1)  # a migration
    return opens(home)

class Begun(Engine):
    def __init__(self, *arguments, **more):
        if between:
            os.kill(os.getpid(), signal.Signals[between])
        super().__init__(*arguments, **more)

daemon.open_session = open_session
daemon.Engine = Begun
daemon.run_daemon(locate_home())
print("ended by itself", flush=True)
"""


class Waiting:
    """The process, what it has said, and the file that stands for room on its disk."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, room: Path) -> None:
        self.process = process
        self._log = log
        self._room = room

    def make_room(self) -> None:
        self._room.touch()

    def says(self, words: str) -> None:
        def said() -> bool:
            return words in self._log.read_text() or self.process.poll() is not None

        wait_until(said, what=f"it says {words!r}")
        assert words in self._log.read_text(), "it ended"

    def ends(self) -> None:
        assert self.process.wait(PATIENCE_S) == 0, self._log.read_text()
        assert "Traceback" not in self._log.read_text()


@contextmanager
def waiting(tmp_path: Path, *, opening: str = "", between: str = "", **environment: str) -> Iterator[Waiting]:
    """A daemon that waits for room, and to which a signal comes while it opens the catalog, or just after."""
    room, log = tmp_path / "room", tmp_path / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-c", DAEMON, room, opening, between],
            stdout=sink, stderr=sink, env={**os.environ, **environment},
        )  # fmt: skip
    one = Waiting(process, log, room)
    with process:
        try:
            one.says("The disk is full.")
            yield one
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def of_session(session: Session) -> Home:
    """One with a library."""
    return session.home


@pytest.mark.parametrize("moment", [{"opening": "SIGTERM"}, {"between": "SIGTERM"}])
def test_who_tells_it_to_stop_when_there_is_room_at_last_is_heard(tmp_path: Path, moment: dict[str, str]) -> None:
    with waiting(tmp_path, **moment) as daemon:
        daemon.make_room()
        daemon.ends()


@pytest.mark.parametrize("moment", [{"opening": "SIGHUP"}, {"between": "SIGHUP"}])
def test_who_has_it_read_its_settings_just_then_does_not_end_it(tmp_path: Path, moment: dict[str, str]) -> None:
    with waiting(tmp_path, **moment) as daemon:
        daemon.make_room()
        daemon.says("The settings were read again.")
        daemon.process.send_signal(signal.SIGTERM)
        daemon.ends()


def test_settings_that_were_broken_meanwhile_are_waited_for_too(tmp_path: Path, of_session: Home) -> None:
    config_file = of_session.config_file
    sound = config_file.read_text()
    with waiting(tmp_path) as daemon:
        config_file.write_text("[[library")
        daemon.make_room()
        daemon.says("The config file is not valid TOML")
        config_file.write_text("")
        daemon.says("There is no library yet.")
        config_file.write_text(sound)
        daemon.says("All folders are watched.")
        daemon.process.send_signal(signal.SIGTERM)
        daemon.ends()


def test_no_sign_of_life_is_asked_for_while_a_catalog_is_opened(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(bytes(tmp_path / "notify"))
        manager.settimeout(PATIENCE_S)

        def watchdog_s() -> float:
            heard: list[bytes] = []

            def asked() -> bool:
                heard.append(manager.recv(4096))
                return heard[-1].startswith(b"WATCHDOG_USEC=")

            wait_until(asked, what="it says how often it will be heard")
            return int(heard[-1].partition(b"=")[2]) / 1e6

        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "180000000"}
        with waiting(tmp_path, **told) as daemon:
            assert watchdog_s() == 3600
            daemon.make_room()
            assert watchdog_s() == 180, "as the unit says, once it is open"
            daemon.process.send_signal(signal.SIGTERM)
            daemon.ends()
