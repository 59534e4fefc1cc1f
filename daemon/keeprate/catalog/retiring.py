"""Take a head out of use, so that the next training begins anew; its history stays."""

from __future__ import annotations

from keeprate.catalog import scores
from keeprate.catalog.connection import Catalog


def retire(catalog: Catalog, head: str) -> None:
    """No version of `head` is in use, has a file, or counts as trained on the labels that stand; no scores by it."""
    with catalog.db.atomic():
        catalog.conn.execute(
            "UPDATE head_versions SET in_use = 0, file = NULL, label_hash = '' WHERE head = ?", (head,)
        )
        scores.forget_head(catalog, head)
