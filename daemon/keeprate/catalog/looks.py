"""What is kept of looking at a photo beside its signals: how it was exposed, how good it is technically, a thumbnail.

All of it serves to find photos that are nearly the same and to say which of them is the best.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeprate.catalog.connection import Catalog

READ_CHUNK = 512

Bytes2D = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Look:
    """Of one photo; numbers are None where the file does not say."""

    version: int
    """Of the measures: `pictures.technical.TECHNICAL_VERSION`."""
    technical: Floats
    """In the order of `pictures.technical.TECHNICAL_NAMES`."""
    thumbnail: Bytes2D
    """(32, 32) grey levels."""
    quantisation: float | None = None
    seconds: float | None = None
    f_number: float | None = None
    iso: float | None = None
    bias: float | None = None
    bracketed: bool = False
    focal_length: float | None = None
    subject_distance: float | None = None


_COLUMNS = (
    "content_key, version, technical, thumbnail, quantisation, seconds, f_number, iso, bias, bracketed, focal_length, "
    "subject_distance"
)


def store(catalog: Catalog, looks: Iterable[tuple[str, Look]]) -> None:
    """Write what was seen of photos (content key, look). Call within a transaction."""
    catalog.conn.executemany(
        f"INSERT OR REPLACE INTO looks ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                key, look.version, look.technical.astype("<f4").tobytes(), look.thumbnail.tobytes(), look.quantisation,
                look.seconds, look.f_number, look.iso, look.bias, int(look.bracketed), look.focal_length,
                look.subject_distance,
            )
            for key, look in looks
        ],
    )  # fmt: skip


def thumbnails_of(catalog: Catalog, content_keys: Sequence[str]) -> NDArray[np.uint8]:
    """(n, 32 · 32) grey levels, in the order of `content_keys`; all of them must have been looked at."""
    found: dict[str, bytes] = {}
    for start in range(0, len(content_keys), READ_CHUNK):
        chunk = content_keys[start : start + READ_CHUNK]
        found.update(
            catalog.conn.execute(
                f"SELECT content_key, thumbnail FROM looks WHERE content_key IN ({','.join('?' * len(chunk))})", chunk
            )
        )
    return np.frombuffer(b"".join([found[key] for key in content_keys]), np.uint8).reshape(len(content_keys), -1)


def number(value: float | None) -> float:
    """NaN for what is not known: arrays have no None."""
    return math.nan if value is None else value
