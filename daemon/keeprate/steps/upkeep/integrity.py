"""Look whether the catalog is sound, and what it speaks of is there. Changes nothing; findings say what to do.

Damage to a file comes from dying disks and from programs that write where they should not. Found early, the latest
backup is still good.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from keeprate.catalog import heads, models
from keeprate.catalog.copying import in_a_line
from keeprate.errors import KeeprateError
from keeprate.learning.heads import load_head
from keeprate.steps.session import Session
from keeprate.steps.times import iso
from keeprate.steps.upkeep.backup import advice_after_damage

LISTED = 5
"""So much of what SQLite finds is told; where there is more, it is all of one kind."""
LEFT_OPEN_S = 86_400.0
"""A mark that was begun this long ago and never finished is worth a word: usually the next run settles it."""
_OPERATIONS = 20_000
"""SQLite's own steps between two questions whether to stop: some milliseconds."""


@dataclass(frozen=True, slots=True)
class IntegrityOutcome:
    """What a check has found."""

    findings: tuple[str, ...] = ()
    """One or two sentences each, what is wrong and what to do; empty: all is well."""
    damaged: bool = False
    """The file itself is: only a backup helps."""
    cancelled: bool = False
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing was found. One that was cancelled has not looked everywhere."""
        return not self.findings

    @property
    def sentence(self) -> str:
        """For people."""
        if self.findings:
            more = f" ({len(self.findings) - 1} more: `keeprate logs`)" if len(self.findings) > 1 else ""
            return f"{self.findings[0]}{more}"
        return "The check was stopped before it was complete." if self.cancelled else "The catalog is sound."


def check(session: Session, *, quick: bool = False) -> IntegrityOutcome:
    """Read the whole catalog and see whether it makes sense. Others may use it meanwhile.

    `quick` leaves out the comparison of indexes with their tables, which takes most of the time.
    """
    started = time.monotonic()
    findings: list[str] = []
    damage: list[str] = []
    cancelled = False
    file = session.home.catalog_file
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as conn:
        conn.set_progress_handler(lambda: int(session.reporter.cancelled()), _OPERATIONS)
        try:
            damage += _damage(conn, quick=quick)
            if not damage:
                for look in _LOOKS:
                    findings += look(session, conn)
        except sqlite3.Error as error:
            cancelled = "interrupted" in str(error) and session.reporter.cancelled()
            if not cancelled:
                damage.append(str(error))
    if damage:
        findings.insert(0, f"The catalog is damaged ({in_a_line(damage)}). {advice_after_damage(session.home)}")
    return IntegrityOutcome(tuple(findings), bool(damage), cancelled, time.monotonic() - started)


def _damage(conn: sqlite3.Connection, *, quick: bool) -> list[str]:
    rows = conn.execute(f"PRAGMA {'quick' if quick else 'integrity'}_check({LISTED})").fetchall()
    return [] if rows == [("ok",)] else [str(row[0]) for row in rows]


def _lost_references(_session: Session, conn: sqlite3.Connection) -> Iterator[str]:
    lost: dict[tuple[str, str], int] = {}
    for table, _row, parent, _key in conn.execute("PRAGMA foreign_key_check"):
        lost[table, parent] = lost.get((table, parent), 0) + 1
    for (table, parent), count in lost.items():
        yield (
            f"{count} rows of the table {table} belong to rows of {parent} that are not there. Go back to a backup if "
            "the catalog was changed by hand, and report it if it was not."
        )


def _vectors(_session: Session, conn: sqlite3.Connection) -> Iterator[str]:
    rows = conn.execute(
        "SELECT name, path, embed_dim, count(*) FROM embeddings JOIN models ON models.id = model_id "
        "WHERE embed_dim IS NOT NULL AND length(vector) <> 4 * embed_dim GROUP BY models.id"
    )
    for name, path, dimension, count in rows:
        again = (
            "" if path == models.BUILTIN else ", or remove the model and add it again: photos are embedded anew then"
        )
        yield f"{count} vectors by the model {name!r} do not have {dimension} numbers. Go back to a backup{again}."
    if conn.execute("SELECT count(*) FROM models WHERE active = 1").fetchone() != (1,):
        yield "No vision model is in use. `keeprate model activate builtin` puts the built-in one into use."


def _heads(session: Session, _conn: sqlite3.Connection) -> Iterator[str]:
    for name in heads.names(session.catalog):
        for version in heads.history(session.catalog, name):
            if version.file is None:
                continue
            try:
                load_head(session.home.heads_dir / version.file)
            except KeeprateError as error:
                yield (
                    f"{error.what} `keeprate train --head {name} --force` makes a new version."
                    if version.in_use
                    else f"{error.what} Version {version.version} of {name!r} is not in use and cannot be gone back to."
                )


def _open_marks(_session: Session, conn: sqlite3.Connection) -> Iterator[str]:
    count, oldest = conn.execute(
        "SELECT count(*), min(at) FROM journal WHERE state = 'planned' AND at < ?", (time.time() - LEFT_OPEN_S,)
    ).fetchone()
    if count:
        yield (
            f"{count} marks were begun and never finished, the first on {iso(oldest)[:10]}. `keeprate write` looks "
            "what became of them."
        )


_LOOKS: tuple[Callable[[Session, sqlite3.Connection], Iterator[str]], ...] = (
    _lost_references, _vectors, _heads, _open_marks,
)  # fmt: skip
