"""Vectors, signals and what decoding taught about a photo; and which photos still lack them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeprate import __version__
from keeprate.catalog import looks
from keeprate.catalog.connection import Catalog

Float32Array = NDArray[np.float32]
READ_CHUNK = 512
"""Rows read at once. A megabyte of vectors stays in the processor's cache and is too little for the matrix product
to wake further threads, which cost more than they give: 4,096 rows took twice as long (bench/scoring.py)."""


@dataclass(frozen=True, slots=True)
class NewEmbedding:
    """Everything that one decoded photo gives to the catalog."""

    content_key: str
    vector: Float32Array
    """Empty: the photo has one already, this is the rest."""
    signals: Float32Array
    perceptual_hash: int
    format: str
    width: int
    height: int
    taken_at: float | None
    camera: str | None
    file_name: str | None = None
    """The words of the file's name, if they are part of the vector."""
    look: looks.Look | None = None


_BLOCKED = """
    NOT EXISTS (SELECT 1 FROM problems WHERE problems.content_key = files.content_key
                AND problems.step IN ('decode', 'embed') AND problems.keeprate = :keeprate)
"""
_WANTED = f"""
    FROM files
    WHERE gone_at IS NULL AND content_key IS NOT NULL
      AND library IN (SELECT name FROM libraries WHERE offline IS NULL)
      AND (NOT EXISTS (SELECT 1 FROM embeddings WHERE embeddings.content_key = files.content_key
                       AND embeddings.model_id = :model)
           OR NOT EXISTS (SELECT 1 FROM signals WHERE signals.content_key = files.content_key
                          AND signals.version = :signals)
           OR (:looks IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM looks WHERE looks.content_key = files.content_key
                               AND looks.version = :looks)))
      AND (:library IS NULL OR library = :library)
      AND {_BLOCKED}
"""


def _wanted_parameters(
    model_id: int, signals_version: int, library: str | None, looks_version: int | None
) -> dict[str, object]:
    return {
        "model": model_id, "signals": signals_version, "library": library, "looks": looks_version,
        "keeprate": __version__,
    }  # fmt: skip


def wanted(
    catalog: Catalog,
    model_id: int,
    signals_version: int,
    library: str | None = None,
    *,
    looks_version: int | None = None,
) -> list[tuple[str, str, str]]:
    """(content key, path, library) of each photo on disk that lacks a vector by this model, once a photo.

    Or signals of this version, or a look of `looks_version` (None: never mind).
    """
    rows = catalog.conn.execute(
        f"SELECT content_key, min(path), library {_WANTED} GROUP BY content_key ORDER BY 2",
        _wanted_parameters(model_id, signals_version, library, looks_version),
    )
    return list(rows)


def count_wanted(
    catalog: Catalog,
    model_id: int,
    signals_version: int,
    library: str | None = None,
    *,
    looks_version: int | None = None,
) -> int:
    """How many photos `wanted` would tell."""
    row = catalog.conn.execute(
        f"SELECT count(DISTINCT content_key) {_WANTED}",
        _wanted_parameters(model_id, signals_version, library, looks_version),
    ).fetchone()
    return int(row[0])


def store(catalog: Catalog, model_id: int, signals_version: int, batch: Sequence[NewEmbedding]) -> None:
    """Write a batch. Call within a transaction."""
    conn = catalog.conn
    conn.executemany(
        "INSERT OR REPLACE INTO embeddings (content_key, model_id, vector, file_name) VALUES (?, ?, ?, ?)",
        [
            (new.content_key, model_id, new.vector.astype("<f4").tobytes(), new.file_name)
            for new in batch
            if new.vector.size
        ],
    )
    conn.executemany(
        "INSERT OR REPLACE INTO signals (content_key, version, vector) VALUES (?, ?, ?)",
        [(new.content_key, signals_version, new.signals.astype("<f4").tobytes()) for new in batch],
    )
    looks.store(catalog, [(new.content_key, new.look) for new in batch if new.look is not None])
    conn.executemany(
        "UPDATE photos SET format = ?, width = ?, height = ?, taken_at = ?, camera = ?, perceptual_hash = ? "
        "WHERE content_key = ?",
        [
            (
                new.format,
                new.width,
                new.height,
                new.taken_at,
                new.camera,
                new.perceptual_hash,
                new.content_key,
            )
            for new in batch
        ],
    )


