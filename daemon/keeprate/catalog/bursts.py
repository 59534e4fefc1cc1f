"""Which photos of a library are nearly the same, and what is needed to compare and to rank them.

Every photo that was compared with the others of its library has a row, also those that stand alone: what has none is
still to be compared. A shot of several files (see `catalog.companions`) is compared as the one that stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeprate.catalog.connection import Catalog
from keeprate.plugin_api import BurstKind

# `+` keeps SQLite from looking through a whole library where a photo's few files are meant
_SHOWN = """
    NOT EXISTS (SELECT 1 FROM companions JOIN files leading ON leading.content_key = companions.leader
                WHERE companions.content_key = photos.content_key AND companions.leader <> photos.content_key
                AND +leading.library = :library AND +leading.gone_at IS NULL)
"""
# `CROSS` keeps the order: indices tell which vectors were not compared, and only of these photos anything is read
_COMPARABLE = f"""
    FROM embeddings CROSS JOIN photos USING (content_key) CROSS JOIN looks USING (content_key)
    WHERE embeddings.model_id = :model
      AND EXISTS (SELECT 1 FROM files WHERE files.content_key = photos.content_key
                  AND +files.library = :library AND +files.gone_at IS NULL)
      AND looks.version = :looks AND {_SHOWN}
"""
_UNCOMPARED = """
    NOT EXISTS (SELECT 1 FROM bursts WHERE bursts.content_key = embeddings.content_key
                AND bursts.library = :library AND bursts.model_id = :model)
"""


@dataclass(frozen=True, slots=True)
class ComparablePhoto:
    """A photo on disk with a vector and a look; numbers are None where the file does not say."""

    content_key: str
    perceptual_hash: int
    taken_at: float | None
    camera: str | None
    seconds: float | None
    f_number: float | None
    iso: float | None
    bias: float | None
    bracketed: bool
    focal_length: float | None
    subject_distance: float | None
    compared: bool  # SQLite has no truth values: this and `bracketed` are 0 or 1
    """With the others of its library, by vectors of the same model."""
    burst: str | None


def count_uncompared(catalog: Catalog, library: str, model_id: int, looks_version: int) -> int:
    """Photos of the library that have come since photos were last compared."""
    row = catalog.conn.execute(
        f"SELECT count(*) {_COMPARABLE} AND {_UNCOMPARED}",
        {"library": library, "model": model_id, "looks": looks_version},
    ).fetchone()
    return int(row[0])


def comparable(catalog: Catalog, library: str, model_id: int, looks_version: int) -> list[ComparablePhoto]:
    """All photos of the library that can be compared, by content key."""
    rows = catalog.conn.execute(
        "SELECT photos.content_key, coalesce(perceptual_hash, 0), taken_at, camera, seconds, f_number, iso, bias, "
        "bracketed, focal_length, subject_distance, "
        f"NOT {_UNCOMPARED}, (SELECT burst FROM bursts WHERE bursts.content_key = photos.content_key "
        f"AND bursts.library = :library) {_COMPARABLE} ORDER BY photos.content_key",
        {"library": library, "model": model_id, "looks": looks_version},
    )
    return [ComparablePhoto(*row) for row in rows]


def store(
    catalog: Catalog, library: str, model_id: int, content_keys: Iterable[str],
    groups: Iterable[tuple[BurstKind, Sequence[str]]],
) -> None:  # fmt: skip
    """Note that these photos were compared, and the groups found among them. Call within a transaction."""
    place = {key: (keys[0], str(kind)) for kind, keys in groups for key in keys}
    catalog.conn.executemany(
        "INSERT OR REPLACE INTO bursts (library, content_key, model_id, burst, kind) VALUES (?, ?, ?, ?, ?)",
        [(library, key, model_id, *place.get(key, (None, None))) for key in content_keys],
    )


@dataclass(frozen=True, slots=True)
class Members:
    """Photos on disk that something else on disk is nearly the same as, by group and time; n rows each."""

    content_keys: list[str]
    bursts: list[str]
    kinds: list[BurstKind]
    paths: list[str]
    """The first of each."""
    taken_at: NDArray[np.float64]
    """NaN where unknown."""
    technical: NDArray[np.float32]
    quantisation: NDArray[np.float64]
    pixels: NDArray[np.float64]
    sizes: NDArray[np.float64]
    """Bytes of the file."""


_MEMBERS = f"""
    SELECT photos.content_key, burst, kind, min(files.path), taken_at, quantisation, width * height, files.size,
           technical
    FROM bursts JOIN photos USING (content_key) JOIN looks USING (content_key)
    JOIN files ON files.content_key = photos.content_key AND +files.library = :library AND +files.gone_at IS NULL
    WHERE bursts.library = :library AND burst IS NOT NULL AND {_SHOWN}
    GROUP BY photos.content_key
"""


def members(catalog: Catalog, library: str) -> Members:
    """The groups of a library as its files lie now: without those that only one photo is left of."""
    rows = catalog.conn.execute(
        f"WITH m AS ({_MEMBERS}) SELECT * FROM m "
        "WHERE burst IN (SELECT burst FROM m GROUP BY burst HAVING count(*) > 1) "
        "ORDER BY burst, taken_at, 4",
        {"library": library},
    ).fetchall()
    numbers = np.array([row[4:8] for row in rows], np.float64).reshape(-1, 4)
    return Members(
        content_keys=[row[0] for row in rows],
        bursts=[row[1] for row in rows],
        kinds=[BurstKind(row[2]) for row in rows],
        paths=[row[3] for row in rows],
        taken_at=numbers[:, 0],
        quantisation=numbers[:, 1],
        pixels=numbers[:, 2],
        sizes=numbers[:, 3],
        technical=np.array([np.frombuffer(row[8], "<f4") for row in rows], np.float32),
    )


def count(catalog: Catalog, library: str) -> int:
    """Groups of the library, as its files lie now."""
    row = catalog.conn.execute(
        "SELECT count(*) FROM (SELECT burst FROM bursts WHERE library = :library AND burst IS NOT NULL AND EXISTS "
        "(SELECT 1 FROM files WHERE files.content_key = bursts.content_key AND +files.library = :library "
        "AND +gone_at IS NULL) GROUP BY burst HAVING count(*) > 1)",
        {"library": library},
    ).fetchone()
    return int(row[0])
