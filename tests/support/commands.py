"""Run keeprate as a user does: as a command in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from keeprate.api.client import DaemonClient
from keeprate.paths import locate_home
from keeprate.steps.restraint import cores
from support import ready
from support.waiting import COMMAND_S, PATIENCE_S, wait_until

COMMAND = [sys.executable, "-m", "keeprate"]


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command ended with."""

    code: int
    out: str
    err: str


def without_privileges() -> list[str]:
    """What to put before a command so that permissions hold for it even if the tests run as root."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may read everything, and setpriv is not here to give that up")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def run(
    *arguments: str | Path, timeout_s: float = COMMAND_S, before: Sequence[str] = (), **environment: str
) -> Finished:
    """Run `keeprate ARGUMENTS` to its end, in a process of its own; `before` is put before the command."""
    words, variables = [str(argument) for argument in arguments], {**os.environ, **environment}
    ended = None if before else ready.run(words, variables, timeout_s)
    if ended is None:
        command = [*before, *COMMAND, *words]
        done = subprocess.run(command, capture_output=True, timeout=timeout_s, env=variables, check=False)
        ended = done.returncode, done.stdout, done.stderr
    code, out, err = ended
    return Finished(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def keeprate(*arguments: str | Path, timeout_s: float = COMMAND_S) -> str:
    """Run `keeprate ARGUMENTS`, which must succeed; returns its stdout."""
    done = run(*arguments, timeout_s=timeout_s)
    assert done.code == 0, f"{arguments} ended with {done.code}:\n{done.out}\n{done.err}"
    return done.out


def answer(*arguments: str | Path, timeout_s: float = COMMAND_S) -> Any:
    """Run `keeprate ARGUMENTS --json` and return the parsed answer."""
    return json.loads(keeprate(*arguments, "--json", timeout_s=timeout_s))


def set_quick(home: Path) -> None:
    """Let the daemon of this home react within a second."""
    config = home / "keeprate" / "config.toml"
    config.write_text(
        config.read_text()
        + '\n[watching]\nstable_after = "300ms"\n[training]\nquiet_after = "500ms"\nmin_new_labels = 4\n'
        + '[embedding]\nidle_exit = "1s"\nthreads = 1\n[jobs]\nwhile_busy = true\non_battery = true\n'
    )


def set_slow(home: Path, *, slow: bool = True) -> None:
    """After `set_quick`: what is to be interrupted is not done before that, or goes on at full speed again.

    The worker then uses a tenth of a core, on any machine: some twenty small photos a second.
    """
    config = home / "keeprate" / "config.toml"
    text = re.sub(r"max_cpu = \d+\n", "", config.read_text())
    share = f"max_cpu = {max(1, round(10 / cores()))}\n" if slow else ""
    config.write_text(text.replace("[jobs]\n", f"[jobs]\n{share}"))


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """What is started in the block hears Ctrl-C; tests in a shell's background ignore it, and so do their children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def started(*arguments: str | Path, before: str = "") -> Iterator[subprocess.Popen[str]]:
    """`keeprate ARGUMENTS` beside the test, which reads what it says; killed with the block if it has not ended.

    `before` is Python code that is run first.
    """
    program = [sys.executable, "-c", f"{before}\nfrom keeprate.cli import main; main()"] if before else COMMAND
    command = [*program, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def connected() -> DaemonClient:
    """A client of the daemon that runs on this home; a busy machine may keep it from answering for a while."""
    found: list[DaemonClient] = []

    def connect() -> bool:
        client = DaemonClient.connect(locate_home())
        found.extend([] if client is None else [client])
        return bool(found)

    wait_until(connect, what="the daemon answers")
    return found[0]


@contextlib.contextmanager
def daemon(log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon that answers, or has ended by itself; ended by SIGTERM with the block."""
    with log.open("wb") as sink:
        process = subprocess.Popen([*COMMAND, "run", "-v"], stdout=sink, stderr=sink, env={**os.environ, **environment})
        try:
            # not before: until it serves, it has not said how signals are to be taken
            wait_until(lambda: process.poll() is not None or _answers(), what="the daemon answers, or has ended")
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)
            try:
                process.wait(PATIENCE_S)
            finally:
                process.kill()
                process.wait()


def _answers() -> bool:
    client = DaemonClient.connect(locate_home())
    if client is not None:
        client.close()
    return client is not None
