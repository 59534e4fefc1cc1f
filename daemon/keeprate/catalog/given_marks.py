"""Every value that keeprate ever wrote where viewers show it. Kept for ever: a viewer may carry it elsewhere later."""

from __future__ import annotations

import time
from collections.abc import Sequence

from keeprate.catalog.connection import Catalog
from keeprate.plugin_api import Channel, Shown


def record(catalog: Catalog, given: Sequence[tuple[str, Shown]]) -> None:
    """Note (content key, value) before it is written. Call within a transaction."""
    now = time.time()
    catalog.conn.executemany(
        "INSERT INTO given_marks (content_key, channel, value, first_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(key, str(shown.channel), shown.value, now) for key, shown in given],
    )


def everything(catalog: Catalog) -> dict[str, frozenset[Shown]]:
    """content key → what keeprate ever showed for the photo."""
    found: dict[str, set[Shown]] = {}
    for key, channel, value in catalog.conn.execute("SELECT content_key, channel, value FROM given_marks"):
        found.setdefault(key, set()).add(Shown(Channel(channel), value))
    return {key: frozenset(values) for key, values in found.items()}
