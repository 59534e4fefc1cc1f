"""What can be wished of the engine: put into its queue by timers, by the api and by signals; watches put changes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Wish(Enum):
    """Asks the engine for something; done in its own thread."""

    SCAN = auto()
    """Look at all folders."""
    CATCH_UP = auto()
    """Some step may have something to do."""
    CATALOG_CHANGED = auto()
    """Another process has changed something."""
    RELOAD = auto()
    WAKE = auto()
    """Nothing but to look at the clock, and at what was asked for."""


@dataclass(frozen=True, slots=True)
class Leap:
    """The clock was set, or the machine slept; `by_s` is below 0 if the clock was set back."""

    by_s: float
