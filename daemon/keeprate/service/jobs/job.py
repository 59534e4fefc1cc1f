"""What the engine knows of a job, and what all jobs work with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from keeprate.service.clocks import Clocks
from keeprate.service.events import Events
from keeprate.service.lookout import Lookout
from keeprate.steps.session import Session
from keeprate.steps.worker_client import WorkerClient


@dataclass(frozen=True, slots=True)
class Done:
    """What a run of a job came to."""

    sentence: str
    did_something: bool = True
    """Whether it is worth remembering; a run that found nothing to do is not written down."""
    cut: bool = False
    """It ended early, and there may be more to do."""
    again_in_s: float | None = None
    """There is more to do, but not before."""
    attention: str = ""
    """What the user has to see to, until the next run says otherwise."""


@dataclass(frozen=True, slots=True)
class Later:
    """There will be something to do if nothing else happens: when (unix seconds), and why not now."""

    at: float
    why: str


NOTHING = Done("There was nothing to do.", did_something=False)


@dataclass(slots=True)
class Desk:
    """What all jobs of the daemon share; used in the engine's thread only."""

    session: Session
    worker: WorkerClient
    lookout: Lookout
    events: Events
    clocks: Clocks
    marks_stale: bool = True
    """Whether scores, labels or files have changed since marks were last written."""
    thumbnails_stale: bool = True
    """Whether photos have come or gone since thumbnails were last made."""

    def cut(self) -> bool:
        """Whether the present step was asked to end early."""
        return self.session.reporter.cancelled()


class Job(ABC):
    """One kind of work. Whether there is any is asked of the catalog: there is no queue."""

    name: str
    """One of `control.JOB_TITLES`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @abstractmethod
    def wanted(self) -> str | None:
        """Why there is something to do now, as a sentence; None: there is nothing."""

    def later(self) -> Later | None:
        """When there will be something to do; None: when something happens."""
        return None

    @abstractmethod
    def do(self) -> Done:
        """Do all that there is to do, or until the session's reporter says that it is cancelled."""

    def do_asked(self) -> Done:
        """The same for a person, who may want more than is due."""
        return self.do()
