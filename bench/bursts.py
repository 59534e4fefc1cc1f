"""Whether bursts and copies are found, whether the untouched photo comes first, and what that costs for 100,000 photos.

    python bench/bursts.py [--photos 40] [--library 100000] [--in FOLDER] [--json]

Quality: of real photos (dogs, cats, hot dogs and other things: not those that the weights were fitted on) groups are
made of the file as it is and copies that are blurred, cropped, exposed otherwise and compressed, each by a chance
strength; half of the groups with capture times a second apart, half without any. Other groups hold kinds of copies
that the weights were not fitted on. All lie mixed in one library, and keeprate does the rest: scan, embed (built-in),
compare, rank. A photo that is not found in a group counts as lost. Once without a head, once with one that was trained
on half of the groups to tell what the photos show, which has nothing to do with quality.

Cost: a catalog is filled with random vectors, hashes and thumbnails, a third of the photos in bursts of three. Measured
are the first comparison, one more after 100 new photos, and asking whether there is anything to do.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from keeprate.catalog import bursts, embeddings, files, labels, libraries, looks, models
from keeprate.catalog.embeddings import NewEmbedding
from keeprate.catalog.files import SeenFile
from keeprate.catalog.labels import Label
from keeprate.pictures.signals import SIGNAL_NAMES, SIGNALS_VERSION
from keeprate.pictures.technical import TECHNICAL_NAMES, TECHNICAL_VERSION
from keeprate.steps.heads.scoring import score
from keeprate.steps.heads.training_run import train_heads
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.photos.grouping import group
from keeprate.steps.photos.grouping_run import Burst, group_all, groups_of
from keeprate.steps.photos.scanning import scan
from keeprate.steps.session import Session
from keeprate.steps.tasks import GroupTask
from keeprate.steps.worker_client import WorkerClient, worker
from labelled_photos import SHARED
from measuring import expect, open_library, scratch_home, show, tell, time_of
from near_copies import HELD_OUT, KINDS, photos_of, with_time, worse

SETS = ("dogs_cats", "hotdog")
NEW = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=40, help="of each of two sets")
    parser.add_argument("--library", type=int, default=100_000)
    parser.add_argument("--in", dest="place", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    figures: dict[str, float] = {}
    if SHARED.exists():
        figures |= found_and_ranked(chosen.place, chosen.photos, tuple(KINDS), "")
        figures |= found_and_ranked(chosen.place, chosen.photos, tuple(HELD_OUT), "other ")
    else:
        tell("real photos are not here: quality is not measured")
    figures |= cost(chosen.place, chosen.library)
    if chosen.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures, f"groups of {2 * chosen.photos} photos; {chosen.library:,} photos in a library")


def found_and_ranked(place: Path, count: int, kinds: tuple[str, ...], title: str) -> dict[str, float]:
    """Shares of groups, and of copies by kind."""
    with scratch_home(place) as scratch:
        root = scratch / "library"
        classes = write_groups(root, count, kinds)
        _, session = open_library(root)
        with session, worker() as client:
            tell(f"{len(classes)} groups of {len(kinds) + 1} photos …")
            scan(session)
            embed_all(session, client)
            group_all(session, client)
            untrained = ranks(session, classes, kinds)
            train_on_half(session, client, classes)
            trained = ranks(session, classes, kinds)
    return {
        **{f"{title}{name}": value for name, value in untrained.items()},
        **{f"{title}{name}, with a head": value for name, value in trained.items() if "first" in name},
    }


def write_groups(root: Path, count: int, kinds: tuple[str, ...]) -> dict[str, str]:
    """A folder of groups, mixed; group → what its photo shows."""
    random = np.random.default_rng(7)
    root.mkdir()
    classes = {}
    for number, path in enumerate(photos_of(SETS, count)):
        begin = datetime(2024, 5, 1) + timedelta(hours=number)
        jpegs = {"original": path.read_bytes()} | {kind: worse(path, kind, random) for kind in kinds}
        # which of them was first says nothing
        for second, kind in enumerate(random.permutation(list(jpegs)).tolist()):
            jpeg = with_time(jpegs[kind], begin + timedelta(seconds=second)) if number % 2 else jpegs[kind]
            (root / f"{random.integers(10**9):09d} {number} {kind}.jpg").write_bytes(jpeg)
        classes[str(number)] = path.parent.name
    return classes


def ranks(session: Session, classes: dict[str, str], kinds: tuple[str, ...]) -> dict[str, float]:
    """What was found, and in which order."""
    found = list(groups_of(session, "bench", "keep"))
    first: Counter[str] = Counter()
    before: Counter[str] = Counter()
    together: Counter[str] = Counter()
    mixed = 0
    for burst in found:
        members = [tuple(Path(member.path).stem.split(" ", 2)[1:]) for member in burst.members]
        mixed += len({number for number, _ in members}) > 1
        for number, kind in members:
            if kind != "original":
                continue
            own = [other for group_number, other in members if group_number == number]
            first[number] += own[0] == "original" and len(own) > 1
            for other in own[1:] if own[0] == "original" else own:
                together[other] += other != "original"
                before[other] += own.index(other) > own.index("original")
    groups = len(classes)
    return {
        "untouched photo first": sum(first.values()) / groups,
        "copies found": sum(together[kind] for kind in kinds) / (groups * len(kinds)),
        "groups of several photos mixed up": mixed,
        **{f"{kind} found": together[kind] / groups for kind in kinds},
        **{f"{kind} after it": before[kind] / max(1, together[kind]) for kind in kinds},
    }


def train_on_half(session: Session, client: WorkerClient, classes: dict[str, str]) -> None:
    """A head for what the photos show: one class of each set is kept."""
    rows = session.catalog.conn.execute("SELECT content_key, path FROM files").fetchall()
    said = []
    for key, path in rows:
        number = Path(path).stem.split(" ", 2)[1]
        if int(number) % 4 < 2:
            bucket = "keep" if classes[number] in ("cat", "hot_dog") else "delete"
            said.append(Label(key, "keep", bucket, "csv", time.time(), path))
    with session.catalog.db.atomic():
        labels.append(session.catalog, said)
    outcome = train_heads(session, client)[0]
    tell(f"  {outcome.reason}")
    score(session)


def cost(place: Path, count: int) -> dict[str, float]:
    """Seconds and megabytes."""
    with scratch_home(place) as scratch:
        root = scratch / "library"
        root.mkdir()
        _, session = open_library(root)
        with session:
            libraries.set_online(session.catalog, "bench", str(root), device=1, inode=1)
            tell(f"storing {count:,} photos …")
            random = np.random.default_rng(0)
            fill(session, random, 0, count)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            first = time_of(lambda: group(session, GroupTask()))
            found: list[Burst] = []
            asked = time_of(lambda: found.extend(groups_of(session, "bench", "keep")))
            expect(len(found) > count // 20, f"only {len(found)} groups were found")
            fill(session, random, count, NEW)
            again = time_of(lambda: group(session, GroupTask()))
            model = models.active(session.catalog).id
            idle = time_of(lambda: bursts.count_uncompared(session.catalog, "bench", model, TECHNICAL_VERSION))
    return {
        "library": count,
        "compared for the first time, s": first.wall_s,
        "compared for the first time, processor s": first.cpu_s,
        "100 more, s": again.wall_s,
        "nothing to do, s": idle.wall_s,
        "nothing to do, processor s": idle.cpu_s,
        "all groups ranked, s": asked.wall_s,
        "groups": len(found),
        "memory more, MB": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
    }


def fill(session: Session, random: np.random.Generator, start: int, count: int) -> None:
    """Photos in shots a minute apart; every third shot is a burst of three, as alike as frames are."""
    catalog, model, number = session.catalog, models.active(session.catalog).id, start
    while number < start + count:
        new: list[NewEmbedding] = []
        seen: list[SeenFile] = []
        while len(new) < 512 and number < start + count:
            vector = random.normal(size=512).astype(np.float32)
            small = np.repeat(np.repeat(random.integers(0, 255, (8, 8)), 4, 0), 4, 1)
            hashed = int(random.integers(-(2**63), 2**63 - 1))
            shot = number
            for frame in range(min(3 if number % 9 == 0 else 1, start + count - number)):
                key = f"jpeg1-{random.bytes(16).hex()}"
                grain = np.clip(small + random.normal(0, 8, small.shape), 0, 255).astype(np.uint8)
                look = looks.Look(TECHNICAL_VERSION, random.random(len(TECHNICAL_NAMES)).astype(np.float32), grain)
                moved = vector + 0.3 * random.normal(size=512).astype(np.float32)
                new.append(
                    NewEmbedding(
                        key, moved, np.zeros(len(SIGNAL_NAMES), np.float32), hashed, "jpeg", 4000, 3000,
                        1.7e9 + 60 * shot + frame, "Bench Camera", look=look,
                    )
                )  # fmt: skip
                seen.append(SeenFile(f"/p/{number}.jpg", "bench", (1, 1, 1, number), key, "/p"))
                number += 1
        with catalog.db.atomic():
            files.store(catalog, seen)
            embeddings.store(catalog, model, SIGNALS_VERSION, new)


if __name__ == "__main__":
    main()
