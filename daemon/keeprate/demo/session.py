"""The main job from start to end, as a user does it: a folder, a running daemon, moves, and an order that comes out.

Everything goes through the command line of keeprate, in processes of their own with a home of their own; nothing
is touched outside the demo's folder. What the result says was read back from keeprate and compared with a truth
that keeprate never saw.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import tomlkit

from keeprate.demo.pictures import SamplePicture
from keeprate.demo.samples import Truth, fill
from keeprate.errors import KeeprateError, UsageError
from keeprate.paths import expanded

PATIENCE_S = 180.0
"""For this long the demo waits for each thing that the daemon shall do."""
LIBRARY = "demo"
_STOP_WITHIN_S = 20.0
_left_running: list[subprocess.Popen[bytes]] = []
"""Daemons that shall outlive the demo: held, because Python warns when a running child is let go."""
_LOOK_EVERY_S = 0.3
_LOG_LINES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class DemoStep:
    """One thing that the demo has done or is about to do, for the person who watches."""

    text: str
    seconds: float
    """Since the start of the demo."""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What came out of it."""

    folder: Path
    library: Path
    home: Path
    """To be used as KEEPRATE_HOME to go on with the demo's library."""
    view_folder: Path
    truth: Truth
    photos: int
    embedded: int
    kept: int
    """So many photos the demo moved into `keep/` …"""
    deleted: int
    """… and so many into `delete/`."""
    unseen: int
    """Photos that nobody sorted; `auc` is measured on them."""
    auc: float
    """Probability that of two unseen photos, one good and one bad, the good one has the higher score (0–1)."""
    marked: int
    """Places that keeprate has written to, by its journal."""
    shown: tuple[str, ...]
    """Names of the links in the view folder, in the order in which a viewer shows them."""
    seconds: float
    daemon_pid: int | None
    """The daemon that still runs, if it was asked to; it ends on SIGTERM."""


