"""Numbers that a person gave photos elsewhere (a `score.json`). Append-only: the latest of a photo and head counts.

They rank, they do not sort into buckets: no head learns from them yet, they are kept for heads that rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeprate.catalog.connection import Catalog, path_bytes


@dataclass(frozen=True, slots=True)
class GivenScore:
    """`score` is in the units of its source; `at` in unix seconds; `path` is where the photo lay by the source."""

    content_key: str
    head: str
    score: float
    source: str
    at: float
    path: str | None


def append(catalog: Catalog, scores: Sequence[GivenScore]) -> None:
    """Write scores. Call within a transaction."""
    catalog.conn.executemany(
        "INSERT INTO given_scores (content_key, head, score, source, at, path) VALUES (?, ?, ?, ?, ?, CAST(? AS TEXT))",
        [
            (
                given.content_key, given.head, given.score, given.source, given.at,
                None if given.path is None else path_bytes(given.path),
            )
            for given in scores
        ],
    )  # fmt: skip


def current(catalog: Catalog, head: str) -> dict[str, GivenScore]:
    """content key → the score that counts."""
    rows = catalog.conn.execute(
        "SELECT content_key, head, score, source, at, path FROM given_scores "
        "WHERE id IN (SELECT max(id) FROM given_scores WHERE head = ? GROUP BY content_key) ORDER BY content_key",
        (head,),
    )
    return {row[0]: GivenScore(*row) for row in rows}
