"""Scores of photos by heads, and photos in their order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeprate.catalog import companions
from keeprate.catalog.connection import Catalog
from keeprate.catalog.embeddings import OF_A_LIBRARY

FIRST_GUESS = 0
"""The version of scores that were not learned: they stand while no version of the head is in use."""

_VERSION_SHOWN = "coalesce((SELECT version FROM head_versions WHERE head = {head} AND in_use = 1), 0)"


def store(
    catalog: Catalog, head: str, version: int, content_keys: Sequence[str], probabilities: NDArray[np.float64]
) -> None:
    """Write the probabilities (n, buckets) of photos. Call within a transaction.

    Rows are updated in their place: INSERT OR REPLACE would delete and insert anew, at almost three times the cost.
    """
    scores = probabilities[:, 0].tolist()
    packed = probabilities.astype("<f4").tobytes()
    width = 4 * probabilities.shape[1]
    catalog.conn.executemany(
        "INSERT INTO scores (content_key, head, version, score, probabilities) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (content_key, head) DO UPDATE SET "
        "version = excluded.version, score = excluded.score, probabilities = excluded.probabilities",
        [(key, head, version, scores[i], packed[i * width : (i + 1) * width]) for i, key in enumerate(content_keys)],
    )


def forget_head(catalog: Catalog, head: str) -> None:
    """Drop the scores of a head. Call within a transaction."""
    catalog.conn.execute("DELETE FROM scores WHERE head = ?", (head,))


@dataclass(frozen=True, slots=True)
class RankedPhoto:
    """A photo on disk with its score and the user's label (None: not reviewed)."""

    content_key: str
    paths: tuple[str, ...]
    """Its files in the library, sorted."""
    library: str
    score: float
    probabilities: tuple[float, ...]
    version: int
    label: str | None
    taken_at: float | None
    companions: tuple[tuple[str, str], ...] = ()
    """(path, content key) of the files in the library of the other photos of its shot, sorted."""


_RANKED = f"""
    SELECT files.content_key, files.path, files.library, scores.score, scores.probabilities, scores.version,
           photos.taken_at
    FROM scores
    JOIN files ON files.content_key = scores.content_key AND files.gone_at IS NULL
    JOIN photos ON photos.content_key = scores.content_key
    WHERE scores.head = ?1 AND scores.version = {_VERSION_SHOWN.format(head="?1")}
      AND (?2 IS NULL OR files.library = ?2)
    ORDER BY scores.score DESC, files.content_key, files.path
"""


def ranked(catalog: Catalog, head: str, labels: dict[str, str], library: str | None = None) -> list[RankedPhoto]:
    """Shots by falling score (ties by content key, so that the order is stable), once per library.

    A shot of several photos is there as the one that stands for it, or the best of the others if that one has no file
    there or no score.

    `labels`: content key → bucket of the labelled photos.
    """
    photos: list[RankedPhoto] = []
    paths: dict[tuple[str, str], list[str]] = {}
    rows = catalog.conn.execute(_RANKED, (head, library)).fetchall()
    for key, path, of_library, *_ in rows:
        paths.setdefault((key, of_library), []).append(path)
    known = companions.load(catalog)
    beside = _files_of_shots(catalog, library) if known.members else {}
    shown: set[tuple[str, str]] = set()
    for key, _, of_library, score, blob, version, taken_at in rows:
        shot = known.leader_of.get(key)
        if shot is not None:
            if (shot, of_library) in shown or (key != shot and (shot, of_library) in paths):
                continue  # another photo of the shot is in the list, or will be
            shown.add((shot, of_library))
        of_photo = paths.pop((key, of_library), None)
        if of_photo is None:
            continue  # a further copy of a photo that is in the list already
        others = () if shot is None else sorted(one for one in beside[shot, of_library] if one[1] != key)
        photos.append(
            RankedPhoto(
                key, tuple(of_photo), of_library, score, tuple(np.frombuffer(blob, "<f4").tolist()), version,
                labels.get(key), taken_at, tuple(others),
            )
        )  # fmt: skip
    return photos


_ORDER = f"""
    SELECT files.content_key, files.library
    FROM scores JOIN files ON files.content_key = scores.content_key AND files.gone_at IS NULL
    WHERE scores.head = ?1 AND scores.version = {_VERSION_SHOWN.format(head="?1")}
      AND (?2 IS NULL OR files.library = ?2)
    ORDER BY scores.score DESC, files.content_key, files.path
"""


