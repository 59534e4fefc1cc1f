"""The parent's side of the worker process: start it, give it tasks, replace it when too large, survive its death."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from keeprate import errors
from keeprate.config.models import Config
from keeprate.errors import KeeprateError
from keeprate.paths import WORKSPACE_VARIABLES, expanded
from keeprate.steps.memory import resident_bytes
from keeprate.steps.session import Progress, Reporter
from keeprate.steps.tasks import (
    Outcome,
    ReadMarksTask,
    Task,
    UndoTask,
    WriteTask,
    outcome_from,
    packed,
    task_kind,
    to_values,
    together,
    was_cut_short,
)

CANCEL_GRACE_S = 2.5
"""A worker that was asked to stop and has not after this long is killed: nothing can be lost by it."""
HANGS_AFTER_S = 60.0
"""So long nobody needs for the marks of one file."""
TOOK_TOO_LONG = "it took too long"
"""The `ending` of a worker that announced what it touches, was not heard of again and had to be killed."""
COMMAND = (sys.executable, "-m", "keeprate.steps.worker")
_TICK_S = 0.1


Tell = Callable[[str, str], object]
"""Takes what becomes of the worker: the name of an event (`service.events`) and a sentence."""


class WorkerCrashedError(KeeprateError):
    """The worker died in the middle of a task; `subjects` is what it had announced to touch."""

    slug = "worker-crashed"

    def __init__(self, subjects: tuple[str, ...], ending: str) -> None:
        super().__init__(f"The worker process died ({ending}).", advice="Its work so far is kept; run it again.")
        self.subjects = subjects
        self.ending = ending

    @property
    def killed_by_others(self) -> bool:
        """Whether somebody else ended it: the user, a system short of memory. Once is an accident, no photo's fault."""
        return self.ending in ("SIGKILL", "SIGTERM")


class WorkerStoppedError(WorkerCrashedError):
    """The worker ended, or was ended, in the middle of a task because the task was cancelled."""

    slug = "worker-stopped"

    def __init__(self) -> None:
        super().__init__((), "it was told to stop")
        self.what = "The work was stopped before it was done."


