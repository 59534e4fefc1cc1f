"""The daemon's jobs as a table for people: what came of each, and when or why not it runs next."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from keeprate.cli.output import print_table, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keeprate.service.control import JobStatus, Live


def show_jobs(jobs: Sequence[JobStatus], *, brief: bool, running: bool = True) -> None:
    """Print them; `brief`: what came of each is cut to a line; `running`: whether there is a daemon that does them."""
    from rich.table import Column, Table

    now = time.time()
    table = Table(
        Column("Job", no_wrap=True),
        Column("Last", no_wrap=True),
        Column("What came of it", no_wrap=brief, overflow="ellipsis" if brief else "fold", ratio=3),
        Column("Next", overflow="fold", ratio=2),
        box=None, header_style="bold", pad_edge=False, expand=True,
    )  # fmt: skip
    for one in jobs:
        outcome = f"failed: {one.last_outcome}" if one.last_failed else one.last_outcome
        then = _next(one, now) if running or one.state != "idle" else "when a daemon runs"
        table.add_row(one.name, _moment(one.last_finished_at, now), printable(outcome), printable(then))
    print_table(table)


def has_something_to_tell(job: JobStatus) -> bool:
    """Whether it ever ran, or something keeps it from running."""
    return job.last_finished_at is not None or job.state != "idle"


def _next(job: JobStatus, now: float) -> str:
    match job.state:
        case "idle" if job.next_at is not None:
            return _moment(job.next_at, now)
        case "idle":
            return "when there is work"
        case "paused":
            return "paused until " + (_moment(job.paused_until, now) or "resumed")
        case "running":
            return f"runs: {job.why}"
        case _:
            at = _moment(job.next_at, now)
            return job.why if not at or at in job.why else f"{at}: {job.why}"


def _moment(at: float | None, now: float) -> str:
    from keeprate.service.wording import time_of_day

    return "" if at is None else time_of_day(at, now)


def daemon_lines(live: Live) -> list[str]:
    """What only a running daemon knows, besides its jobs."""
    lines = [f"Daemon    running (process {live.pid}): {live.sentence}"]
    if live.worker is not None:
        device = f" on {live.worker.device}" if live.worker.device else ""
        lines.append(f"Worker    process {live.worker.pid}{device}, {live.worker.memory / 1e6:,.0f} MB")
    lines += [f"Attention {sentence}" for sentence in live.attention]
    return lines
