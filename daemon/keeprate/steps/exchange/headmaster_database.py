"""Headmaster's `headmaster.db`, read and checked: its registry of models and its cached vectors (H33, H35).

The file is somebody else's, and may be damaged or of another program. It is opened read-only and nothing is created
beside it.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from keeprate.errors import KeeprateError
from keeprate.learning.exchange import LARGEST_COMPONENT

WAIT_S: Final = 5.0
LARGEST_DIMENSION: Final = 32768
_COLUMNS: Final = {
    "models": {"id", "name", "path", "embed_dim", "active"},
    "embeddings": {"hash", "model_id", "vector"},
}
_HASH = re.compile(r"[0-9a-f]{64}")
_READ_TOGETHER = 512


class ImportFailedError(KeeprateError):
    """What is to be imported cannot be read, or is something else."""

    slug = "import"


@dataclass(frozen=True, slots=True)
class HeadmasterModel:
    """A row of its registry."""

    id: int
    name: str
    path: str
    dimension: int
    active: bool
    vectors: int
    """How many are cached."""


@dataclass(frozen=True, slots=True)
class HeadmasterDatabase:
    """An open database of headmaster's."""

    path: Path
    _conn: sqlite3.Connection

    def models(self) -> list[HeadmasterModel]:
        """The registered models whose row makes sense, by name."""
        rows = _read(
            self._conn,
            self.path,
            "SELECT id, name, path, embed_dim, active, (SELECT count(*) FROM embeddings WHERE model_id = models.id) "
            "FROM models ORDER BY name",
        )
        return [
            HeadmasterModel(row[0], row[1], row[2], row[3], bool(row[4]), row[5])
            for row in rows
            if isinstance(row[1], str) and row[1] and isinstance(row[2], str) and row[2]
            if isinstance(row[3], int) and 1 <= row[3] <= LARGEST_DIMENSION
        ]

    def hashes(self) -> set[str]:
        """SHA-256 (hex) of every picture with a cached vector."""
        rows = _read(self._conn, self.path, "SELECT DISTINCT hash FROM embeddings WHERE length(hash) = 64")
        return {value for (value,) in rows if isinstance(value, str) and _HASH.fullmatch(value)}

    def vectors(self, model: HeadmasterModel, hashes: list[str]) -> Iterator[tuple[str, NDArray[np.float32] | None]]:
        """(hash, vector) of those of `hashes` that have one by `model`; None: what is cached there is no vector.

        What has another length is not even read: it may fill the memory.
        """
        for start in range(0, len(hashes), _READ_TOGETHER):
            chunk = hashes[start : start + _READ_TOGETHER]
            marks = ",".join("?" * len(chunk))
            rows = _read(
                self._conn,
                self.path,
                "SELECT hash, CASE WHEN typeof(vector) = 'blob' AND length(vector) = ? THEN vector END "
                f"FROM embeddings WHERE model_id = ? AND hash IN ({marks})",
                (4 * model.dimension, model.id, *chunk),
            )
            for hashed, blob in rows:
                yield hashed, _vector(blob)


@contextlib.contextmanager
def open_headmaster(path: Path) -> Iterator[HeadmasterDatabase]:
    """Open `headmaster.db`, for reading only.

    Raises:
        ImportFailedError: it is missing, damaged, in use, or of another shape.
    """
    if not path.is_file():
        raise ImportFailedError(
            "There is no headmaster.db there.",
            path=path,
            advice="Name the folder that holds heads/ and headmaster.db. Without it everything is embedded anew.",
        )
    mode = "mode=ro" + ("&immutable=1" if _would_leave_files(path) else "")
    conn = None
    try:
        conn = sqlite3.connect(f"file:{quote(str(path))}?{mode}", uri=True, timeout=WAIT_S)
        for table, wanted in _COLUMNS.items():
            found = {row[1] for row in _read(conn, path, f"PRAGMA table_info({table})")}
            if missing := wanted - found:
                raise ImportFailedError(
                    f"This is no database of headmaster's: its table {table} has no {', '.join(sorted(missing))}.",
                    path=path,
                )
        yield HeadmasterDatabase(path, conn)
    except sqlite3.Error as error:
        raise _translated(error, path) from error
    finally:
        if conn is not None:
            conn.close()


def _would_leave_files(path: Path) -> bool:
    """Whether SQLite would make a -wal and a -shm beside a database that nobody has open."""
    try:
        with path.open("rb") as stream:
            header = stream.read(20)
    except OSError as error:
        raise ImportFailedError(f"It cannot be read: {error.strerror or error}.", path=path) from error
    return header[18:20] == b"\x02\x02" and not path.with_name(path.name + "-wal").exists()


def _read(conn: sqlite3.Connection, path: Path, statement: str, values: tuple[object, ...] = ()) -> list[Any]:
    try:
        return conn.execute(statement, values).fetchall()
    except sqlite3.Error as error:
        raise _translated(error, path) from error


def _translated(error: sqlite3.Error, path: Path) -> ImportFailedError:
    text = str(error)
    if "locked" in text or "busy" in text:
        return ImportFailedError(
            "headmaster.db is in use by another program.", path=path, advice="Wait until headmaster has finished."
        )
    return ImportFailedError(
        f"headmaster.db cannot be read, it is damaged or something else: {text}.",
        path=path,
        advice="Nothing is lost: `keeprate embed` makes the vectors anew.",
    )


def _vector(blob: bytes | None) -> NDArray[np.float32] | None:
    if blob is None:
        return None
    vector = np.frombuffer(blob, "<f4").astype(np.float32)
    return vector if (np.abs(vector) <= LARGEST_COMPONENT).all() and vector.any() else None
