"""Commands beside a daemon: it makes way, they do their work, and it is told."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from keeprate.catalog import journal, open_catalog
from keeprate.cli import at_work
from keeprate.cli.pauses import taken_back_for_good
from keeprate.errors import BusyError
from keeprate.paths import locate_home
from keeprate.steps.lock import hold_lock
from keeprate.steps.tasks import UndoOutcome
from support.api import serving
from support.commands import answer, keeprate, run, started
from support.photos import write_photos
from support.waiting import PATIENCE_S, next_line, wait_until


@pytest.fixture
def library(tmp_path: Path) -> Path:
    root = tmp_path / "Photos"
    write_photos(root, range(3))
    keeprate("init", root)
    return root


def sort_some(library: Path) -> None:
    write_photos(library / "keep", range(10, 14))
    write_photos(library / "delete", range(20, 24), sharp=False)


def paused() -> dict[str, float | None]:
    return {one["name"]: one["paused_until"] for one in answer("jobs", "list") if one["state"] == "paused"}


PATIENTLY = "import keeprate.cli.at_work as at_work; at_work.PATIENCE_S = 77.0"
"""The machine may be busier than a person would wait for."""


class Clock:
    """Time that passes only while somebody sleeps."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 10.0)


@contextlib.contextmanager
def held(lock: Path) -> Iterator[Callable[[], None]]:
    """The lock is held, until what is given is called."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(hold_lock(lock))
        yield stack.close


@contextlib.contextmanager
def another_command() -> Iterator[int]:
    """A process that holds the work lock; its pid."""
    code = (
        "import sys\nfrom keeprate.paths import locate_home\nfrom keeprate.steps.lock import hold_lock\n"
        "with hold_lock(locate_home().lock_file):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert next_line(process.stdout) == b"held\n"
            yield process.pid
        finally:
            process.kill()


def test_a_daemon_at_work_makes_way(library: Path) -> None:
    home = locate_home()
    with serving() as there, held(home.lock_file) as let_go, started("scan") as waiting:
        wait_until(lambda: bool(there.control.asked))
        assert waiting.poll() is None, "the daemon is at the end of a batch only soon"
        let_go()
        out, err = waiting.communicate(timeout=PATIENCE_S)
        asked = list(there.control.asked)
    assert waiting.returncode == 0
    assert out.startswith("Photos: 3 files, 3 new")
    assert err.splitlines()[0] == "The daemon is at work and makes way; it goes on afterwards."
    assert asked[0] == ("make_way", f"keeprate scan (process {waiting.pid})")
    assert asked[-1] == ("catalog_changed",)


def test_quiet_and_json_say_nothing_of_it(library: Path) -> None:
    home = locate_home()
    for flag in ("--quiet", "--json"):
        with serving() as there, held(home.lock_file) as let_go, started("scan", flag) as waiting:
            wait_until(partial(bool, there.control.asked))
            let_go()
            assert waiting.communicate(timeout=PATIENCE_S)[1] == ""
            assert waiting.returncode == 0


def test_a_daemon_that_rests_is_only_told(library: Path) -> None:
    with serving() as there:
        done = run("scan")
        assert there.control.asked == [("catalog_changed",)]
    assert done.code == 0
    assert "daemon" not in done.err


def test_what_fails_is_told_too(library: Path) -> None:
    with serving() as there:
        assert run("scan", "--library", "none").code == 2
        assert there.control.asked == [("catalog_changed",)]


def test_another_command_is_waited_for_a_while(library: Path) -> None:
    with contextlib.ExitStack() as stack:
        there = stack.enter_context(serving())
        with another_command() as pid:
            waiting = stack.enter_context(started("scan", before=PATIENTLY))
            told = next_line(waiting.stderr)
            assert there.control.asked == [], "it is not the daemon that stands in the way"
        out, err = waiting.communicate(timeout=PATIENCE_S)
    assert told == f"Another keeprate is at work here (process {pid}). Waiting for it, for up to 77 seconds.\n"
    assert waiting.returncode == 0, err
    assert out.startswith("Photos: 3 files, 3 new")


def test_another_command_is_not_waited_for_for_ever(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(at_work, "time", clock)
    with (
        another_command() as pid,
        pytest.raises(BusyError, match=str(pid)),
        at_work.work_lock(locate_home(), quiet=True),
    ):
        pytest.fail("the lock is held")
    assert clock.now > at_work.PATIENCE_S, "a minute: one from cron comes when it comes"


def test_a_daemon_that_says_nothing_is_given_up(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = locate_home()
    monkeypatch.setattr(at_work, "UNANSWERED_S", 0.5)
    with (
        hold_lock(home.daemon_lock_file),
        hold_lock(home.lock_file),
        pytest.raises(BusyError, match=str(os.getpid())),
        at_work.work_lock(home, quiet=False),
    ):
        pytest.fail("the lock is held")


def test_a_daemon_that_does_not_let_go_is_given_up(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, clock = locate_home(), Clock()
    monkeypatch.setattr(at_work, "time", clock)
    with serving() as there, hold_lock(home.lock_file):
        with pytest.raises(BusyError), at_work.work_lock(home, quiet=True):
            pytest.fail("the lock is held")
        assert len(there.control.asked) > 1, "asked again: it may have taken the lock once more"
    assert clock.now > at_work.PATIENCE_S


def test_undo_keeps_the_daemon_from_writing_anew(library: Path) -> None:
    sort_some(library)
    keeprate("sync")
    write_photos(library, range(30, 32))
    assert "\n1 mark written.\n" in keeprate("sync")
    assert answer("status")["marks"]["standing"] > 0
    with serving() as there:
        planned = keeprate("undo", "--all", "--dry-run")
        assert ("pause", "write", None) not in there.control.asked
        done = keeprate("undo", "--all")
        assert ("pause", "write", None) in there.control.asked
    assert planned.endswith("Our marks at 1 place would be taken back.\n"), "one view folder, written twice"
    assert done.startswith("1 place restored to the byte")
    assert "A daemon writes no marks until `keeprate resume write`" in done
    assert answer("status")["marks"]["standing"] == 0


def test_undo_without_a_daemon_is_found_by_the_next(library: Path) -> None:
    sort_some(library)
    keeprate("sync")
    keeprate("undo")
    assert paused() == {"write": None}
    again = keeprate("write")
    assert "A daemon goes on to write no marks by itself, until `keeprate resume write`." in again
    assert answer("status")["marks"]["standing"] > 0, "asked for by hand they are written"
    with hold_lock(locate_home().daemon_lock_file):
        told = keeprate("undo")
    assert f"The daemon (process {os.getpid()}) runs and cannot be reached" in told, "it may write until it finds out"
    assert "The job write is not paused any more." in keeprate("resume", "write")
    assert "goes on to write no marks" not in keeprate("write")
    keeprate("undo")
    keeprate("pause", "--for", "1h")
    assert "Write stays paused: `keeprate resume write`." in keeprate("resume")
    keeprate("resume", "write")
    assert "resume write" not in keeprate("undo"), "nothing was taken back, so nothing is paused"
    assert paused() == {}


def test_an_undo_that_takes_nothing_back_leaves_the_users_own_pause(library: Path) -> None:
    keeprate("pause", "write", "--for", "1h")
    before = paused()
    assert before["write"] is not None
    keeprate("undo", "--all")
    assert paused() == before
    unknown = run("undo", "--run", "999")
    assert (unknown.code, unknown.out) == (2, "")
    assert "There is no write run 999." in unknown.err
    assert paused() == before
    keeprate("pause", "write")
    keeprate("undo", "--all")
    assert paused() == {"write": None}


@pytest.mark.parametrize("taken_back", [False, True])
def test_an_undo_that_breaks_off_says_what_rests(
    library: Path, capsys: pytest.CaptureFixture[str], taken_back: bool
) -> None:
    sort_some(library)
    keeprate("sync")
    keeprate("pause", "write", "--for", "1h")
    before = paused()

    def take_back() -> UndoOutcome:
        if taken_back:
            with open_catalog(locate_home().catalog_file) as catalog:
                journal.settle(catalog, {journal.standing(catalog)[0].id: "undone"})
        raise KeyboardInterrupt

    with at_work.at_work(quiet=True) as session, pytest.raises(KeyboardInterrupt):
        taken_back_for_good(session, take_back)
    assert ("Some marks were taken back." in capsys.readouterr().err) == taken_back
    assert paused() == ({"write": None} if taken_back else before)


def test_a_changed_model_or_config_is_told(library: Path, tmp_path: Path) -> None:
    (tmp_path / "More").mkdir()
    with serving() as there:
        assert "The running daemon does the rest." in keeprate("model", "activate", "builtin")
        assert there.control.asked == [("catalog_changed",)]
        assert "The running daemon watches it from now on." in keeprate("init", tmp_path / "More")
        assert there.control.asked[-1] == ("reload",)
        keeprate("config", "reload")
        assert there.control.asked[1:] == [("reload",), ("reload",)]
        assert "`keeprate config reload`" in keeprate("config", "check")
    assert "`keeprate sync` does the rest." in keeprate("model", "activate", "builtin")
    assert run("config", "reload").code == 3
    assert "config reload" not in keeprate("config", "check"), "nobody is there to read it"
