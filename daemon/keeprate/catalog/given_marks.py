"""Every value that keeprate ever wrote where viewers show it. Kept for ever: a viewer may carry it elsewhere later."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Sequence

from keeprate.catalog.connection import Catalog
from keeprate.catalog.journal import Entry
from keeprate.plugin_api import Channel, Shown


def record(catalog: Catalog, given: Sequence[tuple[str, Shown]], at: float | None = None) -> None:
    """Note (content key, value) before it is written, or that it was `at` (unix seconds). Call within a transaction."""
    first_at = time.time() if at is None else at
    catalog.conn.executemany(
        "INSERT INTO given_marks (content_key, channel, value, first_at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET first_at = min(first_at, excluded.first_at)",
        [(key, str(shown.channel), shown.value, first_at) for key, shown in given],
    )


def everything(catalog: Catalog) -> dict[str, frozenset[Shown]]:
    """content key → what keeprate ever showed for the photo."""
    found: dict[str, set[Shown]] = {}
    for key, channel, value in catalog.conn.execute("SELECT content_key, channel, value FROM given_marks"):
        found.setdefault(key, set()).add(Shown(Channel(channel), value))
    return {key: frozenset(values) for key, values in found.items()}


def to_recall(catalog: Catalog, managers: Sequence[str], limit: int) -> list[Entry]:
    """Journal entries by these photo managers of which it is not known yet what they showed, oldest first."""
    rows = catalog.conn.execute(
        "SELECT id, run_id, library, manager, path, field, content_key, before, after, state, at "
        "FROM journal_to_recall JOIN journal USING (id) "
        f"WHERE manager IN ({', '.join('?' * len(managers))}) ORDER BY id LIMIT ?",
        (*managers, limit),
    )
    return [Entry(*row) for row in rows]


def recalled(catalog: Catalog, entries: Sequence[Entry]) -> None:
    """It is known what these entries showed. Call within a transaction."""
    catalog.conn.executemany("DELETE FROM journal_to_recall WHERE id = ?", [(entry.id,) for entry in entries])


def began(catalog: Catalog) -> float:
    """When the first value was given, unix seconds; infinity if none was."""
    at = catalog.conn.execute("SELECT min(first_at) FROM given_marks").fetchone()[0]
    return math.inf if at is None else float(at)


def with_looks(catalog: Catalog, values: Collection[Shown]) -> Iterator[tuple[Shown, float, int]]:
    """(value, when it was given, perceptual hash of the photo) of everything given of `values`; flat pictures aside."""
    rows = catalog.conn.execute(
        "SELECT channel, value, first_at, perceptual_hash FROM given_marks JOIN photos USING (content_key) "
        "WHERE perceptual_hash <> 0"
    )
    for channel, value, at, look in rows:
        shown = Shown(Channel(channel), value)
        if shown in values:
            yield shown, at, look
