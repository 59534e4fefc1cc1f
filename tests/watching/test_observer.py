from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from keeprate.watching.exclusions import VIEW_MARKER, Exclusions
from keeprate.watching.hints import Change, FullScan, Hint, WatchedRoot
from keeprate.watching.mounts import Mount
from keeprate.watching.observer import LibraryObserver, WatchMethod
from keeprate.watching.reconcile import reconcile
from keeprate.watching.walk import look_at, walk_library
from support.system import mount_tmpfs, mounted_tmpfs, python_process, run_with_watch_limit, unmount
from support.trees import files_in, is_picture, make_files
from support.waiting import PATIENCE_S, halt, join, let_pass, next_line, wait_until

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


class Watched:
    """A library that is watched, and what was told of it."""

    def __init__(self, root: Path, exclude: Exclusions | None = None, **settings: object) -> None:
        self.root = root
        self.changes: list[Change] = []
        self.may_tell, self.is_held = threading.Event(), threading.Event()
        self.may_tell.set()
        self.observer = LibraryObserver(
            [WatchedRoot("camera", root, exclude or Exclusions())],
            self._listen,
            is_wanted=is_picture,
            **settings,  # type: ignore[arg-type]
        )

    def _listen(self, change: Change) -> None:
        if not self.may_tell.is_set():
            self.is_held.set()
            self.may_tell.wait(PATIENCE_S)
        self.changes.append(change)

    @property
    def files(self) -> set[str]:
        return {self._name(hint) for hint in self._hints() if not hint.is_folder}

    @property
    def folders(self) -> set[str]:
        return {self._name(hint) for hint in self._hints() if hint.is_folder}

    @property
    def scans(self) -> list[str]:
        return [change.reason for change in self.changes if isinstance(change, FullScan)]

    def method(self) -> WatchMethod:
        return self.observer.statuses()[0].method

    def waits_for(self, predicate: Callable[[], bool]) -> None:
        try:
            wait_until(predicate)
        except AssertionError:
            raise AssertionError(f"told {len(self.changes)} changes, the last: {self.changes[-10:]}") from None

    def checks_until(self, predicate: Callable[[], bool]) -> None:
        """Let the timer of `check_roots` run until something is true."""

        def checked() -> bool:
            self.observer.check_roots()
            return predicate()

        self.waits_for(checked)

    def settles(self) -> None:
        """Wait until a change made now was told: then earlier ones were, too."""
        for name in ("settled-1.jpg", "settled-2.jpg"):
            make_files(self.root, name)
            self.waits_for(partial(self.told_file, name))

    def told_file(self, name: str) -> bool:
        return name in self.files

    def _hints(self) -> list[Hint]:
        return [change for change in list(self.changes) if isinstance(change, Hint)]

    def _name(self, hint: Hint) -> str:
        assert hint.path.startswith(f"{self.root}/")
        return hint.path.removeprefix(f"{self.root}/")


@pytest.fixture
def watch() -> Iterator[Callable[..., Watched]]:
    started: list[Watched] = []

    def start(root: Path, *args: object, **settings: object) -> Watched:
        root.mkdir(exist_ok=True, parents=True)
        watched = Watched(root, *args, **settings)  # type: ignore[arg-type]
        started.append(watched)
        watched.observer.start()
        return watched

    yield start
    for watched in started:
        watched.observer.stop()


Watch = Callable[..., Watched]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    root = tmp_path / "library"
    make_files(root, "a.jpg", "in/b.jpg", "in/c.jpg", "keep/", "delete/")
    return root


