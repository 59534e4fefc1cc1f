"""Every change that keeprate makes to anything that is not its own, written down before it is made.

An entry is `planned`, then `done`; a kill in between leaves it `planned`, and the next run settles it by looking
at what stands. `undone` entries were taken back, `dropped` ones never happened.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keeprate.catalog.connection import Catalog, path_bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal row; `before` and `after` are in the photo manager's own encoding."""

    id: int
    run_id: int
    library: str
    manager: str
    path: str
    field: str
    content_key: str | None
    before: bytes | None
    after: bytes | None
    state: str
    at: float


_COLUMNS = "id, run_id, library, manager, path, field, content_key, before, after, state, at"


@dataclass(frozen=True, slots=True)
class Planned:
    """A change that is about to be made."""

    path: Path
    field: str
    content_key: str | None
    before: bytes | None
    after: bytes | None


def plan(catalog: Catalog, changes: Sequence[Planned], *, run_id: int, library: str, manager: str) -> list[int]:
    """Write entries down before their changes are made, in one transaction; returns their ids."""
    now = time.time()
    with catalog.db.atomic():
        cursors = [
            catalog.conn.execute(
                "INSERT INTO journal (run_id, library, manager, path, field, content_key, before, after, state, at) "
                "VALUES (?, ?, ?, CAST(? AS TEXT), ?, ?, ?, ?, 'planned', ?)",
                (run_id, library, manager, path_bytes(change.path), change.field, change.content_key, change.before,
                 change.after, now),
            )
            for change in changes
        ]  # fmt: skip
    return [int(cursor.lastrowid or 0) for cursor in cursors]


def settle(catalog: Catalog, states: Mapping[int, str]) -> None:
    """Close entries (id → `done`, `undone` or `dropped`), in one transaction."""
    with catalog.db.atomic():
        catalog.conn.executemany(
            "UPDATE journal SET state = ? WHERE id = ?", [(state, entry_id) for entry_id, state in states.items()]
        )


def drop_run(catalog: Catalog, run_id: int) -> None:
    """Delete the entries of a run in which nothing was changed at all."""
    with catalog.db.atomic():
        catalog.conn.execute("DELETE FROM journal WHERE run_id = ? AND state = 'dropped'", (run_id,))


def planned(catalog: Catalog) -> list[Entry]:
    """What a killed run left open, oldest first."""
    return [
        Entry(*row)
        for row in catalog.conn.execute(f"SELECT {_COLUMNS} FROM journal WHERE state = 'planned' ORDER BY id")
    ]


def last_written(catalog: Catalog, manager: str, path: Path, field: str) -> bytes | None:
    """What keeprate last wrote at a place and has not taken back."""
    row = catalog.conn.execute(
        "SELECT after FROM journal WHERE manager = ? AND path = CAST(? AS TEXT) AND field = ? AND state = 'done' "
        "ORDER BY id DESC LIMIT 1",
        (manager, path_bytes(path), field),
    ).fetchone()
    return row[0] if row else None


def before_ours(catalog: Catalog, manager: str, field: str) -> dict[str, bytes]:
    """What stood before the first of the standing entries of each photo (content key), where something did."""
    rows = catalog.conn.execute(
        "SELECT content_key, before FROM journal WHERE state = 'done' AND manager = ? AND field = ? "
        "AND content_key IS NOT NULL AND before IS NOT NULL ORDER BY id DESC",
        (manager, field),
    )
    return dict(rows.fetchall())


def standing(catalog: Catalog, *, run_id: int | None = None) -> list[Entry]:
    """Done entries, newest first: the order in which they are taken back.

    Of a run: its own, and what stands on top of them since (what was before cannot be restored below something).
    """
    rows = catalog.conn.execute(
        f"SELECT {_COLUMNS} FROM journal AS entry WHERE state = 'done' AND (?1 IS NULL OR run_id = ?1 OR EXISTS ("
        "SELECT 1 FROM journal AS below WHERE below.run_id = ?1 AND below.state = 'done' AND below.id < entry.id "
        "AND below.manager = entry.manager AND below.path = entry.path AND below.field = entry.field)) "
        "ORDER BY id DESC",
        (run_id,),
    )
    return [Entry(*row) for row in rows]


