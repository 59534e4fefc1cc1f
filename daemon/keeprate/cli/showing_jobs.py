"""The daemon's jobs as a table for people: what came of each, and when or why not it runs next."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from keeprate.cli.output import print_table, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keeprate.service.control import JobStatus, Live


def show_jobs(jobs: Sequence[JobStatus], *, all_of_them: bool) -> None:
    """Print them; if not `all_of_them`, only those that have something to tell."""
    from rich.table import Table

    shown = [one for one in jobs if all_of_them or one.last_finished_at is not None or one.state != "idle"]
    if not shown:
        return
    now = time.time()
    table = Table("Job", "Last", "What came of it", "Next", box=None, header_style="bold")
    for one in shown:
        outcome = f"failed: {one.last_outcome}" if one.last_failed else one.last_outcome
        table.add_row(one.name, _moment(one.last_finished_at, now), printable(outcome), printable(_next(one, now)))
    print_table(table)


def _next(job: JobStatus, now: float) -> str:
    if job.state == "idle":
        if job.next_at is not None:
            return _moment(job.next_at, now)
        return job.why or "when there is work"
    return job.why or job.state


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
