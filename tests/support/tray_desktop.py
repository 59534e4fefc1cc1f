"""A graphical session for the tray: a display and a session bus of its own, and PyGObject for its process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from support.commands import COMMAND
from support.waiting import PATIENCE_S, wait_until

DEBIANS = Path("/usr/lib/python3/dist-packages")
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""
"""A bus that starts nothing by itself."""


@dataclass(frozen=True, slots=True)
class Session:
    """Where a graphical program of the test runs."""

    environment: dict[str, str]
    bus: str
    display: str

    def with_this_home(self) -> Session:
        """The same session for the home that the environment names now, which is another one in each test."""
        named = ("HOME", "KEEPRATE_HOME", *(f"XDG_{name}_HOME" for name in ("CONFIG", "DATA", "STATE", "CACHE")))
        return replace(self, environment=self.environment | {name: os.environ[name] for name in named})


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")


def pygobject(folder: Path) -> str:
    """A folder for PYTHONPATH in which PyGObject is found, of the system if our own interpreter has none."""
    if (DEBIANS / "gi").is_dir():
        (folder / "gi").symlink_to(DEBIANS / "gi")
    probe = "import gi; gi.require_version('Gtk', '3.0'); gi.require_version('AyatanaAppIndicator3', '0.1')"
    done = subprocess.run(
        [sys.executable, "-c", probe], env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"needs PyGObject with GTK 3 and AppIndicator: {done.stderr.decode().strip().splitlines()[-1]}")
    return str(folder)


@contextmanager
def graphical_session(folder: Path, size: str = "640x480x24") -> Iterator[Session]:
    """A display and a bus, for as long as the block runs; skips where they are not to be had."""
    need("Xvfb", "dbus-daemon")
    folder.mkdir()
    (folder / "python").mkdir()
    found = pygobject(folder / "python")
    with ExitStack() as stack:
        display = stack.enter_context(_display(size))
        socket = folder / "bus"
        (folder / "bus.conf").write_text(BUS.format(socket=socket))
        bus = subprocess.Popen(
            ["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork", "--nopidfile"], stderr=subprocess.DEVNULL
        )
        stack.callback(_end, bus)
        wait_until(socket.is_socket)
        environment = {
            **os.environ,
            "DISPLAY": display,
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={socket}",
            "XDG_RUNTIME_DIR": str(folder),
            "PYTHONPATH": found,
            "NO_AT_BRIDGE": "1",
            "GTK_THEME": "Adwaita",
            "TZ": "UTC",
        }
        for name in ("WAYLAND_DISPLAY", "PYSTRAY_BACKEND", "GDK_BACKEND"):
            environment.pop(name, None)
        yield Session(environment, f"unix:path={socket}", display)


@contextmanager
def _display(size: str) -> Iterator[str]:
    readable, writable = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writable), "-screen", "0", size, "-nolisten", "tcp"],
        pass_fds=[writable], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writable)
    try:
        with os.fdopen(readable) as answer:
            number = answer.readline().strip()  # it writes when it is ready; an empty line if it could not start
        if not number:
            pytest.skip("Xvfb does not start here")
        yield f":{number}"
    finally:
        _end(server)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(PATIENCE_S)


@contextmanager
def tray(session: Session, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """`keeprate tray` in the session; ended with the block if it still runs."""
    process = subprocess.Popen(
        [*COMMAND, "tray", *arguments], env={**session.environment, **environment}, stderr=subprocess.PIPE
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def opener(folder: Path) -> Callable[[], list[str]]:
    """A program in `folder` that stands for the desktop's `xdg-open`; returns what tells what it was asked to open."""
    folder.mkdir()
    asked = folder / "asked"
    asked.touch()
    program = folder / "xdg-open"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >> "{asked}"\n')
    program.chmod(0o755)
    return lambda: asked.read_text().splitlines()
