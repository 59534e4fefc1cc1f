"""What the user said about photos, by acts. Append-only: the latest row of a photo and head counts.

*Place labels* (`move`, `folder`, `trash`) follow from where a photo lies. They are only appended when the place
changes, so that a later label of another source stands until the photo is moved into another bucket. When the photo
leaves its bucket, what was said besides counts again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from keeprate.catalog.connection import Catalog, path_bytes


class LabelSource(StrEnum):
    """How a label came about."""

    MOVE = "move"
    """Moved into (or out of) a bucket's folder after it had been seen elsewhere in the library."""
    FOLDER = "folder"
    """First seen in a bucket's folder."""
    TRASH = "trash"
    """Left the library for the desktop's trash."""
    CSV = "csv"
    """Said by a file: `keeprate labels import`."""
    RATING = "rating"
    """By stars, a flag, a colour or a keyword, in a viewer."""
    WEB = "web"
    """On the page, or by a program over the api."""


PLACE_SOURCES = (LabelSource.MOVE, LabelSource.FOLDER, LabelSource.TRASH)
_PLACES = ", ".join(f"'{source}'" for source in PLACE_SOURCES)


@dataclass(frozen=True, slots=True)
class Label:
    """One act: this photo belongs into `bucket` of `head` (None: the label is withdrawn). `at`: unix seconds."""

    content_key: str
    head: str
    bucket: str | None
    source: str
    at: float
    path: str | None


def append(catalog: Catalog, labels: Sequence[Label]) -> None:
    """Write labels. Call within a transaction."""
    catalog.conn.executemany(
        "INSERT INTO labels (content_key, head, bucket, source, at, path) VALUES (?, ?, ?, ?, ?, CAST(? AS TEXT))",
        [
            (
                label.content_key, label.head, label.bucket, str(label.source), label.at,
                None if label.path is None else path_bytes(label.path),
            )
            for label in labels
        ],
    )  # fmt: skip


_STANDING = "id IN (SELECT max(id) FROM labels WHERE head = ? GROUP BY content_key) AND bucket IS NOT NULL"
_WITH_COMPANIONS = "labels.content_key IN (SELECT content_key FROM companions)"


def current(catalog: Catalog, head: str, *, with_companions: bool = False) -> dict[str, Label]:
    """content key → the label that counts, of every photo with one, files present or not.

    `with_companions` leaves out photos that have none.
    """
    only = f" AND {_WITH_COMPANIONS}" if with_companions else ""
    rows = catalog.conn.execute(
        f"SELECT content_key, head, bucket, source, at, path FROM labels WHERE {_STANDING}{only} ORDER BY content_key",
        (head,),
    )
    return {row[0]: Label(*row) for row in rows}


def places(catalog: Catalog, head: str) -> dict[str, str | None]:
    """content key → bucket (or None, moved out again) of the latest place label, of every photo that has one."""
    rows = catalog.conn.execute(
        "SELECT content_key, bucket FROM labels WHERE id IN "
        f"(SELECT max(id) FROM labels WHERE head = ? AND source IN ({_PLACES}) GROUP BY content_key)",
        (head,),
    )
    return dict(rows.fetchall())


def said_besides(catalog: Catalog, head: str) -> dict[str, Label]:
    """content key → the label that would count without the photo's place: the latest of another source.

    One that only repeats what the place had said already (`undo` on the page does that) is left out.
    """
    rows = catalog.conn.execute(
        "SELECT content_key, head, bucket, source, at, path FROM labels AS besides WHERE bucket IS NOT NULL AND id IN "
        f"(SELECT max(id) FROM labels WHERE head = ? AND source NOT IN ({_PLACES}) GROUP BY content_key) "
        "AND bucket IS NOT (SELECT bucket FROM labels AS place WHERE place.head = besides.head "
        f"AND place.content_key = besides.content_key AND place.id < besides.id AND source IN ({_PLACES}) "
        "AND NOT EXISTS (SELECT 1 FROM labels AS later WHERE later.head = place.head "
        f"AND later.content_key = place.content_key AND later.id > place.id AND later.source IN ({_PLACES})))",
        (head,),
    )
    return {row[0]: Label(*row) for row in rows}