class _Keeprate:
    """keeprate as a user calls it, in a home of its own."""

    def __init__(self, home: Path) -> None:
        self.log = home / "daemon.log"
        self._environment = {**os.environ, "KEEPRATE_HOME": str(home)}

    def call(self, *arguments: str) -> str:
        """What a command prints.

        Raises:
            KeeprateError: it failed; says how.
        """
        result = subprocess.run(
            [sys.executable, "-m", "keeprate", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise KeeprateError(f"keeprate {arguments[0]} failed: {result.stderr.strip()}")
        return result.stdout

    def state(self) -> dict[str, Any]:
        """What `keeprate status --json` says."""
        state: dict[str, Any] = json.loads(self.call("status", "--json"))
        return state

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "keeprate", "run"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C ends the demo, and the demo ends the daemon in order
            )


def run_demo(
    photos: Path | None,
    *,
    folder: Path | None = None,
    keep_running: bool = False,
    report: Callable[[DemoStep], None],
) -> DemoResult:
    """Run the demo; takes less than a minute on sample photos.

    Args:
        photos: a folder of photos to copy from, never changed; None draws sample photos.
        folder: where everything goes, a new or an empty folder; None takes a new temporary one. It is left there.
        keep_running: leave the daemon running, for trying it out.
        report: called with each step.

    Raises:
        UsageError: `photos` or `folder` cannot be used.
        KeeprateError: a command failed, or the daemon did not do its work within `PATIENCE_S`.
        OSError: the demo's folder cannot be written.
    """
    started = time.monotonic()

    def tell(text: str) -> None:
        report(DemoStep(text, time.monotonic() - started))

    folder = _own_folder(folder)
    library, home, view = folder / "photos", folder / "keeprate", folder / "photos by score"
    library.mkdir()
    home.mkdir()
    tell(f"Everything happens in {folder}; nothing else is touched.")
    samples = fill(library, photos)
    tell(_about(samples.truth, len(samples.pictures)))
    keeprate = _Keeprate(home)
    keeprate.call("init", str(library), "--name", LIBRARY, "--view-folder", str(view))
    _hurry(Path(keeprate.call("config", "path").strip()))
    with _daemon(keeprate, keep_running=keep_running) as daemon:
        tell("The daemon runs and looks at every photo.")
        count = len(samples.pictures)
        state = _wait(keeprate, daemon, lambda now: _all_embedded(now, count), "embedded the photos")
        embedded = state["model"]["cached"]
        tell(f"{embedded} photos have a vector now.")
        to_sort, unseen = samples.halves()
        kept = _sort(to_sort, library)
        tell(f"Half of them are sorted, as you would: {kept} moved into keep/, {len(to_sort) - kept} into delete/.")
        state = _wait(keeprate, daemon, lambda now: _all_learned(now, len(to_sort), view), "learned from the moves")
        tell("The daemon has learned from these moves, scored the other half and written the order.")
        scores = {row["path"]: float(row["score"]) for row in json.loads(keeprate.call("list", "--json"))}
    judged = [(scores[str(picture.path)], picture.good) for picture in unseen if str(picture.path) in scores]
    return DemoResult(
        folder=folder,
        library=library,
        home=home,
        view_folder=view,
        truth=samples.truth,
        photos=len(samples.pictures),
        embedded=embedded,
        kept=kept,
        deleted=len(to_sort) - kept,
        unseen=len(judged),
        auc=area_under_curve(judged),
        marked=state["marks"]["standing"],
        shown=_links(view),
        seconds=time.monotonic() - started,
        daemon_pid=daemon.pid if keep_running else None,
    )


def area_under_curve(judged: list[tuple[float, bool]]) -> float:
    """ROC AUC by its definition (Hanley and McNeil, 1982): how often a good photo scores above a bad one, 0–1.

    Equal scores count half; without photos of both kinds it is 0.5, as good as chance.
    """
    good = [score for score, is_good in judged if is_good]
    bad = [score for score, is_good in judged if not is_good]
    if not good or not bad:
        return 0.5
    won = sum((high > low) + (high == low) / 2 for high in good for low in bad)
    return won / (len(good) * len(bad))


def _own_folder(folder: Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="keeprate-demo-"))
    folder = expanded(folder).absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("The demo needs a new or an empty folder.", path=folder, advice="Choose another one.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _about(truth: Truth, count: int) -> str:
    match truth:
        case Truth.DRAWN:
            return f"{count} sample photos are drawn: good ones, and ones that are blurred, too dark, too bright …"
        case Truth.SORTED:
            return f"{count} of your photos are copied; your two folders say which are good."
        case Truth.SPOILED:
            return (
                f"{count} of your photos are copied, reduced, and half of the copies are spoiled on purpose: "
                "nothing says which of them you would keep, so the demo shows that spoiled ones are found."
            )


def _hurry(config: Path) -> None:
    """Let the daemon wait seconds where it would wait minutes for a person."""
    document = tomlkit.parse(config.read_text(encoding="utf-8"))
    document["watching"] = {"stable_after": "0.5s"}
    document["training"] = {"min_new_labels": 10, "quiet_after": "2s"}
    document["jobs"] = {"while_busy": True, "on_battery": True}
    config.write_text(tomlkit.dumps(document), encoding="utf-8")


@contextmanager
def _daemon(keeprate: _Keeprate, *, keep_running: bool) -> Iterator[subprocess.Popen[bytes]]:
    """A running daemon; ended at the end, unless all went well and it shall stay."""
    with _ending_on_sigterm():
        process = keeprate.start()
        try:
            yield process
        except BaseException:
            _stop(process)
            raise
        if keep_running:
            _left_running.append(process)
        else:
            _stop(process)


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the demo as Ctrl-C does, so that no daemon is left behind; signals go to the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    former = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(
    keeprate: _Keeprate, daemon: subprocess.Popen[bytes], reached: Callable[[dict[str, Any]], bool], what: str
) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        state = keeprate.state()
        if reached(state):
            return state
        ended = daemon.poll() is not None
        if ended or time.monotonic() > deadline:
            lines = keeprate.log.read_text(encoding="utf-8", errors="replace").splitlines()
            raise KeeprateError(
                f"The daemon {'ended before it' if ended else f'has not within {PATIENCE_S:.0f} s'} {what}.",
                advice="Its last words: " + " | ".join(lines[-_LOG_LINES_SHOWN:]),
                path=keeprate.log,
            )
        time.sleep(_LOOK_EVERY_S)


def _all_embedded(state: dict[str, Any], count: int) -> bool:
    [library] = state["libraries"]
    seen = library["files"] + state["problems"]["count"]
    return bool(seen >= count and library["photos"] and not state["work"]["to_embed"])


def _all_learned(state: dict[str, Any], sorted_: int, view: Path) -> bool:
    [head] = state["heads"]
    [library] = state["libraries"]
    work = state["work"]
    waiting = work["to_embed"] or work["to_look"] or work["to_score"] or work["label_changes"]
    learned = head["version"] is not None and sum(head["labels"].values()) >= sorted_
    marked = state["marks"]["standing"] > 0
    return learned and marked and not waiting and len(_links(view)) == library["photos"] - library["reviewed"]


def _sort(pictures: list[SamplePicture], library: Path) -> int:
    """Move photos into keep/ and delete/ as their owner would; returns how many are kept."""
    for picture in pictures:
        picture.path.rename(library / ("keep" if picture.good else "delete") / picture.path.name)
    return sum(picture.good for picture in pictures)


def _links(view: Path) -> tuple[str, ...]:
    if not view.is_dir():
        return ()
    return tuple(sorted(path.name for path in view.iterdir() if path.is_symlink()))