def order(catalog: Catalog, head: str, library: str | None = None) -> Iterator[tuple[str, str]]:
    """(content key, library) of what `ranked` lists, in its order, row by row: who wants a part keeps only that."""
    known = companions.load(catalog)
    leading = _leading(catalog, head) if known.members else set()
    shown: set[tuple[str, str]] = set()
    last, of_last = "", set[str]()
    for key, of_library in catalog.conn.execute(_ORDER, (head, library)):
        if key != last:
            last, of_last = key, set()
        shot = known.leader_of.get(key)
        if shot is not None:
            if (shot, of_library) in shown or (key != shot and (shot, of_library) in leading):
                continue
            shown.add((shot, of_library))
        if of_library not in of_last:
            of_last.add(of_library)
            yield key, of_library


def _leading(catalog: Catalog, head: str) -> set[tuple[str, str]]:
    """(leader, library) of the shots of several photos whose leader has a score, and a file there."""
    rows = catalog.conn.execute(
        "SELECT DISTINCT companions.leader, files.library FROM companions "
        "JOIN files ON files.content_key = companions.leader AND files.gone_at IS NULL "
        "JOIN scores ON scores.content_key = companions.leader "
        f"WHERE scores.head = ?1 AND scores.version = {_VERSION_SHOWN.format(head='?1')}",
        (head,),
    )
    return set(rows.fetchall())


def _files_of_shots(catalog: Catalog, library: str | None) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """(leader, library) → (path, content key) of the files on disk of all photos of the shot."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    rows = catalog.conn.execute(
        "SELECT companions.leader, files.library, files.path, files.content_key "
        "FROM companions JOIN files ON files.content_key = companions.content_key AND files.gone_at IS NULL "
        "WHERE ?1 IS NULL OR files.library = ?1",
        (library,),
    )
    for leader, of_library, path, key in rows:
        found.setdefault((leader, of_library), []).append((path, key))
    return found


def of_photo(catalog: Catalog, content_key: str, head: str) -> tuple[float, tuple[float, ...], int] | None:
    """(score, probabilities, head version) of one photo, by the version in use, or the first guess."""
    row = catalog.conn.execute(
        "SELECT score, probabilities, version FROM scores WHERE content_key = ?1 AND head = ?2 "
        f"AND version = {_VERSION_SHOWN.format(head='?2')}",
        (content_key, head),
    ).fetchone()
    return (row[0], tuple(np.frombuffer(row[1], "<f4").tolist()), row[2]) if row else None


def of_photos(catalog: Catalog, head: str) -> dict[str, float]:
    """content key → score, of every photo scored by the version in use, or guessed: also of those in one shot."""
    rows = catalog.conn.execute(
        f"SELECT content_key, score FROM scores WHERE head = ?1 AND version = {_VERSION_SHOWN.format(head='?1')}",
        (head,),
    )
    return dict(rows.fetchall())


def count_unscored(catalog: Catalog, head: str, version: int, model_id: int) -> int:
    """Photos that a library has or had, with a vector, whose score by `head` is missing or older than `version`."""
    row = catalog.conn.execute(
        "SELECT count(*) FROM embeddings e LEFT JOIN scores s ON s.content_key = e.content_key AND s.head = ? "
        f"WHERE e.model_id = ? AND s.version IS NOT ? AND {OF_A_LIBRARY}",
        (head, model_id, version),
    ).fetchone()
    return int(row[0])


def guessed_for(catalog: Catalog, head: str) -> tuple[str, ...] | None:
    """The buckets that the first guesses of a head were made for, in order; None: there are none."""
    row = catalog.conn.execute("SELECT buckets FROM first_guesses WHERE head = ?", (head,)).fetchone()
    return None if row is None else tuple(json.loads(row[0]))


def begin_guesses(catalog: Catalog, head: str, buckets: Sequence[str] | None) -> None:
    """Drop the first guesses of a head; those to come are for `buckets` (None: there will be none)."""
    with catalog.db.atomic():
        catalog.conn.execute("DELETE FROM scores WHERE head = ? AND version = ?", (head, FIRST_GUESS))
        catalog.conn.execute("DELETE FROM first_guesses WHERE head = ?", (head,))
        if buckets is not None:
            catalog.conn.execute("INSERT INTO first_guesses VALUES (?, ?)", (head, json.dumps(buckets)))


def count_unguessed(catalog: Catalog, head: str, signals_version: int) -> int:
    """Photos on disk with signals of this version that have no first guess by `head`."""
    row = catalog.conn.execute(
        "SELECT count(DISTINCT signals.content_key) FROM signals "
        "JOIN files ON files.content_key = signals.content_key AND files.gone_at IS NULL "
        "LEFT JOIN scores ON scores.content_key = signals.content_key AND scores.head = ? "
        "WHERE signals.version = ? AND scores.version IS NOT ?",
        (head, signals_version, FIRST_GUESS),
    ).fetchone()
    return int(row[0])
