"""What can be asked of a running daemon, and how it answers: the border between the engine and the api.

All methods may be called from any thread and return at once; what they ask for is done by the engine's thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from keeprate.config.models import Config
from keeprate.service.events import Events
from keeprate.steps.session import Progress

DaemonState = Literal["starting", "idle", "busy", "paused", "attention", "stopping"]
"""`attention`: something waits for the user (a library is offline, a disk is full, a job fails again and again)."""
JobState = Literal["idle", "running", "waiting", "paused"]
"""`waiting`: there is work, and something (`why`) speaks against doing it now."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One kind of work of the daemon. Times in unix seconds."""

    name: str
    """`reconcile`, `embed`, `retrain`, `score`, `group`, `write`, `thumbnails`, `integrity`, `backup`."""
    title: str
    """What it does, for people: "Look at all folders"."""
    state: JobState
    why: str
    """Why it runs, waits or does not run now, in one sentence."""
    last_started_at: float | None = None
    last_finished_at: float | None = None
    last_outcome: str = ""
    """What the last run that had something to do did, in one sentence."""
    last_failed: bool = False
    next_at: float | None = None
    """When it runs next if nothing else happens; None: when there is work for it."""
    paused_until: float | None = None
    """With the state `paused`: None means until resumed."""


JOB_TITLES = {
    "reconcile": "Look at all folders",
    "embed": "Embed new photos",
    "retrain": "Learn from new labels",
    "score": "Score photos",
    "group": "Compare nearly identical photos",
    "write": "Write marks",
    "thumbnails": "Make thumbnails",
    "integrity": "Check the catalog for damage",
    "backup": "Back up the catalog",
}
"""Every job of the daemon, in the order in which they are done."""
HEAVY_JOBS = frozenset({"embed", "retrain", "group", "thumbnails", "integrity", "backup"})
"""Those that quiet hours, battery and a busy machine keep waiting."""


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """The worker process, while there is one."""

    pid: int
    memory: int
    """Resident bytes."""
    device: str
    """Where the model runs (`cpu`, `cuda:0`), once it is loaded."""


@dataclass(frozen=True, slots=True)
class Live:
    """What only the running daemon knows."""

    pid: int
    version: str
    started_at: float
    state: DaemonState
    sentence: str
    """What it is doing, or why it is not, as one sentence for people; also systemd's STATUS."""
    attention: tuple[str, ...]
    """What waits for the user, each in a sentence that says what to do."""
    progress: Progress | None
    paused_until: float | None
    """With the state `paused`: None means until resumed."""
    jobs: tuple[JobStatus, ...]
    worker: WorkerStatus | None


class Control(Protocol):
    """The running daemon, as the api sees it."""

    @property
    def events(self) -> Events: ...

    @property
    def config(self) -> Config:
        """The settings that are in force; those in the file may be others until `reload`."""

    @property
    def damage(self) -> str:
        """What is known of damage to the catalog, as a sentence; empty: none. Nothing is written into it then."""

    def live(self) -> Live: ...

    def run_job(self, name: str, *, because: str) -> None:
        """Have a job run as soon as possible, also in quiet hours; paused or not.

        Raises:
            UsageError: there is no such job.
        """

    def pause(self, name: str | None = None, *, until: float | None = None) -> None:
        """Let one job (None: all work) rest until then (unix seconds; None: until `resume`). Survives a restart."""

    def resume(self, name: str | None = None) -> None:
        """End the pause of one job (None: of all work; jobs that were paused one by one stay so)."""

    def make_way(self, who: str) -> None:
        """Let go of the work lock at the next batch: `who`, another keeprate process, waits for it."""

    def catalog_changed(self) -> None:
        """Another process has changed the catalog or the config's effects: look what there is to do."""

    def reload(self) -> None:
        """Read the config again; if it makes no sense, keep the old one and say so."""

    def stop(self) -> None: ...
