"""What the daemon costs while nothing happens.

    python bench/idle.py [--photos 1000] [--seconds 20] [--in FOLDER] [--json]

`keeprate init` and `keeprate run` as a user starts them, in processes and a home of their own, with default settings
but for how soon the worker process ends when idle. The daemon embeds the photos with the built-in model; when they are
all there, the worker is gone and the daemon has come to rest, its memory, file descriptors and threads are read, and
the processor time that it uses in the following seconds. The bar is 120 MB of resident memory (RSS, 10^6 bytes,
shared libraries included). PSS counts shared pages in proportion; it is only there on Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from keeprate.catalog import embeddings, models, open_catalog
from keeprate.paths import locate_home
from measuring import expect, scratch_home, show, tell

COMMAND = [sys.executable, "-m", "keeprate"]
SETTINGS = '\n[embedding]\nidle_exit = "2s"\n'
DEADLINE_S = 300.0
REST_S = 5.0
"""After the last process has gone, until the memory is read."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--in", dest="place", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with scratch_home(chosen.place) as scratch:
        tell(f"writing {chosen.photos:,} photos …")
        write_photos(scratch / "library", chosen.photos)
        subprocess.run([*COMMAND, "init", scratch / "library"], check=True, stdout=sys.stderr)
        with locate_home().config_file.open("a", encoding="utf-8") as config:
            config.write(SETTINGS)
        figures = measure(scratch / "daemon.log", photos=chosen.photos, seconds=chosen.seconds)
    if chosen.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures, f"keeprate run, idle for {chosen.seconds:g} s after embedding {chosen.photos:,} photos")


def write_photos(root: Path, count: int) -> None:
    """JPEGs of 640×480 pixels, all different, a hundred in a folder."""
    random = np.random.default_rng(0)
    for number in range(count):
        folder = root / f"{number // 100:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        blocks = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        blocks.resize((640, 480), Image.Resampling.BICUBIC).save(folder / f"IMG_{number:05d}.jpg", quality=88)


def measure(log: Path, *, photos: int, seconds: float) -> dict[str, float]:
    """Start the daemon, wait until it has embedded everything and rests, and read what it costs."""
    started = time.perf_counter()
    with running_daemon(log) as daemon:
        tell(f"embedding {photos:,} photos …")
        wait_until(daemon, lambda: count_embedded() == photos, "all photos are embedded", log)
        embedded_s = time.perf_counter() - started
        wait_until(daemon, lambda: not daemon.children(), "the worker has ended", log)
        time.sleep(REST_S)
        tell(f"idle for {seconds:g} s …")
        before, switches = daemon.cpu_times(), daemon.num_ctx_switches()
        time.sleep(seconds)
        after, later_switches = daemon.cpu_times(), daemon.num_ctx_switches()
        expect(not daemon.children(), "a worker was started while nothing happened")
        memory = daemon.memory_full_info()
        figures = {
            "photos": photos,
            "embedded_after_s": embedded_s,
            "idle_rss_mb": memory.rss / 1e6,
            "idle_uss_mb": memory.uss / 1e6,
            "idle_cpu_s": (after.user + after.system) - (before.user + before.system),
            "idle_seconds": seconds,
            "idle_wakeups_a_second": (later_switches.voluntary - switches.voluntary) / seconds,
            "idle_threads": daemon.num_threads(),
        }
        if hasattr(memory, "pss"):
            figures["idle_pss_mb"] = memory.pss / 1e6
        if hasattr(daemon, "num_fds"):
            figures["idle_file_descriptors"] = daemon.num_fds()
    return figures


@contextmanager
def running_daemon(log: Path) -> Iterator[psutil.Process]:
    """`keeprate run`, ended by SIGTERM with the block."""
    with log.open("wb") as sink:
        process = subprocess.Popen([*COMMAND, "run"], stdout=sink, stderr=sink, env=os.environ)
        try:
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def count_embedded() -> int:
    """How many photos have a vector, from the daemon's catalog; 0 before there is one."""
    catalog_file = locate_home().catalog_file
    if not catalog_file.exists():
        return 0
    with closing(open_catalog(catalog_file)) as catalog:
        return embeddings.count_embedded(catalog, models.active(catalog).id)


def wait_until(daemon: psutil.Process, reached: Callable[[], bool], what: str, log: Path) -> None:
    """Wait for it, but not longer than the deadline, nor for a daemon that has ended."""
    deadline = time.monotonic() + DEADLINE_S
    while not reached():
        said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        expect(daemon.is_running() and daemon.status() != psutil.STATUS_ZOMBIE, f"the daemon ended:\n{said}")
        expect(time.monotonic() < deadline, f"not reached in {DEADLINE_S:g} s: {what}\n{said}")
        time.sleep(0.25)


if __name__ == "__main__":
    main()
