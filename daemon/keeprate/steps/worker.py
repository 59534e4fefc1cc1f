"""The worker process: everything that needs torch, decoders, scikit-learn or exiv2.

`python -m keeprate.steps.worker` reads one JSON line a task from its standard input and answers with JSON lines:
`progress`, `working` (what it is about to touch, so that a crash can be pinned to it), then `done` or `failed`.
It ends when its input does: with its parent, at the latest; on Linux the kernel sees to it, for one that hangs in a
library hears nothing. Everything else that is printed goes to stderr.

The daemon sends the settings that are in force with each task: what stands in the config file by now may make no sense,
or may not have been taken up yet.

A task may ask for restraint (`background`): fewer threads and pauses between batches keep the process below
`[jobs] max_cpu`. One that has grown above `[jobs] worker_memory` says so with its answer, and cuts a task short that
another process can go on with.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import signal
import sqlite3
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TextIO

from keeprate.catalog.connection import translated
from keeprate.errors import KeeprateError
from keeprate.paths import locate_home
from keeprate.steps.restraint import MemoryLimit, Pacer, cores
from keeprate.steps.session import Progress, Reporter, Session, open_session
from keeprate.steps.tasks import (
    EmbedTask,
    GroupTask,
    LookAtTask,
    Outcome,
    ReadMarksTask,
    Task,
    ThumbnailTask,
    TrainTask,
    UndoTask,
    WriteTask,
    task_from,
    to_values,
    unpacked,
)

NICENESS = 10
PARENT = "KEEPRATE_PARENT"
"""In the environment: the process id of who started the worker."""
_PR_SET_PDEATHSIG = 1
PACED = (EmbedTask, TrainTask, GroupTask, ThumbnailTask)
"""What `[jobs] max_cpu` is about."""
GOES_ON = (EmbedTask, LookAtTask, ThumbnailTask)
"""Tasks that may be cut short: a second process takes up where the first stopped."""
ENDS_BY_RAISING = (TrainTask, GroupTask)
"""Tasks that ask nobody whether to stop, and store nothing before their end: telling how far they are ends them."""

Working = Callable[[Sequence[str]], None]
"""Called with the content keys or paths that are about to be touched."""


class _Channel:
    """Both directions of the conversation with the parent."""

    def __init__(self, source: TextIO, sink: TextIO) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self.tasks: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, args=(source,), daemon=True, name="parent").start()

    def _listen(self, source: TextIO) -> None:
        for line in source:
            message = json.loads(line)
            if message["type"] == "cancel":
                self._cancelled.set()
            else:
                self.tasks.put(message)
        os._exit(0)  # the parent is gone or done with us; every step is safe to be cut anywhere

    def send(self, type_: str, **values: object) -> None:
        line = json.dumps({"type": type_, **values})
        with self._lock:
            self._sink.write(line + "\n")
            self._sink.flush()

    def working(self, subjects: Sequence[str]) -> None:
        self.send("working", subjects=list(subjects), thread=threading.get_ident())

    def progress(self, progress: Progress) -> None:
        self.send("progress", step=progress.step, done=progress.done, total=progress.total, note=progress.note,
                  device=_device())  # fmt: skip

    def begin(self) -> None:
        self._cancelled.clear()

    def cancelled(self) -> bool:
        return self._cancelled.is_set()


def perform(task: Task, session: Session, working: Working) -> Outcome:
    """Do one task. The heavy imports happen here, once a kind of task."""
    match task:
        case EmbedTask():
            from keeprate.steps.photos.embedding import embed

            return embed(session, task, working)
        case TrainTask():
            from keeprate.steps.heads.training import train

            return train(session, task)
        case WriteTask():
            from keeprate.steps.marks.marking import write

            return write(session, task, working)
        case UndoTask():
            from keeprate.steps.marks.undoing import undo

            return undo(session, task)
        case LookAtTask():
            from keeprate.steps.photos.looking_at import look_at

            return look_at(session, task, working)
        case GroupTask():
            from keeprate.steps.photos.grouping import group

            return group(session, task)
        case ThumbnailTask():
            from keeprate.steps.upkeep.making_thumbnails import make

            return make(session, task, working)
        case ReadMarksTask():
            from keeprate.steps.marks.reading_marks import read

            return read(session, task, working)


def _end_with_parent() -> None:
    """Have the kernel kill this process when its parent dies: a thread of our own cannot, while C code runs."""
    if sys.platform != "linux":
        return
    parent = os.environ.get(PARENT)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != int(parent):
        os._exit(0)  # it died before we asked


def _yield_the_disk() -> None:
    """Everybody else's reads and writes go first; for work that nobody waits for."""
    if sys.platform == "linux":
        import psutil

        with contextlib.suppress(psutil.Error, OSError):
            psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)


