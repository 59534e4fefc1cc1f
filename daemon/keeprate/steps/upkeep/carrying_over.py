"""What a restored catalog still has to know: which marks keeprate has written since the backup was made.

Those marks stand in files all the same. A catalog that does not know of them could neither take them back, nor tell
them from what the user says. So the journal comes along from the catalog that was in use, with every value that
keeprate gave, what was read as the user's since, and what was told to rest. Labels do not: to go back on those is what
one restores for. What was in use may be damaged: what can be read of it is taken.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KEPT_AS_THEY_ARE = ("given_marks", "carried_keys", "first_readings")
"""Of these only rows come to it, and the first one says when."""
_AS_IT_IS: Mapping[str, int] = {}


@dataclass(slots=True)
class _Former:
    """The catalog that was in use, as far as it can be read."""

    conn: sqlite3.Connection
    whole: bool = True
    """Whether everything could be read that was asked for."""

    def rows(self, table: str, columns: str) -> Iterator[Any]:
        """Where a page is damaged: what lies before it, and then what lies behind it, from the end."""
        for order in ("ASC", "DESC"):
            try:
                yield from self.conn.execute(f"SELECT {columns} FROM {table} NOT INDEXED ORDER BY rowid {order}")
            except sqlite3.DatabaseError:
                self.whole = False
            else:
                return


def carry_over(former: Path, copy: Path) -> bool:
    """Bring into `copy`, a backup that nobody else knows yet, what the catalog `former` knows; all or nothing of it.

    Returns whether `former` could be read as far as this goes.

    Raises:
        sqlite3.Error: the copy cannot be written.
    """
    with contextlib.ExitStack() as opened:
        try:
            old = opened.enter_context(closing(sqlite3.connect(f"{former.absolute().as_uri()}?mode=ro", uri=True)))
            old.text_factory = bytes  # paths may hold bytes that are no UTF-8
            old.execute("BEGIN")
            known = _columns(old)
        except sqlite3.DatabaseError:
            return False
        new = opened.enter_context(closing(sqlite3.connect(copy, isolation_level=None)))
        new.execute("PRAGMA journal_mode = MEMORY")
        new.execute("PRAGMA synchronous = OFF")  # whoever puts it into place syncs it
        source, target = _Former(old), _Copy(new, known, _columns(new))
        new.execute("BEGIN")
        _take_journal(source, target)
        for table in _KEPT_AS_THEY_ARE:
            target.put("IGNORE", table, source)
        target.put("REPLACE", "said_values", source)
        _take_pauses(source, target)
        new.execute("COMMIT")
    return source.whole


def _columns(conn: sqlite3.Connection) -> dict[str, dict[str, str]]:
    """Table → column → type. Of another version of keeprate, it may not be what we have."""
    found: dict[str, dict[str, str]] = {}
    rows = conn.execute(
        "SELECT CAST(one.name AS BLOB), CAST(part.name AS BLOB), CAST(part.type AS BLOB) "
        "FROM sqlite_master AS one, pragma_table_info(one.name) AS part WHERE one.type = 'table'"
    )
    for table, column, kind in rows:
        found.setdefault(table.decode(), {})[column.decode()] = kind.decode()
    return found


@dataclass(frozen=True, slots=True)
class _Copy:
    """The backup that is to be put into place."""

    conn: sqlite3.Connection
    theirs: dict[str, dict[str, str]]
    columns: dict[str, dict[str, str]]

    def put(self, otherwise: str, table: str, former: _Former, *, added: Mapping[str, int] = _AS_IT_IS) -> None:
        """Take the rows of a table over; `otherwise`: what becomes of one that is there. `added` to these columns."""
        names = [name for name in self.columns.get(table, {}) if name in self.theirs.get(table, {})]
        if not names:
            return
        values = ", ".join("CAST(? AS TEXT)" if self.columns[table][name] == "TEXT" else "?" for name in names)
        statement = f"INSERT OR {otherwise} INTO {table} ({', '.join(names)}) VALUES ({values})"
        shifted = ", ".join(f"{name} + {added[name]}" if name in added else name for name in names)
        for row in former.rows(table, shifted):
            try:
                self.conn.execute(statement, row)
            except sqlite3.IntegrityError:  # what stands there makes no sense: the page is damaged
                former.whole = False


def _take_journal(former: _Former, copy: _Copy) -> None:
    """Everything that keeprate wrote, and in which run."""
    ours = dict(copy.conn.execute("SELECT id, at FROM journal"))
    theirs: dict[int, float] = dict(former.rows("journal", "id, at"))
    # It goes on from the backup's journal if they share an entry; if not, it comes on top.
    goes_on = not ours or any(theirs.get(entry) == at for entry, at in ours.items())
    last_run, last_entry = copy.conn.execute(
        "SELECT (SELECT coalesce(max(id), 0) FROM runs), (SELECT coalesce(max(id), 0) FROM journal)"
    ).fetchone()
    runs, entries = (0, 0) if goes_on else (last_run, last_entry)
    copy.put("REPLACE", "journal", former, added={"id": entries, "run_id": runs})
    if goes_on and former.whole:  # what it has merged, or forgotten
        copy.conn.executemany("DELETE FROM journal WHERE id = ?", [(entry,) for entry in ours.keys() - theirs.keys()])
    copy.conn.execute("CREATE TEMP TABLE runs_kept AS SELECT id FROM runs")
    copy.put("REPLACE", "runs", former, added={"id": runs})
    copy.conn.execute("DELETE FROM runs WHERE id NOT IN (SELECT id FROM runs_kept UNION SELECT run_id FROM journal)")
    copy.conn.execute(
        "INSERT OR IGNORE INTO runs (id, kind, started_at) SELECT run_id, 'write', min(at) FROM journal GROUP BY run_id"
    )


def _take_pauses(former: _Former, copy: _Copy) -> None:
    """Who took all marks back has told keeprate to write none: that holds."""
    if "jobs" in copy.theirs and "jobs" in copy.columns:
        copy.conn.executemany(
            "INSERT INTO jobs (name, paused, paused_until) VALUES (CAST(? AS TEXT), ?, ?) ON CONFLICT (name) "
            "DO UPDATE SET paused = excluded.paused, paused_until = excluded.paused_until",
            former.rows("jobs", "name, paused, paused_until"),
        )
