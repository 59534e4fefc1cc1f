"""The service as systemd would keep it: started again whenever it ends, and looked at from outside all the while."""

from __future__ import annotations

import contextlib
import random
import signal
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from keeprate.api.client import DaemonClient
from keeprate.errors import KeeprateError
from keeprate.paths import locate_home
from support.commands import COMMAND
from support.slowness import within_s

STOPS_WITHIN_S = 6.0
COMMAND_S = 180.0
"""So long no command takes, however busy the daemon and the machine are."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the resident process cost at one moment."""

    at: float
    life: int
    rss: int
    descriptors: int
    threads: int


@dataclass(slots=True)
class Service:
    """`keeprate run`, again and again."""

    log: Path
    lives: int = 0
    kills: dict[str, int] = field(default_factory=lambda: {"daemon": 0, "worker": 0, "stopped": 0})
    samples: list[Sample] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None
    _meant_to_end: bool = False

    def keep_up(self) -> None:
        """Start it if it does not run. It must not have ended by itself."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
            if not self._meant_to_end:
                self.unexpected.append(f"life {self.lives} ended with {code}")
        with self.log.open("ab") as sink:
            self._process = subprocess.Popen([*COMMAND, "run", "-v"], stdout=sink, stderr=sink)
        self.lives += 1
        self._meant_to_end = False

    def sample(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self._process.pid)
            with process.oneshot():
                self.samples.append(
                    Sample(
                        time.monotonic(),
                        self.lives,
                        process.memory_info().rss,
                        process.num_fds(),
                        process.num_threads(),
                    )
                )

    def kill(self) -> None:
        """As the power going."""
        assert self._process is not None
        self._meant_to_end = True
        self._process.kill()
        self._process.wait()
        self.kills["daemon"] += 1

    def kill_worker(self) -> bool:
        """Kill its worker, if it has one now."""
        assert self._process is not None
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self._process.pid).children():
                if "keeprate.steps.worker" in " ".join(child.cmdline()):
                    child.kill()
                    self.kills["worker"] += 1
                    return True
        return False

    def reload(self) -> None:
        """As `systemctl reload` does, which waits until the service is ready."""
        assert self._process is not None
        client = DaemonClient.connect(locate_home())
        if client is not None:
            with client, contextlib.suppress(KeeprateError):
                if client.live().pid == self._process.pid:
                    self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """As `systemctl stop` does."""
        assert self._process is not None
        self._meant_to_end = True
        allowed_s = within_s(STOPS_WITHIN_S)
        self._process.send_signal(signal.SIGTERM)
        self.kills["stopped"] += 1
        try:
            code = self._process.wait(allowed_s)
        except subprocess.TimeoutExpired:
            self.unexpected.append(f"life {self.lives} did not stop within {allowed_s:.1f} s")
            self._process.kill()
            self._process.wait()
        else:
            if code not in (0, -signal.SIGTERM):  # told before it could listen
                self.unexpected.append(f"life {self.lives}, told to stop, ended with {code}")

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def children(self) -> list[int]:
        assert self._process is not None
        with contextlib.suppress(psutil.Error):
            return [child.pid for child in psutil.Process(self._process.pid).children()]
        return []

    # ---- what it cost ----

    def table(self) -> str:
        """A line for each stretch of time, for people."""
        if not self.samples:
            return "no samples"
        began, ended = self.samples[0].at, self.samples[-1].at
        width = max(10.0, (ended - began) / 12)
        lines = ["  from      lives  RSS MB (median, largest)      descriptors  threads"]
        for number in range(int((ended - began) // width) + 1):
            part = [one for one in self.samples if number * width <= one.at - began < (number + 1) * width]
            if part:
                lines.append(_line(number * width, part))
        return "\n".join(lines)

    def last_life(self) -> list[Sample]:
        return [one for one in self.samples if one.life == self.lives]


def _line(began: float, part: list[Sample]) -> str:
    rss = [one.rss / 1e6 for one in part]
    bar = "#" * round(statistics.median(rss) / 5)
    return (
        f"  {began:5.0f} s  {len({one.life for one in part}):5d}  {statistics.median(rss):6.1f} {max(rss):6.1f}  "
        f"{bar:20s} {statistics.median([one.descriptors for one in part]):5.0f}  "
        f"{statistics.median([one.threads for one in part]):5.0f}"
    )


@dataclass(slots=True)
class Commands:
    """What a person types meanwhile; some are killed underway."""

    folder: Path
    chance: random.Random
    failures: list[str] = field(default_factory=list)
    run: int = 0

    def one(self) -> str:
        """Run one command to its end, or kill it underway."""
        self.run += 1
        exported = self.folder / f"labels {self.run}.csv"
        command = self.chance.choice(
            (
                ["status"], ["status", "--json"], ["list", "--json"], ["sync", "--quiet"], ["scan", "--quiet"],
                ["write", "--quiet"], ["labels", "export", str(exported)], ["labels", "list", "--json"],
                ["embed", "--quiet"], ["train", "--quiet"], ["pause", "--for", "5s"], ["resume"], ["retrain"],
                ["undo", "--all", "--quiet"], ["jobs", "list"], ["list"], ["heads", "history"],
            )
        )  # fmt: skip
        process = subprocess.Popen([*COMMAND, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        killed = self.chance.random() < 0.15
        try:
            said, _ = process.communicate(timeout=self.chance.uniform(0.2, 3) if killed else COMMAND_S)
        except subprocess.TimeoutExpired:
            if not killed:
                self.failures.append(f"{command} did not end within {COMMAND_S:g} s")
            process.kill()
            said, _ = process.communicate()
            return f"{' '.join(command)} (killed)"
        text = said.decode("utf-8", "replace")
        if "Traceback" in text or process.returncode not in _allowed(command):
            self.failures.append(f"{command} ended with {process.returncode}:\n{text[-1500:]}")
        if command[0] == "undo":
            self.resume_writing()
        return f"{' '.join(command)} ({process.returncode})"

    def resume_writing(self) -> None:
        """After an undo the daemon writes no marks until it may again."""
        subprocess.run([*COMMAND, "resume", "write"], capture_output=True, timeout=60, check=False)


def _allowed(command: list[str]) -> tuple[int, ...]:
    """Codes that are no fault: a daemon that was just killed cannot be told anything, a head may lack labels."""
    if command[0] in ("pause", "resume", "retrain", "jobs"):
        return (0, 3)
    if command[0] in ("train", "sync", "list", "write", "undo", "labels", "heads"):
        return (0, 1)
    return (0,)
