"""What keeprate did: one row a run, with its outcome in one sentence."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from keeprate.catalog.connection import Catalog


@dataclass(frozen=True, slots=True)
class Run:
    """One finished run; times in unix seconds."""

    id: int
    kind: str
    started_at: float
    finished_at: float
    outcome: str
    counts: dict[str, int]


def begin(catalog: Catalog, kind: str) -> int:
    """Note that a run of `kind` begins and return its id."""
    with catalog.db.atomic():
        cursor = catalog.conn.execute("INSERT INTO runs (kind, started_at) VALUES (?, ?)", (kind, time.time()))
    return int(cursor.lastrowid or 0)


def finish(catalog: Catalog, run_id: int, outcome: str, counts: Mapping[str, int]) -> None:
    with catalog.db.atomic():
        catalog.conn.execute(
            "UPDATE runs SET finished_at = ?, outcome = ?, counts = ? WHERE id = ?",
            (time.time(), outcome, json.dumps(dict(counts)), run_id),
        )


def forget(catalog: Catalog, run_id: int) -> None:
    """Take a run back that turned out to have nothing to do, so that idle days leave no rows."""
    with catalog.db.atomic():
        catalog.conn.execute("DELETE FROM runs WHERE id = ?", (run_id,))


def last(catalog: Catalog, kind: str) -> Run | None:
    """The latest finished run of `kind`."""
    row = catalog.conn.execute(
        "SELECT id, kind, started_at, finished_at, outcome, counts FROM runs "
        "WHERE kind = ? AND finished_at IS NOT NULL ORDER BY id DESC LIMIT 1",
        (kind,),
    ).fetchone()
    if row is None:
        return None
    return Run(row[0], row[1], row[2], row[3], row[4], json.loads(row[5]))
