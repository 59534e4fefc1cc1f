"""What is remembered of the daemon's jobs: when each last did something, with what outcome, and whether it rests.

One row a job, and one called `all` for a pause of everything. Runs that had nothing to do are not written down: an
idle day costs no write.
"""

from __future__ import annotations

from dataclasses import dataclass

from keeprate.catalog.connection import Catalog, path_bytes

ALL = "all"


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job; times in unix seconds."""

    name: str
    started_at: float | None = None
    finished_at: float | None = None
    outcome: str = ""
    """One sentence."""
    failed: bool = False
    paused: bool = False
    paused_until: float | None = None
    """None while `paused`: until resumed."""


def all_jobs(catalog: Catalog) -> dict[str, JobRecord]:
    """Job name → what is remembered of it."""
    rows = catalog.conn.execute(
        "SELECT name, started_at, finished_at, outcome, failed, paused, paused_until FROM jobs"
    ).fetchall()
    return {row[0]: JobRecord(row[0], row[1], row[2], row[3], bool(row[4]), bool(row[5]), row[6]) for row in rows}


def record_run(
    catalog: Catalog, name: str, *, started_at: float, finished_at: float, outcome: str, failed: bool
) -> None:
    """Note what a run of the job `name` came to."""
    with catalog.db.atomic():
        catalog.conn.execute(
            "INSERT INTO jobs (name, started_at, finished_at, outcome, failed) VALUES (?, ?, ?, CAST(? AS TEXT), ?) "
            "ON CONFLICT (name) DO UPDATE SET started_at = excluded.started_at, finished_at = excluded.finished_at, "
            "outcome = excluded.outcome, failed = excluded.failed",
            (name, started_at, finished_at, path_bytes(outcome), failed),  # an error names its file, by whatever bytes
        )


def record_pause(catalog: Catalog, name: str, *, paused: bool, until: float | None = None) -> None:
    """Note that the job `name` (or `ALL`) rests, until then or (None) until further notice; or does not any more."""
    with catalog.db.atomic():
        catalog.conn.execute(
            "INSERT INTO jobs (name, paused, paused_until) VALUES (?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET paused = excluded.paused, paused_until = excluded.paused_until",
            (name, paused, until if paused else None),
        )
