"""What each training said about every labelled photo without having seen it: the evidence of the label audit.

Rows of a head's version in use and of its latest version are kept, older ones are pruned: nobody can act on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeprate.catalog.connection import Catalog
from keeprate.catalog.labels import Label


@dataclass(frozen=True, slots=True)
class OutOfFoldRows:
    """One row a photo. Raises ValueError if the lengths disagree."""

    content_keys: tuple[str, ...]
    buckets: tuple[str, ...]
    """What the person had said by then."""
    chosen: tuple[str, ...]
    """What the head would have said."""
    probabilities: NDArray[np.float32]
    """(n, k) calibrated, in the order of the version's buckets; rows sum to 1."""

    def __post_init__(self) -> None:
        lengths = {len(self.content_keys), len(self.buckets), len(self.chosen), len(self.probabilities)}
        if len(lengths) > 1 or self.probabilities.ndim != 2:
            raise ValueError(f"out-of-fold rows do not fit together: {sorted(lengths)} {self.probabilities.shape}")

    def __len__(self) -> int:
        return len(self.content_keys)

    def that_stand(self, standing: Mapping[str, Label]) -> OutOfFoldRows:
        """Without the photos that the person has thought better of since; `standing` as `labels.current` has it."""
        kept = [
            row
            for row, (key, bucket) in enumerate(zip(self.content_keys, self.buckets, strict=True))
            if key in standing and standing[key].bucket == bucket
        ]
        return OutOfFoldRows(
            content_keys=tuple(self.content_keys[row] for row in kept),
            buckets=tuple(self.buckets[row] for row in kept),
            chosen=tuple(self.chosen[row] for row in kept),
            probabilities=self.probabilities[kept],
        )


def store(catalog: Catalog, head: str, version: int, rows: OutOfFoldRows) -> None:
    """Write what the training of `version` said, in place of what was there. Call within a transaction."""
    catalog.conn.execute("DELETE FROM out_of_fold WHERE head = ? AND version = ?", (head, version))
    catalog.conn.executemany(
        "INSERT INTO out_of_fold (head, version, content_key, bucket, chosen, probabilities) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (head, version, key, bucket, chosen, row.tobytes())
            for key, bucket, chosen, row in zip(
                rows.content_keys, rows.buckets, rows.chosen, rows.probabilities.astype("<f4"), strict=True
            )
        ],
    )


def load(catalog: Catalog, head: str, version: int) -> OutOfFoldRows:
    """The rows of one training, sorted by content key; none if they were pruned or never stored."""
    found = catalog.conn.execute(
        "SELECT content_key, bucket, chosen, probabilities FROM out_of_fold WHERE head = ? AND version = ? "
        "ORDER BY content_key",
        (head, version),
    ).fetchall()
    joined = np.frombuffer(b"".join(row[3] for row in found), "<f4")
    return OutOfFoldRows(
        content_keys=tuple(row[0] for row in found),
        buckets=tuple(row[1] for row in found),
        chosen=tuple(row[2] for row in found),
        probabilities=joined.reshape(len(found), -1) if found else np.empty((0, 0), np.float32),
    )


def prune(catalog: Catalog, head: str) -> None:
    """Drop all rows of a head but those of its version in use and its latest. Call within a transaction."""
    catalog.conn.execute(
        "DELETE FROM out_of_fold WHERE head = ?1 "
        "AND version NOT IN (SELECT version FROM head_versions WHERE head = ?1 AND in_use = 1) "
        "AND version < (SELECT max(version) FROM head_versions WHERE head = ?1)",
        (head,),
    )
