"""What the icon shows: its kind, its tooltip and the lines of its menu, made from what the daemon says.

Pure: knows no desktop. Lines of the menu change seldom, since a menu that is open closes when it is built anew; what
changes all the time, such as how far the daemon is, stands in the tooltip.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from pathlib import Path
from typing import Literal

from keeprate.service.control import Live
from keeprate.service.status import Status

IconKind = Literal["idle", "busy", "paused", "attention", "offline"]
ATTENTION_SHOWN = 3
LINE_LENGTH = 60
"""Characters of a line of the menu; a panel as wide as a sentence helps nobody."""
EXACT_UP_TO = 100
"""While photos come in, greater counts are rounded, so that they do not change all the time."""


class Action(Enum):
    """What a line of the menu does."""

    REVIEW = auto()
    PROBLEMS = auto()
    RETRAIN = auto()
    PAUSE_HOUR = auto()
    PAUSE = auto()
    RESUME = auto()
    OPEN = auto()
    """Opens the line's `path` with the desktop."""
    START = auto()
    QUIT = auto()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the menu; without an action and without `lines` below it, it only says something."""

    text: str
    action: Action | None = None
    path: Path | None = None
    default: bool = False
    """What a click on the icon itself does, where the desktop tells it from opening the menu."""
    lines: tuple[Line, ...] = ()


SEPARATOR = Line("")


@dataclass(frozen=True, slots=True)
class Places:
    """What on this machine the menu opens or starts without the daemon's help."""

    view_folders: tuple[tuple[str, Path], ...] = ()
    """Library and folder."""
    settings: Path | None = None
    startable: bool = False
    """Whether keeprate is installed as a service that can be started."""


@dataclass(frozen=True, slots=True)
class TrayState:
    """Everything that can be seen of the icon."""

    kind: IconKind
    tooltip: str
    lines: tuple[Line, ...]


def state_of(status: Status | None, places: Places, *, trouble: str = "") -> TrayState:
    """What to show; `status` is None while no daemon answers, `trouble` says why if that is known."""
    if status is None or status.live is None:
        return _without_daemon(places, trouble)
    live = status.live
    kind = _kind(live)
    to_review = sum(max(0, library.photos - library.reviewed) for library in status.libraries)
    lines = (
        Line(_shortened(_sentence(live))),
        *(Line(_shortened(f"! {sentence}")) for sentence in live.attention[:ATTENTION_SHOWN]),
        SEPARATOR,
        Line(_to_review(to_review, exactly=kind != "busy")),
        Line("Review…", Action.REVIEW, default=True),
        SEPARATOR,
        Line("Retrain now", Action.RETRAIN),
        *_pausing(live),
        SEPARATOR,
        *_view_folders(places),
        *_last_training(status),
        Line(_problems(status.problems.count), Action.PROBLEMS),
        *_settings(places),
        SEPARATOR,
        Line("Quit tray", Action.QUIT),
    )
    return TrayState(kind, _tooltip(live, to_review), lines)


def _without_daemon(places: Places, trouble: str) -> TrayState:
    said = _shortened(trouble.rstrip(".")) or "keeprate is not running"
    start = Line("Start keeprate", Action.START) if places.startable else Line("To start it: keeprate run")
    lines = (
        Line(said),
        start,
        SEPARATOR,
        *_view_folders(places),
        *_settings(places),
        SEPARATOR,
        Line("Quit tray", Action.QUIT),
    )
    return TrayState("offline", said if said.startswith("keeprate") else f"keeprate: {said}", lines)


def _kind(live: Live) -> IconKind:
    if live.attention or live.state == "attention":
        return "attention"
    if live.state == "paused":
        return "paused"
    return "idle" if live.state == "idle" else "busy"


def _sentence(live: Live) -> str:
    """What it is doing, without how far it is and what comes next."""
    running = next((job.title for job in live.jobs if job.state == "running"), None)
    return live.sentence.partition(";")[0] if running is None else f"At work: {running[:1].lower()}{running[1:]}"


def _tooltip(live: Live, to_review: int) -> str:
    return f"keeprate: {live.sentence.rstrip('.')} – {_to_review(to_review)}"


def _to_review(count: int, *, exactly: bool = True) -> str:
    if count == 0:
        return "Nothing new to review"
    if count == 1:
        return "1 new photo to review"
    if exactly or count < EXACT_UP_TO:
        return f"{count:,} new photos to review"
    step = 10 ** (len(str(count)) - 2)
    return f"More than {count // step * step:,} new photos to review"


def _pausing(live: Live) -> tuple[Line, ...]:
    if live.state == "paused":
        return (Line("Resume", Action.RESUME),)
    return (Line("Pause for 1 hour", Action.PAUSE_HOUR), Line("Pause until resumed", Action.PAUSE))


def _view_folders(places: Places) -> tuple[Line, ...]:
    if len(places.view_folders) == 1:
        return (Line("Open view folder", Action.OPEN, places.view_folders[0][1]),)
    lines = tuple(Line(library, Action.OPEN, folder) for library, folder in places.view_folders)
    return (Line("Open view folder", lines=lines),) if lines else ()


def _last_training(status: Status) -> tuple[Line, ...]:
    if status.last_training is None:
        return (Line("Not trained yet"),)
    at = datetime.fromisoformat(status.last_training.at).astimezone()
    return (Line(_shortened(f"Trained {at:%Y-%m-%d %H:%M}: {status.last_training.outcome}")),)


def _problems(count: int) -> str:
    return f"Problems ({count:,})…" if count else "Problems: none"


def _settings(places: Places) -> tuple[Line, ...]:
    return () if places.settings is None else (Line("Settings file", Action.OPEN, places.settings),)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LINE_LENGTH else f"{line[: LINE_LENGTH - 1].rstrip()}…"
