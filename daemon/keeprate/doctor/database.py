"""The catalog: whole, of this version, not too large, backed up? It is opened read only and never migrated here."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from keeprate.catalog.connection import translated
from keeprate.catalog.migrations import MIGRATIONS, is_newer
from keeprate.doctor.finding import Finding, Patient, catalog_on, error, ok, open_read_only, warning
from keeprate.doctor.program import size
from keeprate.steps.upkeep.backup import backups

QUICK_CHECK_FOR_S = 3.0
"""A check of more than some 2 GB takes longer; the daemon's own check has all the time it needs."""
LONG_LOG = 256_000_000
"""Bytes of the write-ahead log: it is emptied at 4 MB, unless somebody reads all the time."""
LATE = 3
"""So many times the interval between two backups without one is too long."""


def look_at_database(patient: Patient) -> Iterator[Finding]:
    """All about the file, worst first: who cannot read it need not ask for its version."""
    path = patient.home.catalog_file
    if not path.exists():
        yield ok("database", f"There is no catalog yet ({path}): the first scan makes it.")
        return
    try:
        conn = open_read_only(path)
        try:
            yield from _sound(conn, path)
            yield from _version(conn, path)
            yield _backup(patient, conn)
        finally:
            conn.close()
    except sqlite3.Error as problem:
        shown = translated(problem, path)
        yield error("database", f"{shown.what} ({path})", shown.advice)
    yield _sizes(path)


def _sound(conn: sqlite3.Connection, path: Path) -> Iterator[Finding]:
    deadline = time.monotonic() + QUICK_CHECK_FOR_S
    conn.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    began = time.monotonic()
    try:
        faults = [str(row[0]) for row in conn.execute("PRAGMA quick_check(5)")]
    except sqlite3.OperationalError as problem:
        if "interrupted" not in str(problem):
            raise
        yield ok(
            "database.integrity",
            f"No damage found in {QUICK_CHECK_FOR_S:g} s of looking; the daemon's own check looks at all of it.",
        )
        return
    finally:
        conn.set_progress_handler(None, 0)
    if faults == ["ok"]:
        yield ok("database.integrity", f"{path} is sound (looked through in {time.monotonic() - began:.1f} s).")
    else:
        raise sqlite3.DatabaseError(f"database disk image is malformed: {'; '.join(faults)}")


def _version(conn: sqlite3.Connection, path: Path) -> Iterator[Finding]:
    database = catalog_on(conn, path).db
    name = "database.version"
    applied = MIGRATIONS.applied(database)
    if not applied:
        yield error(name, f"{path} is no catalog of keeprate's.", "Move it away: a new one is made.")
    elif is_newer(database):
        yield error(name, "The catalog was written by a newer keeprate.", "Update keeprate.")
    elif waiting := len(MIGRATIONS.pending(database)):
        steps = "1 step" if waiting == 1 else f"{waiting} steps"
        yield ok(name, f"The catalog is from an older keeprate: the next command brings it up to date in {steps}.")
    else:
        yield ok(name, f"The catalog has the shape that this keeprate wants ({applied[-1].name.partition('_')[0]}).")


def _sizes(path: Path) -> Finding:
    name = "database.size"
    log_file = path.with_name(path.name + "-wal")
    log = log_file.stat().st_size if log_file.exists() else 0
    said = f"The catalog has {size(path.stat().st_size)}, its write-ahead log {size(log)}"
    if log > LONG_LOG:
        return warning(
            name,
            f"{said}: something keeps it from being emptied.",
            "Stop keeprate and start it again: that empties it.",
        )
    return ok(name, f"{said}.")


def _backup(patient: Patient, conn: sqlite3.Connection) -> Finding:
    name, folder = "database.backup", patient.home.backups_dir
    latest = next((one.made_at.timestamp() for one in backups(patient.home)), None)
    every = patient.config.jobs.backup_every.total_seconds()
    if latest is None:
        first_label = conn.execute("SELECT min(at) FROM labels").fetchone()[0]
        if first_label is None or time.time() - first_label < LATE * every:
            return ok(name, "No backup yet: the daemon makes one a day.")
        return warning(
            name,
            "The catalog has never been backed up.",
            f"The daemon does it by itself: `keeprate run`, or `keeprate service install`. It goes to {folder}.",
        )
    age_days = (time.time() - latest) / 86400
    said = f"The latest backup is {age_days:.0f} days old" if age_days >= 2 else "The latest backup is of these days"
    if age_days * 86400 > LATE * every + 86400:
        return warning(name, f"{said} ({folder}).", "Let the daemon run (`keeprate status` says why a job waits).")
    return ok(name, f"{said} ({folder}).")
