"""Write a small filled catalog of each schema there ever was, as SQL text: `after-m004.sql` is how m004 left it.

    .venv/bin/python tests/catalog/schemas/write.py

Run it when a migration was added, after `rows/mNNN.sql` was written with rows for what it adds. Files that are there
are left alone: they are what users have on their disks.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlite_utils import Database

from keeprate.catalog.migrations import MIGRATIONS, number_of

FOLDER = Path(__file__).parent
FIRST = 2
"""m001 makes no tables: nobody has a catalog that ends there."""


def catalog_after(number: int) -> sqlite3.Connection:
    """A filled catalog as the migration with this number left it."""
    conn = sqlite3.connect(":memory:")
    db = Database(conn, execute_plugins=False)
    MIGRATIONS.apply(db, stop_before=[one.name for one in MIGRATIONS.pending(db) if number_of(one.name) > number])
    for step in range(FIRST, number + 1):
        conn.executescript((FOLDER / "rows" / f"m{step:03}.sql").read_text("utf-8"))
    return conn


def main() -> None:
    last = max(number_of(one.name) for one in MIGRATIONS.pending(Database(memory=True)))
    for number in range(FIRST, last + 1):
        file = FOLDER / f"after-m{number:03}.sql"
        if not file.exists():
            file.write_text("\n".join(catalog_after(number).iterdump()) + "\n", encoding="utf-8")
            print(f"{file} written")


if __name__ == "__main__":
    main()