class WorkerClient:
    """One worker process, started at the first task and kept until `close`.

    Used from one thread, which must live as long as the worker: on Linux the kernel ends the worker with it. `cancel`,
    and the properties, may be used from any.
    """

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        *,
        background: bool = False,
        config: Callable[[], Config | None] = lambda: None,
        tell: Tell = lambda _name, _sentence: None,
    ) -> None:
        """Of the worker that will be.

        Args:
            command: what starts it.
            background: nobody waits for it, so that `[jobs] max_cpu` holds.
            config: gives the settings that are in force; None: what the config file says by then.
            tell: hears what becomes of it.
        """
        self._command = command
        self._background = background
        self._config = config
        self._tell = tell
        self._device = ""
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._last_used = 0.0
        self._ticks_silent = 0

    @property
    def pid(self) -> int | None:
        """The worker's process id while it lives."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    @property
    def memory(self) -> int:
        """Resident bytes of the worker; 0 if there is none."""
        pid = self.pid
        return 0 if pid is None else resident_bytes(pid)

    @property
    def device(self) -> str:
        """Where the worker's model computes; empty if it has none loaded."""
        return self._device

    def run(self, task: Task, reporter: Reporter) -> Outcome:
        """Have `task` done and return its outcome. A worker that grew above its limit is replaced, underway if need be.

        Raises:
            WorkerStoppedError: it was cancelled and nothing came of it.
            WorkerCrashedError: the worker died underway.
            KeeprateError: it reported an error of ours.
        """
        outcome, too_large = self._run_despite_accidents(task, reporter)
        while too_large:
            size = self.memory // 1_000_000
            self._end()
            self._tell("worker.recycled", f"The worker process had grown to {size} MB and was replaced.")
            if reporter.cancelled() or not was_cut_short(outcome):
                break
            more, too_large = self._run_despite_accidents(task, reporter)
            outcome = together(outcome, more)
        return outcome

    def _run_despite_accidents(self, task: Task, reporter: Reporter) -> tuple[Outcome, bool]:
        """Once more, if somebody killed the worker while it had nothing in hand. Undoing tells counts, and is not."""
        try:
            return self._run_once(task, reporter)
        except WorkerCrashedError as crash:
            if crash.subjects or not crash.killed_by_others or reporter.cancelled() or isinstance(task, UndoTask):
                raise
            return self._run_once(task, reporter)

    def _run_once(self, task: Task, reporter: Reporter) -> tuple[Outcome, bool]:
        """The outcome, and whether the worker has become too large."""
        process = self._started()
        kind = task_kind(task)
        working: dict[int, tuple[str, ...]] = {}
        finished = threading.Event()
        hung = threading.Event()
        self._ticks_silent = 0

        def hangs() -> bool:
            too_long = self._ticks_silent * _TICK_S > HANGS_AFTER_S and any(list(working.values()))
            if too_long and isinstance(task, (ReadMarksTask, WriteTask)):
                hung.set()
            return hung.is_set()

        watcher = threading.Thread(target=self._watch, args=(reporter, finished, hangs), daemon=True)
        watcher.start()
        try:
            config = packed(self._config())
            self._send({"type": kind, "task": to_values(task), "background": self._background, "config": config})
            assert process.stdout is not None  # noqa: S101 (we opened it as a pipe)
            for line in process.stdout:
                self._ticks_silent = 0
                message = json.loads(line)
                match message["type"]:
                    case "progress":
                        self._device = message.get("device", "")
                        reporter.progress(Progress(message["step"], message["done"], message["total"], message["note"]))
                    case "working":
                        working[message["thread"]] = tuple(message["subjects"])
                    case "done":
                        self._device = message.get("device", "")
                        return outcome_from(kind, message["outcome"]), bool(message.get("too_large"))
                    case "stopped":
                        raise WorkerStoppedError
                    case "failed":
                        raise _error_from(message)
            subjects = tuple(dict.fromkeys(subject for subjects in working.values() for subject in subjects))
            ended = _ending(process.wait())
            if reporter.cancelled():
                raise WorkerStoppedError
            ending = TOOK_TOO_LONG if hung.is_set() else ended
            self._tell("worker.crashed", f"The worker process died ({ending}).")
            raise WorkerCrashedError(subjects, ending)
        finally:
            finished.set()
            self._last_used = time.monotonic()
            if process.poll() is not None:
                self._forget()

    def cancel(self) -> None:
        """Ask the worker to stop; kill it if it does not within the grace."""
        self._send({"type": "cancel"})

    def idle_for(self) -> float | None:
        """Seconds since the last task ended, or None if there is no worker."""
        return time.monotonic() - self._last_used if self.pid is not None else None

    def close(self) -> None:
        """End the worker, at once if need be."""
        if self._process is not None:
            self._end()
            self._tell("worker.ended", "The worker process has ended.")

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        try:
            process.wait(timeout=CANCEL_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._forget()

    def _watch(self, reporter: Reporter, finished: threading.Event, hangs: Callable[[], bool]) -> None:
        """Until the task is `finished`: pass on that it is cancelled; kill a worker that hangs.

        Ticks are counted, not seconds: a machine that slept or is busy, or a person who pressed Ctrl-Z, is no reason
        to kill.
        """
        while not finished.wait(_TICK_S):
            self._ticks_silent += 1
            if hangs():
                if self._process is not None:
                    self._process.kill()
                return
            if reporter.cancelled():
                self.cancel()
                ticks = round(CANCEL_GRACE_S / _TICK_S)
                if not any(finished.wait(_TICK_S) for _ in range(ticks)) and (process := self._process) is not None:
                    process.kill()
                return

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._forget()
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                env=_environment(),
                cwd="/",
                process_group=0,  # Ctrl-C is for the parent, which then cancels in order
            )
            self._tell("worker.started", "The worker process has started.")
        return self._process

    def _send(self, message: dict[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        with self._lock, contextlib.suppress(OSError, ValueError):  # a dead worker is noticed by reading
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()

    def _forget(self) -> None:
        process, self._process = self._process, None
        self._device = ""
        if process is not None:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()


def _environment() -> dict[str, str]:
    """The parent's environment, with relative keeprate folders made absolute and Python kept quiet."""
    environment = dict(os.environ)
    environment.setdefault("TOKENIZERS_PARALLELISM", "false")
    environment["KEEPRATE_PARENT"] = str(os.getpid())
    for name in ("KEEPRATE_HOME", *WORKSPACE_VARIABLES):
        folder = environment.get(name)
        if folder:
            environment[name] = str(expanded(folder).absolute())
    return environment


def _ending(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit status {code}"


def _error_from(message: dict[str, Any]) -> KeeprateError:
    type_ = getattr(errors, message["kind"], KeeprateError)
    path = Path(message["path"]) if message["path"] else None
    error: KeeprateError = type_(message["what"], advice=message["advice"], path=path)
    return error


@contextlib.contextmanager
def worker() -> Iterator[WorkerClient]:
    """A worker for the length of the block."""
    client = WorkerClient()
    try:
        yield client
    finally:
        client.close()
