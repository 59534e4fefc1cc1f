"""What the user says about photo files in viewers, as photo managers read it, and what became of it.

`user_marks` is what stands now, file by file. `said_values` remembers each value of each photo with the moment in
which it came, whether it is held back, and what the user answered when asked. `taken_marks` is what labels were last
made from: only a change of what marks say is an act.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from keeprate.catalog.connection import Catalog, path_bytes
from keeprate.plugin_api import Channel, Shown, UserMarks


class Decision(StrEnum):
    """What the user answered about a value that was held back."""

    ACCEPTED = "accepted"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class FileReading:
    """What all photo managers read about one file."""

    path: str
    library: str
    content_key: str
    folder: str
    signature: str
    placed_at: float
    """Unix seconds: when the file or its latest sidecar was written."""
    marks: Mapping[str, UserMarks]
    """By photo manager; one that is missing could not tell, and what it said before stands."""


@dataclass(frozen=True, slots=True)
class FileMarks:
    """What one photo manager reads about a file."""

    path: str
    manager: str
    library: str
    content_key: str
    marks: UserMarks


@dataclass(frozen=True, slots=True)
class SaidValue:
    """A value that was read as the user's at some time; see the table of the same name."""

    content_key: str
    shown: Shown
    library: str
    placed_at: float
    born: bool
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class HeldValue:
    """A value that is not learned without asking."""

    content_key: str
    shown: Shown
    why: str
    group: str


@dataclass(frozen=True, slots=True)
class FirstReading:
    """When and where the marks of a photo were first read."""

    content_key: str
    library: str
    folder: str
    placed_at: float
    """When the file, or its latest sidecar, was written; unix seconds, as the next."""
    read_at: float


def signatures(catalog: Catalog, library: str, below: str | None = None) -> dict[str, str]:
    """path → how it looked when its marks were read, of all files of a library (or those below the folder `below`)."""
    low = path_bytes("" if below is None else below.rstrip("/") + "/")
    rows = catalog.conn.execute(
        "SELECT path, signature FROM marks_read WHERE library = ? "
        "AND path >= CAST(? AS TEXT) AND (? OR path < CAST(? AS TEXT))",
        (library, low, below is None, low[:-1] + b"0"),  # "0" follows "/"
    )
    return dict(rows.fetchall())


def signature_at(catalog: Catalog, path: str) -> str | None:
    row = catalog.conn.execute(
        "SELECT signature FROM marks_read WHERE path = CAST(? AS TEXT)", (path_bytes(path),)
    ).fetchone()
    return None if row is None else str(row[0])


def note_signature(catalog: Catalog, path: str, library: str, signature: str) -> None:
    """The marks of the file at `path` need not be read while it looks like this. Call within a transaction."""
    catalog.conn.execute(
        "INSERT INTO marks_read (path, library, signature) VALUES (CAST(? AS TEXT), ?, ?) "
        "ON CONFLICT (path) DO UPDATE SET library = excluded.library, signature = excluded.signature",
        (path_bytes(path), library, signature),
    )


def forget_files(catalog: Catalog, paths: Iterable[str]) -> None:
    """These files are gone: they say nothing any more. Call within a transaction."""
    gone = [(path_bytes(path),) for path in paths]
    catalog.conn.executemany("DELETE FROM user_marks WHERE path = CAST(? AS TEXT)", gone)
    catalog.conn.executemany("DELETE FROM marks_read WHERE path = CAST(? AS TEXT)", gone)


def store(catalog: Catalog, reading: FileReading) -> None:
    """Take over what was read about one file. Call within a transaction.

    A value that comes back with its file (from a backup, from the trash) is the one that it was, at the moment it was;
    one that was seen to be taken away, while the file was there, is a new one when it is set again.
    """
    before = _standing(catalog, reading.content_key)
    for manager, marks in reading.marks.items():
        _store_marks(catalog, reading, manager, _storable(marks))
    after = _standing(catalog, reading.content_key)
    note_signature(catalog, reading.path, reading.library, reading.signature)
    first = catalog.conn.execute(
        "INSERT INTO first_readings (content_key, library, folder, placed_at, read_at) "
        "VALUES (?, ?, CAST(? AS TEXT), ?, ?) ON CONFLICT DO NOTHING",
        (reading.content_key, reading.library, path_bytes(reading.folder), reading.placed_at, time.time()),
    ).rowcount
    catalog.conn.executemany(
        "DELETE FROM said_values WHERE content_key = ? AND channel = ? AND value = ? AND decision IS NOT 'accepted'",
        [(reading.content_key, str(one.channel), one.value) for one in before - after],
    )
    catalog.conn.executemany(
        "INSERT INTO said_values (content_key, channel, value, library, placed_at, born) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET library = excluded.library",
        [
            (reading.content_key, str(one.channel), one.value, reading.library, reading.placed_at, first)
            for one in after - before
        ],
    )
    catalog.conn.executemany(
        "INSERT INTO carried_keys (content_key, carried) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(reading.content_key, key) for marks in reading.marks.values() for key in marks.of_keys],
    )


def _standing(catalog: Catalog, content_key: str) -> set[Shown]:
    return {shown for _, marks in of_photo(catalog, content_key) for shown in marks.shown()}