def add_vectors(catalog: Catalog, model_id: int, vectors: Mapping[str, Float32Array]) -> int:
    """Store vectors that come without the rest (content key → vector), where there are none yet; returns how many.

    Call within a transaction.
    """
    before = catalog.conn.total_changes
    catalog.conn.executemany(
        "INSERT INTO embeddings (content_key, model_id, vector) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(key, model_id, vector.astype("<f4").tobytes()) for key, vector in vectors.items()],
    )
    return catalog.conn.total_changes - before


def with_vector(catalog: Catalog, model_id: int, content_keys: Sequence[str]) -> set[str]:
    """Those of `content_keys` that have a vector by this model."""
    found: set[str] = set()
    for start in range(0, len(content_keys), READ_CHUNK):
        chunk = content_keys[start : start + READ_CHUNK]
        rows = catalog.conn.execute(
            f"SELECT content_key FROM embeddings WHERE model_id = ? AND content_key IN ({','.join('?' * len(chunk))})",
            (model_id, *chunk),
        )
        found.update(key for (key,) in rows)
    return found


def some_present(catalog: Catalog, model_id: int, limit: int) -> dict[str, str]:
    """content key → path of up to `limit` photos on disk that have a vector by this model, the same ones each time."""
    rows = catalog.conn.execute(
        "SELECT content_key, min(path) FROM files JOIN embeddings USING (content_key) WHERE gone_at IS NULL "
        "AND model_id = ? AND library IN (SELECT name FROM libraries WHERE offline IS NULL) "
        "GROUP BY content_key ORDER BY content_key LIMIT ?",
        (model_id, limit),
    )
    return dict(rows.fetchall())


def count_embedded(catalog: Catalog, model_id: int) -> int:
    """Photos on disk that have a vector by this model."""
    row = catalog.conn.execute(
        "SELECT count(DISTINCT files.content_key) FROM files JOIN embeddings USING (content_key) "
        "WHERE gone_at IS NULL AND model_id = ?",
        (model_id,),
    ).fetchone()
    return int(row[0])


def vectors_of(catalog: Catalog, model_id: int, content_keys: Sequence[str]) -> dict[str, Float32Array]:
    """The vectors of those of `content_keys` that have one."""
    return _by_key(catalog, "SELECT content_key, vector FROM embeddings WHERE model_id = ?", model_id, content_keys)


def signals_of(catalog: Catalog, version: int, content_keys: Sequence[str]) -> dict[str, Float32Array]:
    """The signals of those of `content_keys` that have them in this version."""
    return _by_key(catalog, "SELECT content_key, vector FROM signals WHERE version = ?", version, content_keys)


