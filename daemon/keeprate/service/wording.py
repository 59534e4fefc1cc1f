"""What the daemon says about itself, for people: sentences only, no state."""

from __future__ import annotations

import math
from datetime import datetime

from keeprate.service.control import JOB_TITLES
from keeprate.steps.session import Progress
from keeprate.steps.tasks import TrainOutcome

_DOING = {
    "embed": "Embedding",
    "score": "Scoring",
    "group": "Comparing",
    "thumbnails": "Making thumbnails of",
    "look": "Looking at",
}
"""Steps that count photos → what is done to them."""


def progress_sentence(job: str, progress: Progress | None) -> str:
    """What is being done now."""
    if progress is None:
        return f"{JOB_TITLES[job]}."
    done, total, note = progress.done, progress.total, progress.note
    match progress.step:
        case "scan":
            return f"Looking at the folders of {note}."
        case "read":
            return f"Reading new files of {note}: {amount(done, total)}."
        case "marks":
            return f"Reading the marks in {note}: {amount(done, total)} files."
        case "train":
            share = f": {done} %" if total == 100 and done else ""
            return f"Learning {note}{share}."
        case step if step in _DOING and total is None and note:
            return f"{note[:1].upper()}{note[1:]}."
        case step if step in _DOING:
            return f"{_DOING[step]} {amount(done, total)} photos."
        case step if step.startswith("write "):
            return f"Writing marks for {note}: {done:,} so far."
        case _:
            return f"{JOB_TITLES[job]}: {amount(done, total)}."


def amount(done: int, total: int | None) -> str:
    return f"{done:,}" if total is None else f"{done:,} of {total:,}"


def time_of_day(at: float, now: float) -> str:
    """`14:30`; with the date if it is not today."""
    moment, today = datetime.fromtimestamp(at).astimezone(), datetime.fromtimestamp(now).astimezone()
    shown = moment.strftime("%H:%M")
    return shown if moment.date() == today.date() else f"{moment.strftime('%Y-%m-%d')} {shown}"


def paused_sentence(until: float | None, now: float) -> str:
    return "Paused until resumed." if until is None else f"Paused until {time_of_day(until, now)}."


def for_a_while(seconds: float) -> str:
    """`90 s`, `12 minutes`, `8 hours`."""
    if seconds < 120:
        return f"{math.ceil(seconds)} s"
    return f"{round(seconds / 60)} minutes" if seconds < 7200 else f"{round(seconds / 3600)} hours"


def photos(count: int) -> str:
    return f"{count:,} photo" if count == 1 else f"{count:,} photos"


def learned_sentence(outcome: TrainOutcome, in_use: int | None) -> str:
    """What came of training a head, of which the version `in_use` is in use now."""
    if not outcome.trained:
        return f"{outcome.head}: {outcome.reason}"
    learned_from = photos(sum(outcome.labels.values()))
    if outcome.promoted:
        made = f"version {outcome.version}, learned from {learned_from}"
        return f"{outcome.head}: {made}, is in use: {outcome.because}."
    if in_use is None:
        return f"{outcome.head}: {learned_from} were not enough to learn what tells them apart."
    return f"{outcome.head}: nothing better was learned from {learned_from}; version {in_use} stays in use."
