"""Files as dying disks leave them."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

PAGE_BYTES = 4096


def damage(catalog_file: Path, *, pages: int = 8) -> None:
    """Overwrite pages in the middle of a catalog that nobody has open; make it large enough for that first."""
    with closing(sqlite3.connect(catalog_file)) as conn:
        conn.executemany(
            "INSERT INTO photos (content_key, first_seen, first_folder) VALUES (?, 0, ?)",
            [(f"filler{number}", "x" * 400) for number in range(2000)],
        )
        conn.commit()
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = catalog_file.stat().st_size
    with catalog_file.open("r+b") as file:
        file.seek(size // 2 // PAGE_BYTES * PAGE_BYTES)
        file.write(random.Random(1).randbytes(pages * PAGE_BYTES))
