"""A screen that nobody sees, with a message bus and a home of its own, for programs with windows.

Everything that is started on it, message-bus services included, is ended with it: each process carries a token in its
environment by which it is found.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from PIL import Image

from support.waiting import wait_until

TOKEN = "KEEPRATE_TEST_DISPLAY"
NEEDED = ("Xvfb", "dbus-daemon", "xdotool", "import")
"""Without these nothing can be shown; Debian: xvfb dbus xdotool imagemagick."""


@dataclass(slots=True)
class Display:
    """A running X server and message bus."""

    home: Path
    """HOME of all programs, the same as keeprate's in the test; so are the XDG folders."""
    environment: dict[str, str]
    size: tuple[int, int]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return Path(self.environment["XDG_CONFIG_HOME"])

    @property
    def data(self) -> Path:
        return Path(self.environment["XDG_DATA_HOME"])

    def start(self, command: Sequence[str | Path], *, log: str | None = None) -> subprocess.Popen[bytes]:
        """Start a program on this display; its output goes to `home/LOG.log` (default: the program's name)."""
        name = log or Path(str(command[0])).name
        with (self.home / f"{name}.log").open("ab") as sink:
            process = subprocess.Popen(
                [str(part) for part in command], env=self.environment, stdin=subprocess.DEVNULL, stdout=sink,
                stderr=sink, cwd=self.home, start_new_session=True,
            )  # fmt: skip
        self.started.append(process)
        return process

    def run(self, *command: str | Path, timeout_s: float = 10) -> str:
        """Run a command on this display to its end; its stdout, whatever its exit code."""
        done = subprocess.run(
            [str(part) for part in command], env=self.environment, capture_output=True, timeout=timeout_s,
            check=False, cwd=self.home,
        )  # fmt: skip
        return done.stdout.decode("utf-8", "replace")

    def screenshot(self) -> Image.Image:
        """What is on the screen."""
        target = self.home / "screen.png"
        subprocess.run(["import", "-window", "root", target], env=self.environment, check=True, timeout=20)
        with Image.open(target) as image:
            return image.convert("RGB")

    def click(self, x: int, y: int, button: int = 1, *, times: int = 1) -> None:
        self.run("xdotool", "mousemove", str(x), str(y), "click", "--repeat", str(times), str(button))

    def press(self, *keys: str) -> None:
        """Keys as xdotool calls them, such as `ctrl+a`, to the window that has the focus."""
        self.run("xdotool", "key", "--clearmodifiers", *keys)

    def windows(self, window_class: str) -> list[str]:
        """Ids of the visible windows of a program."""
        return self.run("xdotool", "search", "--onlyvisible", "--class", window_class).split()

    def fill_screen(self, window_class: str) -> None:
        """Let the windows of a program fill the screen."""
        width, height = self.size
        for window in self.windows(window_class):
            self.run("xdotool", "windowmove", window, "0", "0", "windowsize", window, str(width), str(height))

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End one program at once, as a power cut would: some ignore a polite request."""
        process.kill()
        process.wait(10)


def _processes(token: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(TOKEN) == token:
                found.append(process)
    return found


def missing() -> list[str]:
    """Programs that a display needs and that are not here."""
    return [program for program in NEEDED if shutil.which(program) is None]


@contextlib.contextmanager
def shown(home: Path, size: tuple[int, int] = (1400, 900)) -> Iterator[Display]:
    """A display for the length of the block; `home` is made if missing, and keeprate finds the same XDG folders."""
    token = secrets.token_hex(8)
    runtime = home / "run"
    runtime.mkdir(parents=True, mode=0o700, exist_ok=True)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XDG_RUNTIME", "XDG_SESSION", "XDG_CURRENT", "DBUS_", "WAYLAND_", "QT_", "GTK_", "LC_"))
        and name != "DISPLAY"
    }
    folders = {"CONFIG": ".config", "CACHE": ".cache", "DATA": ".local/share", "STATE": ".local/state"}
    environment = {f"XDG_{name}_HOME": str(home / folder) for name, folder in folders.items()} | inherited
    environment |= {
        TOKEN: token,
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(runtime),
        "LC_ALL": "C.UTF-8",
        "NO_AT_BRIDGE": "1",  # no accessibility bus
        "GIO_USE_VFS": "local",
        "GSETTINGS_BACKEND": "keyfile",
        "QT_LOGGING_RULES": "*.debug=false",
        "QTWEBENGINE_DISABLE_SANDBOX": "1",  # Chromium's refuses to run as root
        "LIBGL_ALWAYS_SOFTWARE": "1",
    }
    display = Display(home, environment, size)
    try:
        number = _start_server(display)
        environment["DBUS_SESSION_BUS_ADDRESS"] = _start_bus(display)
        environment["DISPLAY"] = f":{number}"  # the bus has none: it shall start no programs with windows of its own
        yield display
    finally:
        _end_all(token, display)


def _start_server(display: Display) -> str:
    """The number that the X server chose."""
    width, height = display.size
    number_file = display.home / "display-number"
    script = f'exec Xvfb -displayfd 8 -screen 0 {width}x{height}x24 -nolisten tcp 8>"{number_file}"'
    display.start(["sh", "-c", script], log="Xvfb")
    wait_until(lambda: number_file.is_file() and number_file.read_text().endswith("\n"), 20, what="Xvfb starts")
    return number_file.read_text().strip()


def _start_bus(display: Display) -> str:
    address_file = display.home / "bus-address"
    script = f'exec dbus-daemon --session --nofork --print-address=8 8>"{address_file}"'
    display.start(["sh", "-c", script], log="dbus")
    wait_until(lambda: address_file.is_file() and address_file.read_text().endswith("\n"), 20, what="the bus starts")
    return address_file.read_text().strip()


def _end_all(token: str, display: Display) -> None:
    """Kill what carries the token, until nothing does: services may start others while we look."""

    def nothing_left() -> bool:
        alive = _processes(token)
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        for process_ in display.started:
            process_.poll()  # reaps
        return not alive

    wait_until(nothing_left, 20, what="all programs of the display end")
    for started in display.started:
        started.wait(10)
