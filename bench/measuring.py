"""What the benches share: a home that is nobody's, a session in it, times taken side by side, tiny photos.

Not called `support`, since tests/support is.
"""

from __future__ import annotations

import gc
import io
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from keeprate.config.edit import add_library
from keeprate.paths import Home, locate_home
from keeprate.steps.session import Session, open_session


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds that something took: by the clock, and of processor time (all threads of this process)."""

    wall_s: float
    cpu_s: float


def time_of(run: Callable[[], object]) -> Taken:
    """Run something and time it. Garbage of earlier work is collected first, outside the measured time."""
    gc.collect()
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    run()
    return Taken(time.perf_counter() - wall_s, time.process_time() - cpu_s)


@contextmanager
def scratch_home(place: Path | None = None) -> Iterator[Path]:
    """A folder for one measurement, beneath `place`, with the home of the user and of keeprate in it; removed after.

    Neither the real catalog nor the real desktop trash can be touched, here or in child processes.
    """
    with tempfile.TemporaryDirectory(prefix="keeprate-bench-", dir=place) as name:
        folder = Path(name).resolve()
        before = dict(os.environ)
        os.environ.update(
            HOME=str(folder / "home"),
            KEEPRATE_HOME=str(folder / "keeprate"),
            XDG_DATA_HOME=str(folder / "home" / "data"),
            HF_HUB_OFFLINE="1",
        )
        try:
            yield folder
        finally:
            os.environ.clear()
            os.environ.update(before)


def open_library(root: Path) -> tuple[Home, Session]:
    """Configure `root` as a library without marks, as `keeprate init` would, and open a session in the scratch home."""
    home = locate_home()
    buckets = {"keep": "keep", "delete": ["delete", "trash:"]}
    add_library(home.config_file, {"name": "bench", "root": str(root), "heads": {"keep": {"buckets": buckets}}})
    return home, open_session(home)


def tiny_jpeg(number: int) -> bytes:
    """A valid JPEG of 8×8 pixels, about 330 bytes, with a picture of its own for every number below 2^32."""
    bits = (number >> np.arange(32)) & 1
    pixels = np.repeat(bits * 200 + 20, 2).astype(np.uint8).reshape(8, 8)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "JPEG", quality=95)
    return target.getvalue()


def write_library(root: Path, *, files: int, folders: int) -> None:
    """`files` tiny photos, all different, spread evenly over `folders` folders two levels deep."""
    numbers = iter(range(files))
    per_folder, left_over = divmod(files, folders)
    for index in range(folders):
        folder = root / f"{2000 + index // 50}" / f"{index % 50:02d}"
        folder.mkdir(parents=True)
        for number in itertools.islice(numbers, per_folder + (index < left_over)):
            (folder / f"IMG_{number:06d}.jpg").write_bytes(tiny_jpeg(number))


def walk_bare(root: Path) -> int:
    """os.scandir and stat of every file, nothing else: the least that any scan could do. Returns how many files."""
    waiting, count = [str(root)], 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)
                    count += 1
    return count


def tell(sentence: str) -> None:
    """Progress for whoever waits; stdout belongs to the figures."""
    print(sentence, file=sys.stderr, flush=True)


def show(figures: dict[str, float], title: str) -> None:
    """Print figures for a person."""
    print(title)
    for name, value in figures.items():
        print(f"  {name.replace('_', ' '):<44} {value:>12.5g}")


def expect(condition: bool, sentence: str) -> None:
    """End the bench with `sentence` if what it measures did not happen: a fast nothing is not a figure."""
    if not condition:
        sys.exit(f"cannot measure: {sentence}")


def spread(values: Sequence[float]) -> str:
    """Least and largest, for progress lines."""
    return f"{min(values):.3g} to {max(values):.3g}"