def _store_marks(catalog: Catalog, reading: FileReading, manager: str, marks: UserMarks) -> None:
    if not marks.shown():
        catalog.conn.execute(
            "DELETE FROM user_marks WHERE path = CAST(? AS TEXT) AND manager = ?", (path_bytes(reading.path), manager)
        )
        return
    catalog.conn.execute(
        "INSERT OR REPLACE INTO user_marks "
        "(path, manager, library, content_key, rating, colour, pick, keywords) "
        "VALUES (CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?)",
        (
            path_bytes(reading.path), manager, reading.library, reading.content_key, marks.rating,
            marks.colour, marks.pick, json.dumps(marks.keywords),
        ),
    )  # fmt: skip


def _storable(marks: UserMarks) -> UserMarks:
    """SQLite holds no lone surrogates: bytes that are no UTF-8 become �."""

    def text(value: str) -> str:
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    return UserMarks(
        marks.rating, marks.colour and text(marks.colour), marks.pick and text(marks.pick),
        tuple(text(keyword) for keyword in marks.keywords),
    )  # fmt: skip


_MARKS = "rating, colour, pick, keywords"


def _marks(rating: int | None, colour: str | None, pick: str | None, keywords: str) -> UserMarks:
    return UserMarks(rating, colour, pick, tuple(json.loads(keywords)))


def everything(catalog: Catalog) -> list[FileMarks]:
    """What stands now, by path and photo manager."""
    rows = catalog.conn.execute(
        f"SELECT path, manager, library, content_key, {_MARKS} FROM user_marks ORDER BY path, manager"
    )
    return [
        FileMarks(path, manager, library, content_key, _marks(*told))
        for path, manager, library, content_key, *told in rows
    ]


def of_photo(catalog: Catalog, content_key: str) -> list[tuple[str, UserMarks]]:
    """(path, marks) of every file of a photo that says something."""
    rows = catalog.conn.execute(
        f"SELECT path, {_MARKS} FROM user_marks WHERE content_key = ? ORDER BY path, manager", (content_key,)
    )
    return [(row[0], _marks(*row[1:])) for row in rows]


def said_values(catalog: Catalog) -> list[SaidValue]:
    """Every value that was ever read as the user's."""
    rows = catalog.conn.execute(
        "SELECT content_key, channel, value, library, placed_at, born, decision FROM said_values"
    )
    return [
        SaidValue(key, Shown(Channel(channel), value), library, placed_at, bool(born), decision and Decision(decision))
        for key, channel, value, library, placed_at, born, decision in rows
    ]


def first_readings(catalog: Catalog) -> list[FirstReading]:
    rows = catalog.conn.execute("SELECT content_key, library, folder, placed_at, read_at FROM first_readings")
    return [FirstReading(*row) for row in rows]


def carried_keys(catalog: Catalog) -> list[tuple[str, str]]:
    """(content key of a photo, content key of another whose marks by keeprate its file once carried)."""
    return list(catalog.conn.execute("SELECT content_key, carried FROM carried_keys"))


def hold(catalog: Catalog, held: Sequence[HeldValue]) -> None:
    """Make `held` all that is held back. Call within a transaction."""
    catalog.conn.execute("UPDATE said_values SET held = NULL, held_group = NULL WHERE held_group IS NOT NULL")
    catalog.conn.executemany(
        "UPDATE said_values SET held = ?, held_group = ? WHERE content_key = ? AND channel = ? AND value = ?",
        [(one.why, one.group, one.content_key, str(one.shown.channel), one.shown.value) for one in held],
    )


def held(catalog: Catalog) -> list[tuple[HeldValue, float]]:
    """What is held back, with the moment (unix seconds) in which it came, by group and photo."""
    rows = catalog.conn.execute(
        "SELECT content_key, channel, value, held, held_group, placed_at FROM said_values "
        "WHERE held_group IS NOT NULL ORDER BY held_group, placed_at, content_key"
    )
    return [
        (HeldValue(key, Shown(Channel(channel), value), why, group), placed_at)
        for key, channel, value, why, group, placed_at in rows
    ]


def count_held(catalog: Catalog) -> int:
    """Photos with a value that is held back."""
    row = catalog.conn.execute(
        "SELECT count(DISTINCT content_key) FROM said_values WHERE held_group IS NOT NULL"
    ).fetchone()
    return int(row[0])


def decide(catalog: Catalog, groups: Iterable[str], decision: Decision) -> int:
    """Remember the user's answer for what is held back in `groups`; returns how many values. Call in a transaction."""
    return sum(
        catalog.conn.execute(
            "UPDATE said_values SET decision = ?, held = NULL, held_group = NULL WHERE held_group = ?",
            (str(decision), group),
        ).rowcount
        for group in groups
    )


def taken(catalog: Catalog, head: str) -> dict[str, str | None]:
    """content key → what its marks said when they were last taken into account."""
    rows = catalog.conn.execute("SELECT content_key, bucket FROM taken_marks WHERE head = ?", (head,))
    return dict(rows.fetchall())


def take(catalog: Catalog, head: str, buckets: Mapping[str, str | None]) -> None:
    """Remember what marks said. Call within a transaction."""
    catalog.conn.executemany(
        "INSERT OR REPLACE INTO taken_marks (content_key, head, bucket) VALUES (?, ?, ?)",
        [(key, head, bucket) for key, bucket in buckets.items()],
    )
