"""How long a rescan of an unchanged library takes, compared with the least that any scan could do.

    python bench/scanning.py [--files 100000] [--folders 1000] [--repeat 7] [--in FOLDER] [--json]

Makes a tree of small files named like photos and times, with everything in the page cache:

bare            os.scandir and stat of every file, nothing else
walk            walk_library alone
mapping         walk_library and reconcile, against signatures that are in memory already
database        reading all signatures from SQLite, walk_library and reconcile: a whole rescan

The bar is a rescan within three times the bare walk. Garbage left over from earlier rounds is collected outside
the measured time.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from keeprate.pictures.formats import is_picture
from keeprate.watching.exclusions import Exclusions
from keeprate.watching.reconcile import reconcile
from keeprate.watching.signature import StoredSignature
from keeprate.watching.walk import FoundFolder, walk_library


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folders", type=int, default=1_000)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--in", dest="place", type=Path, default=None, help="where to make the tree (default: tmp)")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="keeprate-bench-", dir=chosen.place) as scratch:
        root = Path(scratch) / "library"
        make_tree(root, files=chosen.files, folders=chosen.folders)
        result = measure(root, Path(scratch) / "known.db", repeat=chosen.repeat)
    if chosen.json:
        print(json.dumps({"files": chosen.files, "folders": chosen.folders, **result}, indent=2))
    else:
        print(f"{chosen.files:,} files in {chosen.folders:,} folders, {chosen.repeat} rounds, seconds")
        for name in ("bare", "walk", "mapping", "database"):
            print(f"  {name:<10} min {result[f'{name}_min_s']:.3f}  median {result[f'{name}_median_s']:.3f}")
        print(f"  whole rescan / bare walk: {result['ratio_of_minima']:.2f} (median {result['ratio_of_medians']:.2f})")
    return 0


def make_tree(root: Path, *, files: int, folders: int) -> None:
    """`files` empty files, spread evenly over `folders` folders two levels deep."""
    per_folder, left_over = divmod(files, folders)
    for number in range(folders):
        folder = root / f"{2000 + number // 50}" / f"{number % 50:02d}"
        folder.mkdir(parents=True)
        for index in range(per_folder + (number < left_over)):
            os.close(os.open(f"{folder}/IMG_{index:05d}.jpg", os.O_CREAT | os.O_WRONLY))


def measure(root: Path, database: Path, *, repeat: int) -> dict[str, float]:
    """Seconds, least and median of `repeat` rounds, in which the kinds take turns."""
    exclude = Exclusions()
    known: dict[str, StoredSignature] = {
        path: signature
        for part in walk_library(root, exclude=exclude, is_picture=is_picture)
        if isinstance(part, FoundFolder)
        for path, signature in part.files
    }
    connection = sqlite3.connect(database)
    connection.execute(
        "CREATE TABLE files (path TEXT PRIMARY KEY, library TEXT NOT NULL, size INTEGER NOT NULL, "
        "mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, inode INTEGER NOT NULL, gone_at REAL) STRICT"
    )
    with connection:
        connection.executemany(
            "INSERT INTO files VALUES (?, 'camera', ?, ?, ?, ?, NULL)", [(path, *sig) for path, sig in known.items()]
        )

    def rescan(signatures: dict[str, StoredSignature]) -> None:
        outcome = reconcile(signatures, walk_library(root, exclude=exclude, is_picture=is_picture))
        if outcome.unchanged_count != len(known) or outcome.appeared or outcome.changed or outcome.gone:
            sys.exit("the rescan found changes where there are none")

    def walk() -> None:
        for _ in walk_library(root, exclude=exclude, is_picture=is_picture):
            pass

    def from_database() -> None:
        rows = connection.execute(
            "SELECT path, size, mtime_ns, ctime_ns, inode FROM files WHERE library = 'camera' AND gone_at IS NULL"
        ).fetchall()
        rescan({row[0]: row[1:] for row in rows})

    kinds: dict[str, Callable[[], None]] = {
        "bare": lambda: bare_walk(root),
        "walk": walk,
        "mapping": lambda: rescan(known),
        "database": from_database,
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(repeat):
        for name, run in kinds.items():
            gc.collect()
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    connection.close()
    result = {f"{name}_min_s": min(taken) for name, taken in times.items()}
    result |= {f"{name}_median_s": statistics.median(taken) for name, taken in times.items()}
    result["ratio_of_minima"] = result["database_min_s"] / result["bare_min_s"]
    result["ratio_of_medians"] = result["database_median_s"] / result["bare_median_s"]
    return result


def bare_walk(root: Path) -> None:
    waiting = [str(root)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)


if __name__ == "__main__":
    sys.exit(main())