class TestHints:
    def test_a_new_picture_once(self, library: Path, watch: Watch, tmp_path: Path) -> None:
        make_files(tmp_path, "before.jpg")
        watched = watch(library)
        assert watched.method() is WatchMethod.EVENTS
        watched.may_tell.clear()
        (tmp_path / "before.jpg").rename(library / "before.jpg")
        assert watched.is_held.wait(PATIENCE_S)
        make_files(library, "in/new.jpg")
        watched.waits_for(lambda: watched.observer._queue.qsize() == 2)  # it was made and it was closed
        watched.may_tell.set()
        watched.settles()
        assert watched.changes.count(Hint("camera", f"{library}/in/new.jpg", is_folder=False)) == 1

    def test_a_file_that_grows_is_told_again_when_it_is_closed(self, library: Path, watch: Watch) -> None:
        watched = watch(library)
        hint = Hint("camera", f"{library}/in/new.jpg", is_folder=False)
        with open(library / "in" / "new.jpg", "wb") as file:
            file.write(b"half")
            file.flush()
            watched.waits_for(lambda: watched.changes == [hint])
            file.write(b"the rest")
        watched.waits_for(lambda: watched.changes == [hint, hint])

    def test_written_beside_and_renamed(self, library: Path, watch: Watch) -> None:
        watched = watch(library)
        make_files(library, "in/.new.jpg.part")
        (library / "in" / ".new.jpg.part").rename(library / "in" / "new.jpg")
        watched.waits_for(lambda: watched.files == {"in/new.jpg"})

    def test_moved_within_into_and_out_of_the_library(self, library: Path, watch: Watch, tmp_path: Path) -> None:
        make_files(tmp_path, "outside.jpg")
        watched = watch(library)
        (library / "in" / "b.jpg").rename(library / "keep" / "b.jpg")
        watched.waits_for(lambda: watched.files == {"in/b.jpg", "keep/b.jpg"})
        (tmp_path / "outside.jpg").rename(library / "in" / "outside.jpg")
        watched.waits_for(lambda: "in/outside.jpg" in watched.files)
        (library / "in" / "c.jpg").rename(tmp_path / "c.jpg")
        watched.waits_for(lambda: "in/c.jpg" in watched.files)

    def test_deleted(self, library: Path, watch: Watch) -> None:
        watched = watch(library)
        (library / "a.jpg").unlink()
        watched.waits_for(lambda: watched.files == {"a.jpg"})

    def test_a_folder_renamed_is_two_folders_touched(self, library: Path, watch: Watch) -> None:
        watched = watch(library)
        (library / "in").rename(library / "Rome")
        watched.waits_for(lambda: {"in", "Rome"} <= watched.folders)
        make_files(library, "Rome/new.jpg")
        watched.waits_for(lambda: "Rome/new.jpg" in watched.files)

    def test_a_full_folder_moved_in_and_out(self, library: Path, watch: Watch, tmp_path: Path) -> None:
        make_files(tmp_path, "card/DCIM/1.jpg", "card/DCIM/2.jpg")
        watched = watch(library)
        (tmp_path / "card").rename(library / "card")
        watched.waits_for(lambda: "card" in watched.folders)
        make_files(library, "card/DCIM/3.jpg")
        watched.waits_for(lambda: "card/DCIM/3.jpg" in watched.files)
        watched.changes.clear()
        (library / "card").rename(tmp_path / "card")
        watched.waits_for(lambda: "card" in watched.folders)

    def test_a_folder_deleted(self, library: Path, watch: Watch) -> None:
        watched = watch(library)
        shutil.rmtree(library / "in")
        watched.waits_for(lambda: "in" in watched.folders)

    def test_a_change_of_case_only(self, library: Path, watch: Watch) -> None:
        watched = watch(library)
        (library / "a.jpg").rename(library / "A.JPG")
        watched.waits_for(lambda: watched.files == {"a.jpg", "A.JPG"})
        paths = [f"{library}/{name}" for name in watched.files]
        found = look_at(library, paths, exclude=Exclusions(), is_picture=is_picture)
        assert list(files_in(found)) == [f"{library}/A.JPG"]

    def test_names_that_are_no_utf8(self, library: Path, watch: Watch) -> None:
        watched = watch(library)
        raw = os.fsencode(library) + b"/in/caf\xe9.jpg"
        with open(raw, "wb"):
            pass
        watched.waits_for(lambda: watched.files == {os.fsdecode(b"in/caf\xe9.jpg")})

    def test_loops_of_links_are_not_entered(self, library: Path, watch: Watch) -> None:
        (library / "in" / "loop").symlink_to(library)
        watched = watch(library)
        assert watched.method() is WatchMethod.EVENTS
        make_files(library, "in/new.jpg")
        watched.settles()
        assert watched.files == {"in/new.jpg", "settled-1.jpg", "settled-2.jpg"}

    def test_a_root_behind_a_link_keeps_its_name(self, library: Path, watch: Watch, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(library)
        watched = watch(tmp_path / "link")
        make_files(library, "top.jpg", "in/new.jpg")
        watched.waits_for(lambda: watched.files == {"top.jpg", "in/new.jpg"})

    def test_what_is_none_of_our_business_wakes_nobody(self, library: Path, watch: Watch) -> None:
        make_files(library, "view/", "marked/", f"marked/{VIEW_MARKER}", "raw/", "@eaDir/")
        watched = watch(library, Exclusions(["raw"], folders=[library / "view"]))
        make_files(library, "a.jpg.xmp", "in/notes.txt", ".keeprate-0123456789abcdef.tmp", "in/.hidden.jpg")
        make_files(library, "view/001.jpg", "view/deep/001.jpg", "marked/001.jpg", "raw/a.jpg", "@eaDir/a.jpg/x.jpg")
        (library / "a.jpg").read_bytes()
        os.utime(library / "raw", (0, 0))
        watched.settles()
        assert {type(change) for change in watched.changes} == {Hint}
        assert (watched.files, watched.folders) == ({"settled-1.jpg", "settled-2.jpg"}, set())

    def test_libraries_are_told_apart(self, tmp_path: Path) -> None:
        changes: list[Change] = []
        roots = [WatchedRoot(name, tmp_path / name) for name in ("camera", "phone")]
        for root in roots:
            root.root.mkdir()
        observer = LibraryObserver(roots, changes.append, is_wanted=is_picture)
        observer.start()
        try:
            make_files(tmp_path, "camera/a.jpg", "phone/b.jpg")
            expected = {
                Hint("camera", f"{tmp_path}/camera/a.jpg", False),
                Hint("phone", f"{tmp_path}/phone/b.jpg", False),
            }
            wait_until(lambda: expected <= set(changes))
        finally:
            observer.stop()

    def test_a_burst_of_ten_thousand_files_is_told_completely(self, library: Path, watch: Watch) -> None:
        """By hints, or by asking for a scan: what was not named is found by the scan that was asked for."""
        watched = watch(library)
        names = [f"in/IMG_{number:05d}.jpg" for number in range(10_000)]
        for name in names:
            (library / name).touch()
        watched.waits_for(lambda: len(watched.changes) >= len(names) or bool(watched.scans))
        assert watched.scans or set(names) <= watched.files

    def test_an_error_in_the_listener_stops_nothing(self, library: Path, caplog: pytest.LogCaptureFixture) -> None:
        seen: list[Change] = []

        def listen(change: Change) -> None:
            seen.append(change)
            raise ValueError("not today")

        observer = LibraryObserver([WatchedRoot("camera", library)], listen, is_wanted=is_picture)
        observer.start()
        try:
            for name in ("1.jpg", "2.jpg"):
                make_files(library, name)
                hint = Hint("camera", f"{library}/{name}", is_folder=False)
                wait_until(partial(seen.__contains__, hint))
        finally:
            observer.stop()
        assert "not today" in caplog.text


class TestLostEvents:
    @linux_only
    def test_an_overflow_asks_for_a_scan(self, library: Path) -> None:
        """A process that watches is halted until the kernel's queue is full, and then goes on."""
        queued = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
        if queued > 50_000:
            pytest.skip(f"needs a short queue; this machine's holds {queued} events")
        code = (
            "import sys; from pathlib import Path; from keeprate.watching.hints import WatchedRoot\n"
            "from keeprate.watching.observer import LibraryObserver\n"
            "tell = lambda change: print(change, flush=True)\n"
            "observer = LibraryObserver([WatchedRoot('camera', Path(sys.argv[1]))], tell, is_wanted=bool)\n"
            "observer.start(); print('started', flush=True); sys.stdin.read(); observer.stop()"
        )
        with python_process(code, str(library)) as process:
            assert process.stdout is not None
            told = process.stdout
            assert next_line(told) == "started\n"
            heard: list[str] = []
            listener = threading.Thread(target=lambda: heard.extend(told), daemon=True)
            listener.start()
            halt(process.pid)
            for number in range(queued):
                (library / "in" / f"{number}.jpg").touch()
            process.send_signal(signal.SIGCONT)
            wait_until(lambda: any(line.startswith("FullScan") for line in heard), what="a scan is asked for")
            assert "overflowed" in next(line for line in heard if line.startswith("FullScan"))

            def is_heard() -> bool:
                # watchdog renews its watches just now: one file may fall into the gap, not one after another
                (library / "in" / f"afterwards-{time.monotonic_ns()}.jpg").touch()
                return any("afterwards-" in line for line in heard)

            wait_until(is_heard, what="the watcher hears again after an overflow")
            process.kill()
            join(listener)

    def test_what_changes_while_the_watches_are_renewed_is_found_by_a_second_scan(
        self, library: Path, watch: Watch
    ) -> None:
        watched = watch(library)
        logging.getLogger("watchdog.observers.inotify_c").warning("Inotify queue overflowed")
        watched.waits_for(lambda: len(watched.scans) == 1)
        watched.observer.check_roots()
        watched.waits_for(lambda: watched.scans[1:] == ["its watches were renewed after events were lost"])
        watched.observer.check_roots()
        (library / "in" / "later.jpg").touch()
        watched.waits_for(lambda: "in/later.jpg" in watched.files)
        assert len(watched.scans) == 2, "once is enough"

    def test_what_is_lost_during_a_look_is_looked_at_by_the_next(
        self, library: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watched = watch(library)
        looks = watched.observer._trouble

        def looked(watcher: Any) -> str | None:
            trouble = looks(watcher)
            logging.getLogger("watchdog.observers.inotify_c").warning("Inotify queue overflowed")
            return trouble

        with monkeypatch.context() as patch:
            patch.setattr(watched.observer, "_trouble", looked)
            watched.observer.check_roots()
        watched.waits_for(lambda: len(watched.scans) == 1)
        watched.observer.check_roots()
        watched.waits_for(lambda: watched.scans[1:] == ["its watches were renewed after events were lost"])

    @pytest.mark.parametrize("level", [logging.WARNING, logging.ERROR])
    def test_what_watchdog_complains_of_asks_for_a_scan(self, library: Path, watch: Watch, level: int) -> None:
        watched = watch(library)
        logging.getLogger("watchdog.observers.inotify").log(level, "Inotify queue overflowed; events were lost")
        watched.waits_for(lambda: watched.scans == ["events were lost (Inotify queue overflowed; events were lost)"])

    def test_even_if_the_log_is_set_to_errors_only(self, library: Path, watch: Watch) -> None:
        logger = logging.getLogger("watchdog")
        level = logger.level
        logger.setLevel(logging.CRITICAL)
        try:
            watched = watch(library)
            logging.getLogger("watchdog.observers.inotify_c").warning("overflowed")
            watched.waits_for(lambda: bool(watched.scans))
            watched.observer.stop()
            assert logging.getLogger("watchdog.observers").level == logging.NOTSET
        finally:
            logger.setLevel(level)

    def test_more_than_can_be_remembered(self, library: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("keeprate.watching.observer._MAX_QUEUED", 3)
        watched = watch(library)
        for number in range(100):
            (library / f"{number}.jpg").touch()
        watched.waits_for(lambda: "more changed than could be remembered" in watched.scans)


class TestRoots:
    def test_a_root_that_appears_later(self, tmp_path: Path) -> None:
        watched = Watched(tmp_path / "later")
        watched.observer.start()
        try:
            assert watched.method() is WatchMethod.ABSENT
            watched.observer.check_roots()
            assert watched.changes == []
            make_files(tmp_path, "later/a.jpg")
            watched.observer.check_roots()
            assert watched.method() is WatchMethod.EVENTS
            watched.waits_for(lambda: watched.scans == ["its folder is there again"])
            make_files(tmp_path, "later/b.jpg")
            watched.waits_for(lambda: "b.jpg" in watched.files)
        finally:
            watched.observer.stop()

    def test_a_root_that_is_moved_away_and_another_put_in_its_place(self, library: Path, watch: Watch) -> None:
        watched = watch(library)
        library.rename(library.with_name("away"))
        watched.observer.check_roots()
        assert watched.method() is WatchMethod.ABSENT
        watched.waits_for(lambda: bool(watched.scans))
        make_files(library, "x.jpg")
        watched.observer.check_roots()
        watched.waits_for(lambda: len(watched.scans) == 2)
        make_files(library, "y.jpg")
        watched.waits_for(lambda: "y.jpg" in watched.files)

    def test_nothing_is_said_while_nothing_happens(self, library: Path, watch: Watch) -> None:
        watched = watch(library)
        for _ in range(3):
            watched.observer.check_roots()
        watched.settles()
        assert watched.scans == []

    @linux_only
    def test_a_root_that_is_unmounted_and_mounted_again(self, tmp_path: Path, watch: Watch) -> None:
        root = tmp_path / "disk"
        root.mkdir()
        with mounted_tmpfs(root):
            make_files(root, "2019/a.jpg")
            watched = watch(root)
            unmount(root)
            watched.observer.check_roots()
            watched.waits_for(lambda: len(watched.scans) == 1)
            mount_tmpfs(root)
            watched.observer.check_roots()
            watched.waits_for(lambda: len(watched.scans) == 2)
            make_files(root, "b.jpg")
            watched.waits_for(lambda: "b.jpg" in watched.files)

    @linux_only
    def test_a_remount_between_two_checks_is_noticed(self, tmp_path: Path, watch: Watch) -> None:
        """The device number may be the same again; the watches are gone all the same."""
        root = tmp_path / "disk"
        root.mkdir()
        with mounted_tmpfs(root):
            watched = watch(root)
            unmount(root)
            mount_tmpfs(root)
            watched.checks_until(lambda: bool(watched.scans))
            make_files(root, "b.jpg")
            watched.waits_for(lambda: "b.jpg" in watched.files)

    @linux_only
    def test_a_disk_that_is_replaced_loses_nothing_of_the_catalog(self, tmp_path: Path) -> None:
        """What `Reconciliation.gone` says of a root that is not there: nothing."""
        make_files(tmp_path, "library/a.jpg")
        root = tmp_path / "library"
        known = files_in(walk_library(root, exclude=Exclusions(), is_picture=is_picture))
        shutil.rmtree(root)
        outcome = reconcile(known, walk_library(root, exclude=Exclusions(), is_picture=is_picture))
        assert outcome.gone == {}
        assert [problem.path for problem in outcome.problems] == [str(root)]


class TestPolling:
    @pytest.mark.parametrize("file_system", ["nfs4", "cifs", "fuse.sshfs"])
    def test_file_systems_without_events(self, library: Path, watch: Watch, file_system: str) -> None:
        watched = watch(library, poll_every_s=0.05, find_mount=lambda path: Mount(str(library), file_system))
        assert watched.method() is WatchMethod.POLLING
        assert file_system in watched.observer.statuses()[0].sentence
        watched.checks_until(lambda: len(watched.scans) >= 3)
        assert watched.files == set()

    def test_not_more_often_than_asked(self, library: Path, watch: Watch) -> None:
        watched = watch(library, poll_every_s=1000, find_mount=lambda path: Mount(str(library), "nfs4"))
        for _ in range(5):
            watched.observer.check_roots()
        let_pass(0.3)
        assert watched.changes == []

    @linux_only
    @pytest.mark.parametrize("limit", [10, 41], ids=["far too few", "one too few"])
    def test_too_many_folders_for_the_watch_limit(self, tmp_path: Path, limit: int) -> None:
        make_files(tmp_path, *(f"{number:02d}/" for number in range(41)))
        code = (
            "import json, sys; from pathlib import Path; from keeprate.watching.observer import *\n"
            "from keeprate.watching.hints import WatchedRoot\n"
            "observer = LibraryObserver([WatchedRoot('camera', Path(sys.argv[1]))], print, is_wanted=bool)\n"
            "observer.start(); status = observer.statuses()[0]; observer.stop()\n"
            "print(json.dumps([status.method, status.sentence, status.advice]))"
        )
        answer = run_with_watch_limit(limit, code, str(tmp_path))
        assert isinstance(answer, list)
        method, sentence, advice = answer
        assert method == "polling"
        assert "42 folders" in sentence
        assert "sudo sysctl" in advice
        assert "fs.inotify.max_user_watches=524288" in advice

    @linux_only
    def test_another_program_may_have_used_up_the_watches(self, tmp_path: Path) -> None:
        make_files(
            tmp_path, *(f"a/{number:02d}/" for number in range(30)), *(f"b/{number:02d}/" for number in range(30))
        )
        code = (
            "import json, sys; from pathlib import Path; from keeprate.watching.observer import *\n"
            "from keeprate.watching.hints import WatchedRoot\n"
            "roots = [WatchedRoot(name, Path(sys.argv[1], name)) for name in 'ab']\n"
            "observer = LibraryObserver(roots, print, is_wanted=bool)\n"
            "observer.start(); print(json.dumps([status.method for status in observer.statuses()])); observer.stop()"
        )
        assert run_with_watch_limit(40, code, str(tmp_path)) == ["events", "polling"]

    @linux_only
    def test_watches_are_counted_again_now_and_then(
        self, library: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A folder that inotify cannot see (mounted over) is missed by events, and noticed by counting."""
        monkeypatch.setattr("keeprate.watching.observer._RECOUNT_S", 0.0)
        watched = watch(library)
        with mounted_tmpfs(library / "keep"):
            make_files(library, "keep/1/", "keep/2/")
            watched.observer.check_roots()
            watched.waits_for(lambda: watched.scans == ["some of its folders are not watched"])
            make_files(library, "keep/1/new.jpg")
            watched.waits_for(lambda: "keep/1/new.jpg" in watched.files)


class TestStopping:
    def test_leaves_no_thread(self, tmp_path: Path) -> None:
        make_files(tmp_path, *(f"{number // 100}/{number % 100}/" for number in range(3000)))
        before = set(threading.enumerate())
        watched = Watched(tmp_path)
        watched.observer.start()
        assert set(threading.enumerate()) - before
        watched.observer.stop()
        wait_until(lambda: not set(threading.enumerate()) - before, what="all its threads end")

    def test_nothing_is_told_afterwards(self, library: Path, watch: Watch) -> None:
        watched = watch(library)
        watched.settles()
        watched.observer.stop()
        told = list(watched.changes)
        make_files(library, "late.jpg")
        watched.observer.check_roots()
        let_pass(0.3)
        assert watched.changes == told

    def test_twice_or_without_a_start(self, library: Path) -> None:
        watched = Watched(library)
        watched.observer.stop()
        watched.observer.stop()
        assert watched.changes == []

    def test_a_second_start_is_refused(self, library: Path, watch: Watch) -> None:
        watched = watch(library)
        with pytest.raises(RuntimeError, match="started once"):
            watched.observer.start()

    def test_from_within_the_listener(self, library: Path) -> None:
        stopped = threading.Event()

        def listen(change: Change) -> None:
            observer.stop()
            stopped.set()

        observer = LibraryObserver([WatchedRoot("camera", library)], listen, is_wanted=is_picture)
        observer.start()
        make_files(library, "new.jpg")
        assert stopped.wait(PATIENCE_S)