def sample(
    catalog: Catalog, model_id: int, signals_version: int, count: int, libraries: Sequence[str]
) -> VectorChunk | None:
    """Up to `count` photos with a vector and signals, labelled or not, spread evenly; None if there is none.

    Only photos that one of `libraries` has or had: another library, a test set or somebody's card that was classified
    says nothing about what these are like. Content keys are hashes, so that every so-manieth is as good as a random
    draw, and the same each time.
    """
    keys = [
        key
        for (key,) in catalog.conn.execute(
            "SELECT content_key FROM embeddings JOIN signals USING (content_key) "
            "WHERE model_id = ? AND signals.version = ? "
            "AND EXISTS (SELECT 1 FROM files WHERE files.content_key = embeddings.content_key "
            f"AND files.library IN ({','.join('?' * len(libraries))})) ORDER BY content_key",
            (model_id, signals_version, *libraries),
        )
    ]
    if not keys:
        return None
    chosen = keys[:: -(-len(keys) // count)]
    vectors, signals = vectors_of(catalog, model_id, chosen), signals_of(catalog, signals_version, chosen)
    return VectorChunk(chosen, np.stack([vectors[key] for key in chosen]), np.stack([signals[key] for key in chosen]))


def known(catalog: Catalog, model_id: int, signals_version: int) -> set[str]:
    """Content keys of the photos with a vector by this model and signals of this version."""
    return {
        key
        for (key,) in catalog.conn.execute(
            "SELECT content_key FROM embeddings JOIN signals USING (content_key) "
            "WHERE model_id = ? AND signals.version = ?",
            (model_id, signals_version),
        )
    }


def _by_key(catalog: Catalog, select: str, first: int, content_keys: Sequence[str]) -> dict[str, Float32Array]:
    found: dict[str, Float32Array] = {}
    for start in range(0, len(content_keys), READ_CHUNK):
        chunk = content_keys[start : start + READ_CHUNK]
        rows = catalog.conn.execute(f"{select} AND content_key IN ({','.join('?' * len(chunk))})", (first, *chunk))
        found.update((key, np.frombuffer(blob, "<f4")) for key, blob in rows)
    return found


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """What tells whether two photos belong to the same shoot; `taken_at` in unix seconds."""

    perceptual_hash: int
    taken_at: float | None
    first_folder: str


def group_facts(catalog: Catalog, content_keys: Sequence[str]) -> list[GroupFacts]:
    """One for each of `content_keys`, in their order."""
    found: list[GroupFacts] = []
    for key in content_keys:
        row = catalog.conn.execute(
            "SELECT coalesce(perceptual_hash, 0), taken_at, first_folder FROM photos WHERE content_key = ?", (key,)
        ).fetchone()
        found.append(GroupFacts(*row))
    return found


@dataclass(frozen=True, slots=True)
class VectorChunk:
    """Up to `READ_CHUNK` photos: keys, vectors (n, d), signals (n, s) or None."""

    content_keys: list[str]
    vectors: Float32Array
    signals: Float32Array | None


OF_A_LIBRARY = "EXISTS (SELECT 1 FROM files WHERE files.content_key = e.content_key)"
"""Of embeddings `e`: not those of test sets, or of somebody's card that was classified."""


def unscored(
    catalog: Catalog, model_id: int, *, head: str, version: int, signals_version: int | None
) -> Iterator[VectorChunk]:
    """Photos that a library has or had, whose score by `head` is missing or older than `version`, in chunks.

    `signals_version` not None: their signals come along, and photos without them are left out.
    """
    if signals_version is None:
        cursor = catalog.conn.execute(
            "SELECT e.content_key, e.vector FROM embeddings e "
            "LEFT JOIN scores s ON s.content_key = e.content_key AND s.head = ? "
            f"WHERE e.model_id = ? AND s.version IS NOT ? AND {OF_A_LIBRARY}",
            (head, model_id, version),
        )
    else:
        cursor = catalog.conn.execute(
            "SELECT e.content_key, e.vector, g.vector FROM embeddings e "
            "JOIN signals g ON g.content_key = e.content_key AND g.version = ? "
            "LEFT JOIN scores s ON s.content_key = e.content_key AND s.head = ? "
            f"WHERE e.model_id = ? AND s.version IS NOT ? AND {OF_A_LIBRARY}",
            (signals_version, head, model_id, version),
        )
    while rows := cursor.fetchmany(READ_CHUNK):
        keys = [row[0] for row in rows]
        yield VectorChunk(keys, _matrix(rows, 1), _matrix(rows, 2) if signals_version is not None else None)


def _matrix(rows: list[sqlite3.Row], column: int) -> Float32Array:
    return np.frombuffer(b"".join([row[column] for row in rows]), "<f4").reshape(len(rows), -1)


@dataclass(frozen=True, slots=True)
class MeasuredChunk:
    """Photos on disk in the order of their paths: keys, perceptual hashes (n,), signals (n, s)."""

    content_keys: list[str]
    perceptual_hashes: NDArray[np.int64]
    signals: Float32Array


def measured(catalog: Catalog, signals_version: int) -> MeasuredChunk:
    """Every photo on disk whose signals were measured in this version."""
    rows = catalog.conn.execute(
        "SELECT files.content_key, coalesce(photos.perceptual_hash, 0), signals.vector "
        "FROM files JOIN photos USING (content_key) JOIN signals USING (content_key) "
        "WHERE files.gone_at IS NULL AND signals.version = ? GROUP BY files.content_key ORDER BY min(files.path)",
        (signals_version,),
    ).fetchall()
    return MeasuredChunk([row[0] for row in rows], np.array([row[1] for row in rows], np.int64), _matrix(rows, 2))