def standing_fields(catalog: Catalog, library: str) -> list[tuple[str, str]]:
    """(manager, field) of everything that stands in a library."""
    rows = catalog.conn.execute(
        "SELECT DISTINCT manager, field FROM journal WHERE state = 'done' AND library = ? ORDER BY 1, 2", (library,)
    )
    return rows.fetchall()


def standing_of(catalog: Catalog, library: str, manager: str, field: str, *, of_photos: bool) -> list[Entry]:
    """Done entries of one field, newest first; those that belong to a single photo only if asked for."""
    rows = catalog.conn.execute(
        f"SELECT {_COLUMNS} FROM journal WHERE state = 'done' AND library = ? AND manager = ? AND field = ? "
        "AND (content_key IS NULL OR ?) ORDER BY id DESC",
        (library, manager, field, of_photos),
    )
    return [Entry(*row) for row in rows]


def count_standing(catalog: Catalog) -> int:
    """Places that carry a mark of ours now."""
    row = catalog.conn.execute(
        "SELECT count(*) FROM (SELECT DISTINCT manager, path, field FROM journal WHERE state = 'done')"
    ).fetchone()
    return int(row[0])


def count_undone(catalog: Catalog) -> int:
    """Entries that were taken back."""
    return int(catalog.conn.execute("SELECT count(*) FROM journal WHERE state = 'undone'").fetchone()[0])


def is_write_run(catalog: Catalog, run_id: int) -> bool:
    """Whether there was such a run, with marks or without."""
    row = catalog.conn.execute(
        "SELECT EXISTS (SELECT 1 FROM journal WHERE run_id = ?1) "
        "OR EXISTS (SELECT 1 FROM runs WHERE id = ?1 AND kind = 'write')",
        (run_id,),
    ).fetchone()
    return bool(row[0])


def last_write_run(catalog: Catalog) -> int | None:
    """The latest run with a standing entry."""
    row = catalog.conn.execute("SELECT max(run_id) FROM journal WHERE state = 'done'").fetchone()
    return row[0] if row and row[0] is not None else None


def compact(catalog: Catalog, keep_runs: int) -> int:
    """Merge chains of entries at one place that are older than the last `keep_runs` runs; returns rows dropped.

    Two entries merge when the later one began where the earlier one ended; the survivor goes from the earlier
    `before` to the later `after`, so that taking everything back still ends at the user's own state.
    """
    row = catalog.conn.execute(
        "SELECT min(run_id) FROM (SELECT DISTINCT run_id FROM journal ORDER BY run_id DESC LIMIT ?)",
        (keep_runs,),
    ).fetchone()
    if row is None or row[0] is None:
        return 0
    if catalog.conn.execute("SELECT 1 FROM journal WHERE run_id < ? LIMIT 1", row).fetchone() is None:
        return 0
    with catalog.db.atomic():
        # what never happened, or was taken back, needs no memory of bytes
        dropped = catalog.conn.execute(
            "DELETE FROM journal WHERE state IN ('dropped', 'undone') AND run_id < ?", row
        ).rowcount
        while pairs := catalog.conn.execute(
            """
            WITH chain AS (
                SELECT id, before, after, lead(id) OVER place AS later_id, lead(before) OVER place AS later_before,
                       row_number() OVER place AS position
                FROM journal WHERE state = 'done' AND run_id < ?
                WINDOW place AS (PARTITION BY manager, path, field ORDER BY id)
            )
            SELECT id, later_id FROM chain WHERE position % 2 = 1 AND later_id IS NOT NULL AND after IS later_before
            """,
            (row[0],),
        ).fetchall():
            catalog.conn.executemany(
                "UPDATE journal SET before = (SELECT before FROM journal WHERE id = ?) WHERE id = ?", pairs
            )
            catalog.conn.executemany("DELETE FROM journal WHERE id = ?", [(earlier,) for earlier, _ in pairs])
            dropped += len(pairs)
    return dropped
