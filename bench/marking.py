"""How many JPEGs a second keeprate marks, and how much of that time the disk takes.

    python bench/marking.py [--photos 10000] [--bases 8] [--in FOLDER] [--profile FILE] [--json]

A library of JPEGs with Exif (1024×768, made from a few pictures, each with a content of its own) is scanned and given
scores. Then the write step itself marks all of them in embed mode, with stars, label and keyword, journal and all; then
again with other scores; then it looks at all of them and finds nothing to do. The bar is 150 photos in a second of
processor time: what it does on a machine that does nothing else, with a disk that makes nobody wait. By the clock, and
without the time in which os.fsync waits (SQLite's own waiting left in), is shown beside.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from keeprate.catalog import heads, models, scores
from keeprate.catalog.heads import HeadVersion
from keeprate.config.edit import add_library
from keeprate.paths import locate_home
from keeprate.steps.marks.marking import write
from keeprate.steps.photos.scanning import scan_library
from keeprate.steps.session import Session, open_session
from keeprate.steps.tasks import WriteOutcome, WriteTask
from measuring import Taken, expect, scratch_home, show, tell, time_of

_TABLE_OF_QUANTISERS = b"\xff\xdb\x00\x43\x00"
"""The start of a JPEG's first quantisation table, 64 bytes of which follow."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--bases", type=int, default=8)
    parser.add_argument("--in", dest="place", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--profile", type=Path, help="write a profile of the first marking, for `python -m pstats`")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with scratch_home(chosen.place) as scratch:
        tell(f"writing {chosen.photos:,} photos …")
        size = write_photos(scratch / "library", photos=chosen.photos, bases=chosen.bases)
        with open_marked_library(scratch / "library") as session:
            figures = measure(session, photos=chosen.photos, profile=chosen.profile)
    figures |= {"photos": chosen.photos, "photo_kb": size / chosen.photos / 1000}
    if chosen.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures, f"{chosen.photos:,} JPEGs marked in embed mode")


def write_photos(root: Path, *, photos: int, bases: int) -> int:
    """Photos of `bases` kinds, no two with the same content, 500 to a folder; returns how many bytes."""
    pictures = [_picture(seed) for seed in range(bases)]
    size = 0
    for number in range(photos):
        folder = root / f"{number // 500:03d}"
        if number % 500 == 0:
            folder.mkdir(parents=True)
        data = pictures[number % bases]
        # The last quantisers scale the finest detail: no eye sees it, and the content is another one.
        at = data.index(_TABLE_OF_QUANTISERS) + len(_TABLE_OF_QUANTISERS) + 61
        digits = bytes(1 + number // 250**place % 250 for place in range(3))
        size += (folder / f"IMG_{number:05d}.JPG").write_bytes(data[:at] + digits + data[at + 3 :])
    return size


def _picture(seed: int) -> bytes:
    random = np.random.default_rng(seed)
    noise = Image.fromarray(random.integers(0, 256, (768, 1024, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker of cameras", "Camera 1"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    target = io.BytesIO()
    noise.filter(ImageFilter.GaussianBlur(1 + seed % 4)).save(target, "JPEG", quality=90, exif=exif)
    return target.getvalue()


@contextmanager
def open_marked_library(root: Path) -> Iterator[Session]:
    """The library, marked in embed mode with everything that viewers show, scanned; its photos have no score yet."""
    home = locate_home()
    marks = {"mode": "embed", "stars": True, "label": True, "keywords": True, "minimum_age_s": 0.0}
    buckets = {"keep": "keep", "delete": ["delete", "trash:"]}
    table = {"name": "bench", "root": str(root), "heads": {"keep": {"buckets": buckets}}, "marks": {"xmp": marks}}
    add_library(home.config_file, table)
    with open_session(home) as session:
        (library,) = session.libraries()
        scan_library(session, library)
        yield session


def measure(session: Session, *, photos: int, profile: Path | None) -> dict[str, float]:
    keys = [row[0] for row in session.catalog.conn.execute("SELECT DISTINCT content_key FROM files ORDER BY path")]
    expect(len(keys) == photos, f"{len(keys)} of {photos} photos were found")
    figures: dict[str, float] = {}
    for version, name in ((1, "new"), (2, "again"), (2, "unchanged")):
        if name != "unchanged":
            give_scores(session, keys, version)
        tell(f"marking: {name} …")
        with timed_fsync() as waited, profiled(profile if name == "new" else None):
            outcome, taken = mark(session)
        wanted = 0 if name == "unchanged" else photos
        expect(outcome.written >= wanted, f"{outcome.written} of {wanted} were marked: {outcome.left_alone[:3]}")
        expect(name != "unchanged" or outcome.written == 0, f"{outcome.written} were marked once more")
        figures[f"{name}_a_second"] = photos / taken.wall_s
        if name != "unchanged":
            figures[f"{name}_a_second_without_fsync"] = photos / (taken.wall_s - sum(waited))
            figures[f"{name}_fsync_share"] = sum(waited) / taken.wall_s
            figures[f"{name}_a_second_of_processor"] = photos / taken.cpu_s
    return figures


def mark(session: Session) -> tuple[WriteOutcome, Taken]:
    outcomes: list[WriteOutcome] = []
    taken = time_of(lambda: outcomes.append(write(session, WriteTask(), lambda _: None)))
    return outcomes[0], taken


def give_scores(session: Session, keys: list[str], version: int) -> None:
    """Scores as a head leaves them; every photo's differ from version to version."""
    catalog = session.catalog
    model = models.active(catalog)
    heads.add(
        catalog,
        HeadVersion(
            head="keep", version=version, trained_at=time.time(), kind="logistic", buckets=("keep", "delete"),
            label_counts={}, label_hash=str(version), model_id=model.id, fingerprint="bench", threshold=0.5, metrics={},
            file="none", in_use=True, reason="Measured.",
        ),
    )  # fmt: skip
    keep = np.roll(np.linspace(0.001, 0.999, len(keys)), version * len(keys) // 3)
    with catalog.db.atomic():
        scores.store(catalog, "keep", version, keys, np.stack([keep, 1 - keep], axis=1))


@contextmanager
def timed_fsync() -> Iterator[list[float]]:
    """Seconds of each os.fsync while the block runs."""
    real, waited = os.fsync, []

    def fsync(descriptor: int) -> None:
        start = time.perf_counter()
        real(descriptor)
        waited.append(time.perf_counter() - start)

    os.fsync = fsync  # type: ignore[assignment]
    try:
        yield waited
    finally:
        os.fsync = real


@contextmanager
def profiled(target: Path | None) -> Iterator[None]:
    with nullcontext() if target is None else cProfile.Profile() as profile:
        yield
    if target is not None and profile is not None:
        profile.dump_stats(target)


if __name__ == "__main__":
    main()
