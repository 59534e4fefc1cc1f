"""What could not be done, with its reason. A problem blocks its file until the file (or keeprate) changes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from keeprate import __version__
from keeprate.catalog.connection import Catalog, path_bytes


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that could not be done to one file; times in unix seconds."""

    step: str
    path: str
    reason: str
    library: str | None
    content_key: str | None
    count: int
    last_at: float


def record(
    catalog: Catalog,
    step: str,
    path: str,
    reason: str,
    *,
    library: str | None,
    content_key: str | None = None,
    final: bool = True,
) -> None:
    """Note a failure of `step` at `path`, which blocks it there unless it is not `final`. Call within a transaction."""
    now = time.time()
    catalog.conn.execute(
        """
        INSERT INTO problems (step, path, library, content_key, reason, first_at, last_at, keeprate)
        VALUES (?1, CAST(?2 AS TEXT), ?3, ?4, CAST(?5 AS TEXT), ?6, ?6, ?7)
        ON CONFLICT (step, path) DO UPDATE SET
            content_key = ?4, reason = excluded.reason, last_at = ?6, keeprate = ?7, count = count + 1
        """,
        (step, path_bytes(path), library, content_key, path_bytes(reason), now, __version__ if final else ""),
    )


def clear(catalog: Catalog, step: str, path: str) -> None:
    """The step worked at last. Call within a transaction."""
    catalog.conn.execute("DELETE FROM problems WHERE step = ? AND path = CAST(? AS TEXT)", (step, path_bytes(path)))


def clear_file(catalog: Catalog, path: str) -> None:
    """The file at `path` changed or is gone: its problems are history. Call within a transaction."""
    catalog.conn.execute("DELETE FROM problems WHERE path = CAST(? AS TEXT)", (path_bytes(path),))


def clear_content(catalog: Catalog, step: str, content_keys: Sequence[str]) -> None:
    """The step worked for these photos, at whatever path. Call within a transaction."""
    catalog.conn.executemany(
        "DELETE FROM problems WHERE content_key = ? AND step = ?", [(key, step) for key in content_keys]
    )


def replace_step(catalog: Catalog, step: str, library: str, found: Sequence[tuple[str, str]]) -> None:
    """Make `found` (path, reason) the only problems of `step` in `library`. Call within a transaction."""
    kept = {path for path, _ in found}
    rows = catalog.conn.execute("SELECT path FROM problems WHERE step = ? AND library = ?", (step, library)).fetchall()
    for (path,) in rows:
        if path not in kept:
            clear(catalog, step, path)
    for path, reason in found:
        record(catalog, step, path, reason, library=library)


def forgive(catalog: Catalog, step: str) -> int:
    """Let everything that failed at `step` be tried again; returns how many."""
    with catalog.db.atomic():
        return catalog.conn.execute("UPDATE problems SET keeprate = '' WHERE step = ?", (step,)).rowcount


def clear_overcome(catalog: Catalog, steps: Sequence[str]) -> None:
    """All of these steps went through to their end: only what blocks is left to tell."""
    with catalog.db.atomic():
        catalog.conn.executemany(
            "DELETE FROM problems WHERE step = ? AND keeprate != ?", [(step, __version__) for step in steps]
        )


def is_known(catalog: Catalog, step: str, path: str) -> bool:
    """Whether `step` failed at `path` before."""
    query = "SELECT 1 FROM problems WHERE step = ? AND path = CAST(? AS TEXT)"
    return catalog.conn.execute(query, (step, path_bytes(path))).fetchone() is not None


def count(catalog: Catalog) -> int:
    return int(catalog.conn.execute("SELECT count(*) FROM problems").fetchone()[0])


def count_since(catalog: Catalog, steps: Sequence[str], at: float) -> int:
    """How many problems of these steps came (again) since `at` (unix seconds)."""
    row = catalog.conn.execute(
        f"SELECT count(*) FROM problems WHERE last_at >= ? AND step IN ({','.join('?' * len(steps))})", (at, *steps)
    ).fetchone()
    return int(row[0])


def paths_of(catalog: Catalog, step: str) -> set[str]:
    """Where this version of keeprate has failed at a step."""
    rows = catalog.conn.execute("SELECT path FROM problems WHERE step = ? AND keeprate = ?", (step, __version__))
    return {path for (path,) in rows}


def latest(catalog: Catalog, limit: int | None = None) -> list[Problem]:
    """The problems, newest first."""
    rows = catalog.conn.execute(
        "SELECT step, path, reason, library, content_key, count, last_at FROM problems "
        "ORDER BY last_at DESC, path LIMIT ?",
        (-1 if limit is None else limit,),
    )
    return [Problem(*row) for row in rows]
