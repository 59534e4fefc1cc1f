"""What the daemon costs while nothing happens.

    python bench/idle.py [--photos 1000] [--seconds 20] [--in FOLDER] [--json]

`keeprate init` and `keeprate run` as a user starts them, in processes and a home of their own, with default settings
but that a busy machine is no reason to wait. The daemon embeds the photos with the built-in model, compares them and
makes thumbnails. When it says that it rests, it is asked for its status, its page and photos, as people do; when the
worker is gone, its memory, file descriptors and threads are read, and what it uses in the following seconds: processor
time, bytes written, and files in its home that are others than before. The bars are 90 MB of resident memory (RSS,
10^6 bytes, shared libraries included), 0.2 % of one core, nothing written, and 60 s until the worker is gone. PSS
counts shared pages in proportion; it is only there on Linux.
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
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.request import HTTPCookieProcessor, build_opener

import numpy as np
import psutil
from PIL import Image

from keeprate.api.client import DaemonClient
from keeprate.catalog import embeddings, models, open_catalog
from keeprate.paths import locate_home
from measuring import expect, scratch_home, show, tell

COMMAND = [sys.executable, "-m", "keeprate"]
SETTINGS = "\n[jobs]\nwhile_busy = true\non_battery = true\n"
DEADLINE_S = 3000.0
ENDING_S = 0.5
"""More processor time than a worker takes to end."""
REST_S = 15.0
"""After the last process has gone, until the memory is read."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--idle-exit", default="", help="end the worker so soon, such as 2s; default: keeprate's own")
    parser.add_argument("--in", dest="place", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with scratch_home(chosen.place) as scratch:
        tell(f"writing {chosen.photos:,} photos …")
        write_photos(scratch / "library", chosen.photos)
        subprocess.run([*COMMAND, "init", scratch / "library"], check=True, stdout=sys.stderr)
        with locate_home().config_file.open("a", encoding="utf-8") as config:
            config.write(SETTINGS)
            if chosen.idle_exit:
                config.write(f'[embedding]\nidle_exit = "{chosen.idle_exit}"\n')
        figures = measure(scratch / "daemon.log", photos=chosen.photos, seconds=chosen.seconds)
    if chosen.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures, f"keeprate run, idle for {chosen.seconds:g} s after embedding {chosen.photos:,} photos")


def write_photos(root: Path, count: int) -> None:
    """Small JPEGs, all different, a hundred in a folder."""
    random = np.random.default_rng(0)
    for number in range(count):
        folder = root / f"{number // 100:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        blocks = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        blocks.resize((160, 120), Image.Resampling.BICUBIC).save(folder / f"IMG_{number:05d}.jpg", quality=88)


def measure(log: Path, *, photos: int, seconds: float) -> dict[str, float]:
    """Start the daemon, wait until it has embedded everything and rests, and read what it costs."""
    started = time.perf_counter()
    with running_daemon(log) as daemon:
        tell(f"embedding {photos:,} photos …")
        wait_until(daemon, lambda: count_embedded() == photos, "all photos are embedded", log)
        embedded_s = time.perf_counter() - started
        worker = Worker(daemon)
        wait_until(daemon, lambda: not worker.is_there() and rests(), "the worker has ended and all is done", log)
        time.sleep(REST_S)
        unasked = daemon.memory_info().rss
        ask_as_people_do()
        time.sleep(REST_S)
        tell(f"idle for {seconds:g} s …")
        before, switches = daemon.cpu_times(), daemon.num_ctx_switches()
        written, files = bytes_written(daemon), files_in_home()
        held = (daemon.num_threads(), daemon.num_fds())
        time.sleep(seconds)
        after, later_switches = daemon.cpu_times(), daemon.num_ctx_switches()
        expect(not daemon.children(), "a worker was started while nothing happened")
        holds = (daemon.num_threads(), daemon.num_fds())
        expect(all(now <= then for now, then in zip(holds, held, strict=True)), f"it holds {holds}, and held {held}")
        changed = files_in_home() ^ files
        for path, *_ in sorted(changed):
            tell(f"written: {path}")
        memory = daemon.memory_full_info()
        cpu_s = (after.user + after.system) - (before.user + before.system)
        figures = {
            "photos": photos,
            "embedded_after_s": embedded_s,
            "worker_gone_s": worker.rested_s,
            "unasked_rss_mb": unasked / 1e6,
            "idle_rss_mb": memory.rss / 1e6,
            "idle_uss_mb": memory.uss / 1e6,
            "idle_cpu_s": cpu_s,
            "idle_cpu_percent": 100 * cpu_s / seconds,
            "idle_bytes_written": bytes_written(daemon) - written,
            "idle_files_written": len(changed),
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


def rests() -> bool:
    """Whether the daemon says that it has nothing to do."""
    live = json.loads(subprocess.run([*COMMAND, "status", "--json"], stdout=subprocess.PIPE, check=True).stdout)["live"]
    return (
        live is not None
        and live["state"] == "idle"
        and not any(job["state"] in ("running", "waiting") for job in live["jobs"])
    )


class Worker:
    """The daemon's worker, looked at now and then: it has worked if it used the processor since the last look."""

    def __init__(self, daemon: psutil.Process) -> None:
        self._daemon = daemon
        self._used: dict[int, float] = {}
        """Process → seconds of processor time, when it had last worked."""
        self._looked_at = self._worked_at = time.perf_counter()
        self.rested_s = 0.0
        """Seconds from its last work, rather too many, until it was gone."""

    def is_there(self) -> bool:
        now, used = time.perf_counter(), {}
        for child in self._daemon.children():
            with suppress(psutil.NoSuchProcess):
                times = child.cpu_times()
                used[child.pid] = times.user + times.system
        if not used and self._used:
            self.rested_s = now - self._worked_at
        if any(seconds - self._used.get(pid, 0.0) > ENDING_S for pid, seconds in used.items()):
            self._worked_at, self._used = self._looked_at, used
        elif not used:
            self._used = used
        self._looked_at = now
        return bool(used)


def ask_as_people_do() -> None:
    """Status on the command line; the page, its photos and some thumbnails in a browser."""
    subprocess.run([*COMMAND, "status"], stdout=subprocess.DEVNULL, check=True)
    with running_client() as client:
        address = client.page_url()
    expect(address is not None, "the page has no address")
    browser = build_opener(HTTPCookieProcessor())
    page = browser.open(str(address)).read().decode()
    expect("<html" in page, "the page is no page")
    base = str(address).partition("/?")[0]
    for place in ("/review", "/api/v1/status", "/api/v1/photos?top=100"):
        browser.open(base + place).read()


@contextmanager
def running_client() -> Iterator[DaemonClient]:
    """The way to the daemon that commands take."""
    client = DaemonClient.connect(locate_home())
    expect(client is not None, "no daemon answers")
    assert client is not None
    with client:
        yield client


def bytes_written(process: psutil.Process) -> int:
    """To disks, by all its threads; 0 where the system does not say."""
    return int(process.io_counters().write_bytes) if hasattr(process, "io_counters") else 0


def files_in_home() -> set[tuple[str, int, int]]:
    """Path, size and time of everything that keeprate keeps."""
    home = locate_home()
    return {
        (str(path), status.st_size, status.st_mtime_ns) for path in home.data_dir.rglob("*") if (status := path.lstat())
    }


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
