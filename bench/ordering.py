"""How long it takes to bring a view folder up to date after a training.

    python bench/ordering.py [--photos 100000] [--repeats 3] [--in FOLDER] [--json]

A catalog with photos and scores by a head, and a library with a view folder. Two trainings are imitated: one after
which every score has moved a little (normal noise of 0.01), and one that turns everything upside down (new random
scores). After each, the write step runs as `keeprate write` and the daemon run it, worker process, journal and all,
and that must stay below ten seconds of processor time (of both processes; the clock counts whatever else the machine
does). Beside it: the photo manager alone (plan and apply, in this
process), a further run that finds nothing to do, how many names changed, and, for comparison, removing all links and
making them anew.

The photos are empty files: a view folder looks at none of them. After each round the links are compared with the
scores.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from keeprate.catalog import files, heads, models, scores
from keeprate.catalog.files import SeenFile
from keeprate.catalog.heads import HeadVersion
from keeprate.config.edit import add_library
from keeprate.paths import locate_home
from keeprate.plugin_api import Change
from keeprate.steps.marks.managers import managers_for
from keeprate.steps.marks.marking import mark_request
from keeprate.steps.marks.marking_run import write_all
from keeprate.steps.session import Session, open_session
from keeprate.steps.worker_client import WorkerClient, worker
from measuring import Taken, expect, scratch_home, show, tell, time_of

NOISE = 0.01
"""Standard deviation of what a training with a few more labels changes."""
OURS = {".keeprate-view", ".nomedia"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--in", dest="place", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with scratch_home(chosen.place) as scratch:
        root, view = scratch / "library", scratch / "view"
        root.mkdir()
        home = locate_home()
        add_library(
            home.config_file, {"name": "bench", "root": str(root), "marks": {"order": {"view_folder": str(view)}}}
        )
        with open_session(home) as session, worker() as client:
            library = Library(session, client, root, view, chosen.photos)
            library.prepare()
            figures = library.measure(chosen.repeats)
    if chosen.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures, f"a view folder of {chosen.photos:,} links, {chosen.repeats} rounds, medians")


class Library:
    """One library with its catalog and its view folder."""

    def __init__(self, session: Session, client: WorkerClient, root: Path, view: Path, photos: int) -> None:
        self.session = session
        self.client = client
        self.view = view
        self.keys = [f"jpeg1-{number:032x}" for number in range(photos)]
        self.paths = [str(root / f"{2000 + n // 5000}" / f"IMG_{n:06d}.jpg") for n in range(photos)]
        self.random = np.random.default_rng(0)

    def prepare(self) -> None:
        """Files of no content, and the catalog as a scan of photos would leave it."""
        tell(f"storing {len(self.keys):,} photos …")
        seen = []
        for path, key in zip(map(Path, self.paths), self.keys, strict=True):
            if not path.parent.exists():
                path.parent.mkdir()
            path.touch()
            stat = path.stat()
            signature = files.signed_signature((stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino))
            seen.append(SeenFile(str(path), "bench", signature, key, str(path.parent)))
        with self.session.catalog.db.atomic():
            files.store(self.session.catalog, seen)

    def measure(self, repeats: int) -> dict[str, float]:
        """Median seconds of each way."""
        probabilities = self.random.random(len(self.keys))
        self.train(1, probabilities)
        taken = {"first_write": [self.timed_write()]}
        names_changed: dict[str, list[int]] = {}
        version = 1
        for turn in range(repeats):
            for what, way in itertools.product(("moved", "shuffled"), ("write", "manager")):
                tell(f"round {turn + 1} of {repeats}: {what}, {way} …")
                probabilities = self.changed(probabilities, what)
                version += 1
                self.train(version, probabilities)
                before = self.names()
                one = self.timed_write() if way == "write" else self.timed_manager()
                taken.setdefault(f"{what}_{way}", []).append(one)
                names_changed.setdefault(f"{what}_names_changed", []).append(len(self.names() - before))
                self.check(probabilities)
            taken.setdefault("unchanged_write", []).append(self.timed_write())
        taken["anew"] = [self.timed_anew()]
        return {
            "photos": len(self.keys),
            **{f"{name}_s": statistics.median(one.wall_s for one in times) for name, times in taken.items()},
            **{f"{name}_cpu_s": statistics.median(one.cpu_s for one in times) for name, times in taken.items()},
            **{name: statistics.median(counts) for name, counts in names_changed.items()},
        }

    def changed(self, probabilities: NDArray[np.float64], what: str) -> NDArray[np.float64]:
        if what == "shuffled":
            return self.random.random(len(self.keys))
        return np.clip(probabilities + self.random.normal(0, NOISE, len(self.keys)), 0, 1)

    def train(self, version: int, probabilities: NDArray[np.float64]) -> None:
        """Scores by a new version of the head, in use."""
        catalog = self.session.catalog
        heads.add(
            catalog,
            HeadVersion(
                head="keep", version=version, trained_at=time.time(), kind="bench", buckets=("keep", "delete"),
                label_counts={}, label_hash=str(version), model_id=models.active(catalog).id, fingerprint="bench",
                threshold=0.5, metrics={}, file="bench.safetensors", in_use=True, reason="Measured.",
            ),
        )  # fmt: skip
        with catalog.db.atomic():
            scores.store(catalog, "keep", version, self.keys, np.stack([probabilities, 1 - probabilities], axis=1))

    def timed_write(self) -> Taken:
        """The write step as the command and the daemon run it; processor time of both processes."""
        outcomes = []
        before = self.worker_cpu_s()
        taken = time_of(lambda: outcomes.append(write_all(self.session, self.client)))
        expect(not outcomes[0].left_alone and not outcomes[0].refused, f"it was left alone: {outcomes[0].left_alone}")
        return replace(taken, cpu_s=taken.cpu_s + self.worker_cpu_s() - before)

    def worker_cpu_s(self) -> float:
        if self.client.pid is None:
            return 0.0
        used = psutil.Process(self.client.pid).cpu_times()
        return used.user + used.system

    def timed_manager(self) -> Taken:
        """Plan and apply in this process, from a request that is there."""
        library = self.session.config.library[0]
        request, manager = mark_request(self.session, library, "keep"), managers_for(library)["order"]
        assert request is not None

        def run() -> None:
            for change in manager.plan(request):
                assert isinstance(change, Change)
                manager.apply(change)

        return time_of(run)

    def timed_anew(self) -> Taken:
        """What a program without memory would do: the same links, all removed and made again, in a folder beside."""
        copy = self.view.with_name("anew")
        links = {name: (self.view / name).readlink() for name in self.names()}
        copy.mkdir()

        def make() -> None:
            for name, target in links.items():
                (copy / name).symlink_to(target)

        def run() -> None:
            for path in list(copy.iterdir()):
                path.unlink()
            make()

        make()
        taken = time_of(run)
        shutil.rmtree(copy)
        return taken

    def names(self) -> set[str]:
        return {path.name for path in self.view.iterdir()} - OURS

    def check(self, probabilities: NDArray[np.float64]) -> None:
        """The links are those of all photos, in the order of their scores."""
        names = sorted(self.names())
        number_of = {path: number for number, path in enumerate(self.paths)}
        shown = [float(np.float32(probabilities[number_of[str((self.view / name).readlink())]])) for name in names]
        expect(len(names) == len(self.keys), f"{len(names)} links for {len(self.keys)} photos")
        expect(all(a >= b - 1e-6 for a, b in itertools.pairwise(shown)), "the links are not in the order of the scores")


if __name__ == "__main__":
    main()