def by_trash(catalog: Catalog, head: str) -> list[Label]:
    """The labels that photos carry because they, or links to them, lie in the trash, by the latest place label."""
    rows = catalog.conn.execute(
        "SELECT content_key, head, bucket, source, at, path FROM labels AS label "
        "WHERE head = ? AND source = ? AND bucket IS NOT NULL AND NOT EXISTS (SELECT 1 FROM labels AS later "
        "WHERE later.head = label.head AND later.content_key = label.content_key AND later.id > label.id "
        f"AND later.source IN ({_PLACES}))",
        (head, LabelSource.TRASH),
    )
    return [Label(*row) for row in rows]


def latest_of(catalog: Catalog, head: str, content_key: str) -> Label | None:
    """The latest label of one photo, of any source; a withdrawn one as well."""
    row = catalog.conn.execute(
        "SELECT content_key, head, bucket, source, at, path FROM labels WHERE head = ? AND content_key = ? "
        "ORDER BY id DESC LIMIT 1",
        (head, content_key),
    ).fetchone()
    return Label(*row) if row else None


def place_paths(catalog: Catalog, head: str) -> dict[str, str | None]:
    """content key → where the file or link lay that gave the photo its present place label."""
    rows = catalog.conn.execute(
        "SELECT content_key, path FROM labels WHERE bucket IS NOT NULL AND id IN "
        f"(SELECT max(id) FROM labels WHERE head = ? AND source IN ({_PLACES}) GROUP BY content_key)",
        (head,),
    )
    return dict(rows.fetchall())


def standing_places(catalog: Catalog, head: str) -> list[Label]:
    """The present place label of every photo that has one, whatever was said otherwise since."""
    rows = catalog.conn.execute(
        "SELECT content_key, head, bucket, source, at, path FROM labels WHERE bucket IS NOT NULL AND id IN "
        f"(SELECT max(id) FROM labels WHERE head = ? AND source IN ({_PLACES}) GROUP BY content_key)",
        (head,),
    )
    return [Label(*row) for row in rows]


def counts(catalog: Catalog, head: str) -> dict[str, int]:
    """bucket → how many photos carry it now."""
    rows = catalog.conn.execute(
        "SELECT bucket, count(*) FROM labels WHERE id IN "
        "(SELECT max(id) FROM labels WHERE head = ? GROUP BY content_key) AND bucket IS NOT NULL GROUP BY bucket",
        (head,),
    )
    return dict(rows.fetchall())


@dataclass(frozen=True, slots=True)
class LabelChanges:
    """Label rows since some time: how many, and when the first and the latest came (unix seconds)."""

    count: int
    first_at: float | None
    latest_at: float | None


def changes_since(catalog: Catalog, head: str, since: float) -> LabelChanges:
    row = catalog.conn.execute(
        "SELECT count(*), min(at), max(at) FROM labels WHERE head = ? AND at > ?", (head, since)
    ).fetchone()
    return LabelChanges(*row)


def withdrawn(content_key: str, head: str, *, path: str | None) -> Label:
    """The label that takes back what the photo's former place said."""
    return Label(content_key, head, None, LabelSource.MOVE, time.time(), path)


def count_alone(catalog: Catalog, head: str) -> dict[str, int]:
    """bucket → how many photos without companions are in it."""
    rows = catalog.conn.execute(
        f"SELECT bucket, count(*) FROM labels WHERE {_STANDING} AND NOT {_WITH_COMPANIONS} GROUP BY bucket", (head,)
    )
    return dict(rows.fetchall())


def count_reviewed_alone(catalog: Catalog, head: str, library: str) -> int:
    """Photos without companions, on disk in a library, that carry a label."""
    row = catalog.conn.execute(
        f"SELECT count(*) FROM labels WHERE {_STANDING} AND NOT {_WITH_COMPANIONS} AND EXISTS "
        # by the index of content keys (`+`): that of libraries would read a whole library for each label
        "(SELECT 1 FROM files WHERE files.content_key = labels.content_key AND +library = ? AND gone_at IS NULL)",
        (head, library),
    ).fetchone()
    return int(row[0])


def photos_labelled_at(catalog: Catalog, head: str, at: float) -> list[str]:
    """Content keys that carried a label of `head` at the time `at` (unix seconds)."""
    rows = catalog.conn.execute(
        "SELECT content_key FROM labels WHERE bucket IS NOT NULL AND id IN "
        "(SELECT max(id) FROM labels WHERE head = ? AND at <= ? GROUP BY content_key)",
        (head, at),
    )
    return [key for (key,) in rows]
