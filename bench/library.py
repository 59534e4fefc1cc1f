"""What a large library costs when nothing changes, and what a renamed folder costs.

    python bench/library.py [--files 100000] [--folders 1000] [--pairs 7] [--renamed 1000] [--in FOLDER] [--json]

Rescan: a library of small valid JPEGs, all different, is scanned into a real catalog. Then whole scans by
`keeprate.steps.photos.scanning` and bare walks (os.scandir and stat of every file) take turns, with everything in the
page cache. The bar is three times the bare walk; `bench/scanning.py` shows the walk's own parts.

Rename: a folder of embedded photos gets another name. Every file that this process opens beneath the library is
counted by an audit hook, everything that the worker process embeds by its own report.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.photos.scanning import LibraryScan, scan_library, scan_part
from keeprate.steps.worker_client import WorkerClient
from measuring import expect, open_library, scratch_home, show, spread, tell, time_of, walk_bare, write_library


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folders", type=int, default=1_000)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--renamed", type=int, default=1_000)
    parser.add_argument("--in", dest="place", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with scratch_home(chosen.place) as scratch:
        figures = measure_rescan(scratch / "library", files=chosen.files, folders=chosen.folders, pairs=chosen.pairs)
    with scratch_home(chosen.place) as scratch:
        figures |= measure_rename(scratch / "library", photos=chosen.renamed)
    if chosen.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures, f"{chosen.files:,} files in {chosen.folders:,} folders; a folder of {chosen.renamed:,} renamed")


def measure_rescan(root: Path, *, files: int, folders: int, pairs: int) -> dict[str, float]:
    """Seconds of a first scan, of rescans and of bare walks, and the median ratio of the pairs."""
    tell(f"writing {files:,} photos …")
    write_library(root, files=files, folders=folders)
    _, session = open_library(root)
    with session:
        (library,) = session.libraries()
        results: list[LibraryScan] = []

        def scan() -> None:
            results.append(scan_library(session, library))

        tell("first scan …")
        first = time_of(scan)
        expect(results[-1].new_photos == files, f"the first scan found {results[-1].new_photos} photos of {files}")
        bare, rescans = [], []
        for _ in range(pairs + 1):  # the first pair warms up
            bare.append(time_of(lambda: expect(walk_bare(root) == files, "the bare walk missed files")))
            rescans.append(time_of(scan))
            expect(not results[-1].found_something, "the rescan found changes where there are none")
    ratios = [ours.wall_s / least.wall_s for ours, least in zip(rescans[1:], bare[1:], strict=True)]
    cpu_ratios = [ours.cpu_s / least.cpu_s for ours, least in zip(rescans[1:], bare[1:], strict=True)]
    tell(f"rescan / bare walk: {spread(ratios)}")
    return {
        "files": files,
        "first_scan_s": first.wall_s,
        "first_scan_files_a_second": files / first.wall_s,
        "bare_walk_s": statistics.median(taken.wall_s for taken in bare[1:]),
        "rescan_s": statistics.median(taken.wall_s for taken in rescans[1:]),
        "rescan_cpu_s": statistics.median(taken.cpu_s for taken in rescans[1:]),
        "rescan_ratio": statistics.median(ratios),
        "rescan_cpu_ratio": statistics.median(cpu_ratios),
    }


def measure_rename(root: Path, *, photos: int) -> dict[str, float]:
    """What is opened, decoded and embedded after a folder of embedded photos was renamed, and back again."""
    write_library(root, files=photos, folders=1)
    (folder,) = (path for year in root.iterdir() for path in year.iterdir())
    renamed = folder.with_name("renamed")
    _, session = open_library(root)
    worker = WorkerClient()
    try:
        with session:
            (library,) = session.libraries()
            with opened_below(root) as opened:
                scan_library(session, library)
            expect(len(opened) >= photos, "the first scan should have read every file: the count is wrong")
            tell(f"embedding {photos:,} photos …")
            embedded_before = embed_all(session, worker).embedded
            expect(embedded_before == photos, f"{embedded_before} of {photos} photos were embedded")
            results: list[LibraryScan] = []
            with opened_below(root) as opened:
                folder.rename(renamed)
                events = time_of(
                    lambda: results.append(
                        scan_part(session, library, paths=(), folders=(str(folder), str(renamed)), quiet_s=0)
                    )
                )
                renamed.rename(folder)
                full = time_of(lambda: results.append(scan_library(session, library)))
            embedded_after = embed_all(session, worker).embedded
    finally:
        worker.close()
    for result in results:
        expect(result.moved == photos, f"{result.moved} of {photos} photos were recognised as moved")
    return {
        "renamed_photos": photos,
        "rename_seen_by_events_s": events.wall_s,
        "rename_seen_by_full_scan_s": full.wall_s,
        "rename_files_opened": len(opened),
        "rename_photos_embedded": embedded_after,
    }


_watching: list[tuple[str, list[str]]] = []


def _note_opening(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _watching and isinstance(arguments[0], str | bytes | os.PathLike):
        prefix, opened = _watching[-1]
        path = os.fsdecode(arguments[0])
        if path.startswith(prefix):
            opened.append(path)


@contextmanager
def opened_below(root: Path) -> Iterator[list[str]]:
    """The paths beneath `root` that this process opens to read or write while the block runs; folders do not count."""
    opened: list[str] = []
    _watching.append((f"{root}/", opened))
    try:
        yield opened
    finally:
        _watching.clear()


sys.addaudithook(_note_opening)

if __name__ == "__main__":
    main()
