"""What kills the worker while marks are written is left out and told; everything else is written."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from keeprate.catalog import problems
from keeprate.steps.marks.marking_run import write_all
from keeprate.steps.session import Reporter, Session
from keeprate.steps.tasks import Outcome, Task
from keeprate.steps.worker import perform
from keeprate.steps.worker_client import WorkerClient, WorkerCrashedError
from keeprate_order import contact_sheet, thumbnails, view_folder


class Died(BaseException):
    """The process is no more."""


class MortalWorker(WorkerClient):
    """Does the real work, here; dies where it touches what kills it, and then only its announcements are known."""

    def __init__(self, session: Session, ending: str) -> None:
        super().__init__()
        self._session, self._ending = session, ending
        self._announced: dict[int, tuple[str, ...]] = {}
        self._last_words: tuple[str, ...] = ()
        self.deaths = 0

    def run(self, task: Task, reporter: Reporter) -> Outcome:
        self._announced.clear()
        self._last_words = ()
        try:
            return perform(task, self._session, self._working)
        except Died:
            self.deaths += 1
            raise WorkerCrashedError(self._last_words, self._ending) from None

    def _working(self, subjects: Sequence[str]) -> None:
        self._announced[threading.get_ident()] = tuple(subjects)

    def die(self) -> None:
        self._last_words = tuple(dict.fromkeys(one for several in self._announced.values() for one in several))
        raise Died


def dying(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str, worker: MortalWorker, deadly: Callable[[str], bool]
) -> None:
    """Let `module.name` kill the worker when its first argument is deadly."""
    real = getattr(module, name)

    def dies(first: object, *rest: object, **named: object) -> object:
        if deadly(str(first)):
            worker.die()
        return real(first, *rest, **named)

    monkeypatch.setattr(module, name, dies)


def told(session: Session) -> dict[str, str]:
    return {Path(problem.path).name: problem.step for problem in problems.latest(session.catalog)}


def test_a_photo_that_kills_the_decoder_only_lacks_its_small_picture(
    marked: Session, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = MortalWorker(marked, "SIGSEGV")
    dying(monkeypatch, thumbnails, "_thumbnail", worker, lambda path: path.endswith("IMG_0003.jpg"))
    write_all(marked, worker)
    assert told(marked) == {"IMG_0003.jpg": "open"}
    assert len(list((root / "by score").glob("*.jpg"))) == 10, "it is shown all the same"
    small = list((root / "sheet_files" / "thumbnails").iterdir())
    assert Counter(bool(one.stat().st_size) for one in small) == {True: 9, False: 1}
    assert (root / "sheet.html").read_text().count("<li>") == 10
    assert (root / "list.m3u").is_file(), "and what comes later is written too"
    assert worker.deaths <= 2, "one to notice, one to tell it from those that were decoded at the same time"
    deaths = worker.deaths
    assert write_all(marked, worker).written == 0
    assert (worker.deaths, told(marked)) == (deaths, {"IMG_0003.jpg": "open"})


def test_a_place_that_kills_stops_nothing_else_and_is_forgotten_once_it_works(
    marked: Session, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = MortalWorker(marked, "SIGSEGV")
    with monkeypatch.context() as patched:
        dying(patched, contact_sheet, "write_marker", worker, lambda path: path.endswith("sheet_files"))
        outcome = write_all(marked, worker)
    assert (worker.deaths, told(marked)) == (1, {"sheet.html": "mark"})
    assert [(Path(mark.path).name, mark.summary.split(";")[1]) for mark in outcome.left_alone] == [
        ("sheet.html", " it is tried again in the next run")
    ]
    assert (root / "list.m3u").is_file()
    write_all(marked, worker)
    assert told(marked) == {}
    assert (root / "sheet.html").is_file()


@pytest.mark.parametrize("ending", ["SIGKILL", "SIGTERM"])
def test_an_end_from_outside_is_no_fault_of_the_photo_unless_it_repeats_itself(
    marked: Session, root: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    worker = MortalWorker(marked, ending)
    for times, blamed in ((1, {}), (2, {"IMG_0003.jpg": "open"}), (0, {}), (2, {"IMG_0003.jpg": "open"}), (0, {})):
        left = [times]

        def deadly(path: str, left: list[int] = left) -> bool:
            if not path.endswith("IMG_0003.jpg") or not left[0]:
                return False
            left[0] -= 1
            return True

        for one in (root / "sheet_files" / "thumbnails").glob("*.jpg"):
            one.unlink()
        with monkeypatch.context() as patched:
            patched.setattr(thumbnails, "_THREADS", 1)
            dying(patched, thumbnails, "_thumbnail", worker, deadly)
            write_all(marked, worker)
        assert told(marked) == blamed
        assert len(list((root / "by score").glob("*.jpg"))) == 10
    deaths = worker.deaths
    for run in range(2):  # it kills for real, run after run
        for one in (root / "sheet_files" / "thumbnails").glob("*.jpg"):
            one.unlink()
        dying(monkeypatch, thumbnails, "_thumbnail", worker, lambda path: path.endswith("IMG_0003.jpg"))
        write_all(marked, worker)
        assert problems.paths_of(marked.catalog, "open") == ({str(root / "new" / "IMG_0003.jpg")} if run else set())
    for one in (root / "sheet_files" / "thumbnails").glob("*.jpg"):
        one.unlink()
    write_all(marked, worker)
    assert worker.deaths == deaths + 4, "not tried a third time"


def test_photos_are_announced_only_while_they_are_looked_at(marked: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = MortalWorker(marked, "SIGSEGV")
    dying(monkeypatch, view_folder, "renumbered", worker, lambda _: True)
    with pytest.raises(WorkerCrashedError):
        write_all(marked, worker)
    assert told(marked) == {}


def test_a_worker_that_dies_again_and_again_ends_the_run(marked: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = MortalWorker(marked, "SIGKILL")
    names = iter(range(1000))
    monkeypatch.setattr(
        worker, "run", lambda *_: (_ for _ in ()).throw(WorkerCrashedError((f"/{next(names)}",), "SIGKILL"))
    )
    with pytest.raises(WorkerCrashedError, match="20 times"):
        write_all(marked, worker)
