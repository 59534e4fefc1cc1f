"""A keeprate that has loaded itself and waits: a command is a copy of it, a process of its own that begins at once.

Loading the command line takes most of the time of a small command, and the tests run a thousand. So one process a test
session loads it, and forks for each command. The copy gets the arguments, environment, folder and output of that
command, does what `python -m keeprate` does, and ends as that would; nothing of it comes back to the one that waits.

What shows only in a process that began by itself has to be started by itself (`commands.COMMAND`).
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

Ended = tuple[int, bytes, bytes]
"""The exit code, what was written to stdout and what to stderr."""
_STAYING = frozenset({"run", "demo", "tray"})
"""Commands that are there for long, and care how their process began."""
_READ_EARLY = (
    "PYTHON", "LD_", "MALLOC_", "GLIBC_", "LC_", "LANG", "TZ", "TERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR",
    "TTY_", "OMP_", "OPENBLAS_", "MKL_",
)  # fmt: skip
"""How the variables begin that the interpreter or a library reads while it loads."""
_LOADED = ("keeprate.cli.main", "keeprate.steps.session", "keeprate.steps.worker_client", "keeprate.api.client")
"""What is there when a command begins: that which most of them use, and nothing that starts threads."""


class _Ready:
    """The process that waits, seen from the tests."""

    def __init__(self) -> None:
        self.variables = _read_early(os.environ)
        self._at_work = 0  # the process id of the command, until it is done
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        atexit.register(self.close)

    def run(self, arguments: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> Ended:
        assert self._process.stdin is not None
        with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
            order = [list(arguments), dict(environment), str(Path.cwd()), out.name, err.name]
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            self._at_work = self._told()
            too_long = threading.Event()

            def end() -> None:
                too_long.set()
                self._kill_command()

            timer = threading.Timer(timeout_s, end)
            timer.start()
            try:
                code = self._told()
            finally:
                timer.cancel()
                timer.join()
            self._at_work = 0
            ended = code, out.read(), err.read()
            if too_long.is_set():
                raise subprocess.TimeoutExpired(["keeprate", *arguments], timeout_s, *ended[1:])
            return ended

    def _told(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def _kill_command(self) -> None:
        if self._at_work > 0:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._at_work, signal.SIGKILL)

    def close(self) -> None:
        """End it, and the command that it may be at."""
        atexit.unregister(self.close)
        self._kill_command()
        self._process.communicate()


_one_at_a_time = threading.Lock()
_waiting: list[_Ready] = []


def run(arguments: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> Ended | None:
    """How `keeprate ARGUMENTS` ended and what it said; None if it has to be a process that begins by itself.

    Raises:
        subprocess.TimeoutExpired: it took longer than `timeout_s`, and was killed.
    """
    if not hasattr(os, "fork") or _STAYING.intersection(arguments[:1]) or not _one_at_a_time.acquire(blocking=False):
        return None
    try:
        if not _waiting:
            _waiting.append(_Ready())
        if _waiting[0].variables != _read_early(environment):
            return None
        return _waiting[0].run(arguments, environment, timeout_s)
    except BaseException:  # a test may be ended in the middle, and the next must not get the answer of this one
        while _waiting:
            _waiting.pop().close()
        raise
    finally:
        _one_at_a_time.release()


def _read_early(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_EARLY)}


def _wait_for_orders() -> None:
    """Fork for each line of stdin, and tell the copy's process id and exit code; returns in the copies, and at the end.

    The copies get no stdin, and what is told goes out where they cannot reach it.
    """
    orders, told = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    for name in _LOADED:
        importlib.import_module(name)
    gc.freeze()  # else the collector would touch, and so copy, all that is loaded
    for line in orders:
        process_id = os.fork()
        if process_id == 0:
            _become(*json.loads(line))
            return
        print(process_id, file=told, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1]), file=told, flush=True)


def _become(arguments: list[str], environment: dict[str, str], folder: str, out: str, err: str) -> None:
    """Do `keeprate ARGUMENTS` in this process.

    Raises:
        SystemExit: how it ended.
    """
    for number, path in ((1, out), (2, err)):
        with open(path, "wb", buffering=0) as sink:
            os.dup2(sink.fileno(), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path.insert(0, folder)
    sys.argv = ["-m", *arguments]
    sys.orig_argv = [sys.executable, "-m", "keeprate", *arguments]
    runpy.run_module("keeprate", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    del sys.path[0]  # this folder
    _wait_for_orders()