def _device() -> str:
    """Where the model computes, if one is loaded: asked without loading anything for it."""
    module = sys.modules.get("keeprate.steps.photos.loaded_model")
    return module.device_in_use() if module else ""


def _release_gpu() -> None:
    """Memory of the GPU that torch keeps for later is wanted by others, while a long task does not need it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


class _StoppedError(Exception):
    """The task was cancelled underway; nothing was stored."""


@dataclass(frozen=True, slots=True)
class _Restraint:
    """One task's way of being told to pause, to stop, and to make room for another process."""

    channel: _Channel
    task: Task
    pacer: Pacer
    memory: MemoryLimit

    def progress(self, progress: Progress) -> None:
        self.channel.progress(progress)
        self.pacer.pause(self.channel.cancelled)
        if isinstance(self.task, ENDS_BY_RAISING) and self.channel.cancelled():
            raise _StoppedError

    def cancelled(self) -> bool:
        self.pacer.pause(self.channel.cancelled)
        return self.channel.cancelled() or (
            isinstance(self.task, GOES_ON) and self.memory.has_worked and self.memory.exceeded()
        )

    def working(self, subjects: Sequence[str]) -> None:
        self.memory.working()
        self.channel.working(subjects)


def _do(message: dict[str, Any], channel: _Channel, memory: MemoryLimit | None) -> tuple[Outcome, MemoryLimit]:
    """The task of a message; what is said about memory holds from the first task on."""
    task = task_from(message["type"], message["task"])
    background = bool(message.get("background"))
    if background:
        _yield_the_disk()
    with open_session(locate_home(), config=unpacked(message.get("config"))) as session:
        jobs, embedding = session.config.jobs, session.config.embedding
        memory = memory or MemoryLimit(jobs.worker_memory)
        pacer = Pacer(jobs.max_cpu if background and isinstance(task, PACED) else 100)
        threads = min(embedding.threads or cores(), pacer.threads)
        restrained = session.config.model_copy(update={"embedding": embedding.model_copy(update={"threads": threads})})
        restraint = _Restraint(channel, task, pacer, memory)
        if not isinstance(task, EmbedTask | LookAtTask):
            _release_gpu()
        session = replace(session, config=restrained, reporter=Reporter(restraint.progress, restraint.cancelled))
        return perform(task, session, restraint.working), memory


def main() -> None:
    _end_with_parent()
    # The protocol keeps the real stdout for itself; whatever a library prints goes to stderr.
    sink = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    channel = _Channel(sys.stdin, sink)
    memory: MemoryLimit | None = None
    while True:
        message = channel.tasks.get()
        channel.begin()
        try:
            outcome, memory = _do(message, channel, memory)
            channel.send("done", outcome=to_values(outcome), too_large=memory.exceeded(), device=_device())
        except _StoppedError:
            channel.send("stopped")
        except KeeprateError as error:
            channel.send("failed", kind=type(error).__name__, what=error.what, advice=error.advice,
                         path=None if error.path is None else str(error.path))  # fmt: skip
        except sqlite3.Error as error:
            shown = translated(error, locate_home().catalog_file)
            channel.send(
                "failed",
                kind=type(shown).__name__,
                what=shown.what,
                advice=shown.advice,
                path=str(shown.path),
            )
        except Exception as error:  # a bug of ours must not look like a picture that kills the worker
            traceback.print_exc()
            channel.send("failed", kind="KeeprateError", what=f"Unexpected error: {type(error).__name__}: {error}.",
                         advice="Please report this with the lines above.", path=None)  # fmt: skip


if __name__ == "__main__":
    main()
