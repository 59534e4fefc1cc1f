"""Where the log goes, and `keeprate logs`, which finds it again."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from keeprate.cli import log_output
from keeprate.cli.log_lines import LogFormat, read_line
from keeprate.cli.log_output import is_journal, note_file, set_up_log
from keeprate.cli.logs import journal_line
from keeprate.config.edit import add_library
from keeprate.errors import KeeprateError
from keeprate.paths import locate_home
from keeprate.service.events import Events
from keeprate.steps.lock import hold_lock
from support.commands import COMMAND, interruptible, keeprate, run
from support.waiting import PATIENCE_S, wait_until


@pytest.fixture
def _root_logger() -> Iterator[None]:
    """What these tests change of Python's logging is put back."""
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = raising


pytestmark = pytest.mark.usefixtures("_root_logger")


def test_nobody_else_reads_what_the_daemon_writes_beside_other_things(tmp_path: Path) -> None:
    """A folder that `KEEPRATE_HOME` names keeps its permissions: others may enter it."""
    before = os.umask(0o022)
    try:
        home = locate_home()
        file = set_up_log(form=LogFormat.text, verbose=False, file=home.log_file, usual_file=home.log_file)
        logging.getLogger("keeprate").warning("IMG_1.jpg")
        note_file(home, file)
        add_library(home.config_file, {"name": "camera", "root": str(tmp_path / "camera")})
        written = [home.log_file, home.state_dir / log_output.NOTE, home.config_file]
        assert [path.stat().st_mode & 0o777 for path in written] == [0o600] * 3
        home.config_file.chmod(0o640)
        add_library(home.config_file, {"name": "other", "root": str(tmp_path / "other")})
        assert home.config_file.stat().st_mode & 0o777 == 0o640, "what its user makes of it stays"
    finally:
        os.umask(before)


def logged(
    tmp_path: Path, form: LogFormat, *, file: Path | None = None, journal: bool = False
) -> tuple[str, Path | None]:
    """What the stream got of one event, and the file that was chosen."""
    with (tmp_path / "stream").open("w+") as stream:
        if journal:
            found = os.fstat(stream.fileno())
            os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
        try:
            chosen = set_up_log(form=form, verbose=False, file=file, usual_file=tmp_path / "usual.log", stream=stream)
            Events().tell("disk.full", "The disk\nis full.", level=logging.ERROR, job="embed")
            logging.getLogger("keeprate").debug("not asked for")
        finally:
            os.environ.pop("JOURNAL_STREAM", None)
        stream.seek(0)
        return stream.read(), chosen


def test_the_journal_gets_the_level_and_no_time(tmp_path: Path) -> None:
    text, file = logged(tmp_path, LogFormat.text, journal=True)
    assert text == "<3>The disk is full.  [disk.full job=embed]\n"
    assert file is None, "the journal keeps it"
    text, _ = logged(tmp_path, LogFormat.json, journal=True)
    assert text.startswith("<3>{")
    assert json.loads(text[3:])["data"] == {"job": "embed"}


def test_where_nobody_keeps_it_there_is_a_file(tmp_path: Path) -> None:
    text, file = logged(tmp_path, LogFormat.text)
    assert file == tmp_path / "usual.log"
    assert file.read_text() == text
    line = read_line(text.rstrip("\n"))
    assert line is not None
    assert (line.level, line.event, line.data) == ("error", "disk.full", {"job": "embed"})
    assert line.at == pytest.approx(time.time(), abs=60)


def test_the_file_that_was_asked_for(tmp_path: Path) -> None:
    _, file = logged(tmp_path, LogFormat.json, file=tmp_path / "deep" / "mine.log", journal=True)
    assert file is not None
    assert json.loads(file.read_text())["event"] == "disk.full"
    (tmp_path / "a file").touch()
    with pytest.raises(KeeprateError, match="log file cannot be written"):
        logged(tmp_path, LogFormat.text, file=tmp_path / "a file" / "x.log")


def test_a_full_disk_costs_lines_and_nothing_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    stream = open("/dev/full", "w")  # noqa: SIM115 (closing it fails)
    set_up_log(form=LogFormat.text, verbose=False, file=None, usual_file=tmp_path / "usual.log", stream=stream)
    Events().tell("daemon.started", "still here", pid=1)
    assert "still here" in (tmp_path / "usual.log").read_text()
    with pytest.raises(OSError, match="No space"):
        stream.close()
    assert "Traceback" not in capfd.readouterr().err


def test_what_is_no_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_journal(io.StringIO())
    monkeypatch.setenv("JOURNAL_STREAM", "nonsense")
    assert not is_journal(sys.__stdout__ or io.StringIO())


def test_the_file_is_turned_over_and_read_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = locate_home()
    monkeypatch.setattr(log_output, "FILE_BYTES", 2000)
    with (tmp_path / "stream").open("w") as stream:
        set_up_log(form=LogFormat.text, verbose=False, file=None, usual_file=home.log_file, stream=stream)
        events = Events()
        for number in range(60):
            events.tell("photos.embedded", f"number {number}", count=number)
    assert (home.log_file.with_name("keeprate.log.1")).is_file()
    told = [json.loads(line)["data"]["count"] for line in keeprate("logs", "-n", "40", "--json").splitlines()]
    assert told == list(range(20, 60)), "over more than one file"
    assert keeprate("service", "logs", "-n", "2", "--json") == keeprate("logs", "-n", "2", "--json")
    assert [line.split("number ")[1].split()[0] for line in keeprate("logs", "-n", "2").splitlines()] == ["58", "59"]
    assert len(keeprate("logs", "--since", "1h").splitlines()) > 40
    assert keeprate("logs", "--since", "2100-01-01") == ""


def test_tracebacks_stay_with_their_line(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as stream:
        set_up_log(form=LogFormat.text, verbose=False, file=None, usual_file=locate_home().log_file, stream=stream)
        try:
            int("odd")
        except ValueError:
            logging.getLogger("keeprate").exception("unexpected")
        Events().tell("daemon.stopping", "keeprate stops.")
    first, second = (json.loads(line) for line in keeprate("logs", "--json").splitlines())
    assert (first["sentence"], second["event"]) == ("unexpected", "daemon.stopping")
    assert first["traceback"][-1].startswith("ValueError: ")
    assert len(keeprate("logs", "-n", "1").splitlines()) == 1


def has_lines(path: Path, count: int) -> bool:
    return len(path.read_text().splitlines()) == count


def test_following_goes_on_over_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_output, "FILE_BYTES", 400)
    heard = tmp_path / "heard"
    with (tmp_path / "stream").open("w") as stream, heard.open("w") as sink:
        with interruptible():
            following = subprocess.Popen([*COMMAND, "logs", "-f", "--json"], stdout=sink)
        try:
            set_up_log(form=LogFormat.text, verbose=False, file=None, usual_file=locate_home().log_file, stream=stream)
            events = Events()
            for number in range(8):
                events.tell("photos.embedded", "more", count=number)
                wait_until(partial(has_lines, heard, number + 1))
        finally:
            following.send_signal(signal.SIGINT)
            assert following.wait(PATIENCE_S) == 0
    assert [json.loads(line)["data"]["count"] for line in heard.read_text().splitlines()] == list(range(8))
    assert locate_home().log_file.with_name("keeprate.log.1").exists()


def test_where_nothing_was_kept() -> None:
    done = run("logs")
    assert (done.code, done.out) == (1, "")
    assert "Nothing has been kept" in done.err
    with hold_lock(locate_home().daemon_lock_file):
        assert "writes to the terminal" in run("logs").err


def test_the_log_is_that_of_the_daemon_that_runs(tmp_path: Path) -> None:
    home = locate_home()
    home.log_file.parent.mkdir(parents=True, exist_ok=True)
    home.log_file.write_text("2026-11-20T10:00:00+00:00 info of another daemon\n")
    mine = tmp_path / os.fsdecode(b"m\xefne.log")
    mine.write_text("2026-11-21T10:00:00+00:00 info of this one\n")
    assert "of another daemon" in keeprate("logs")
    note_file(home, mine)
    assert [line["sentence"] for line in map(json.loads, keeprate("logs", "--json").splitlines())] == ["of this one"]
    note_file(home, None)
    assert "of another daemon" in keeprate("logs"), "no daemon runs: the last that kept a log"
    with hold_lock(home.daemon_lock_file):
        done = run("logs")
    assert (done.code, done.out) == (1, "")
    assert "writes to the terminal" in done.err


def test_a_daemon_notes_its_log_and_why_it_cannot_begin(tmp_path: Path) -> None:
    home = locate_home()
    home.config_file.parent.mkdir(parents=True, exist_ok=True)
    home.config_file.write_text("[watchin]\n")
    with (tmp_path / "stream").open("w+") as stream:
        found = os.fstat(stream.fileno())
        journal = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        command = [*COMMAND, "run", "--log-file", str(tmp_path / "mine.log")]
        assert subprocess.run(command, stderr=stream, env=journal, check=False).returncode == 2
        stream.seek(0)
        (line,) = stream.read().splitlines()
    assert line.startswith("<3>"), "an error, in one line"
    assert "watchin" in line
    assert line.endswith(" [daemon.failed reason=config]")
    (told,) = keeprate("logs", "--json").splitlines()
    assert (json.loads(told)["event"], json.loads(told)["level"]) == ("daemon.failed", "error")
    assert not home.log_file.exists()


def test_a_second_daemon_writes_nothing() -> None:
    home = locate_home()
    with hold_lock(home.daemon_lock_file):
        done = run("run")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"keeprate: A daemon is at work here already (process {os.getpid()}).")
    assert "Wait" not in done.err, "a daemon is never done"
    assert [one.name for one in home.state_dir.iterdir()] == ["daemon.lock"]


def test_entries_of_the_journal_are_understood() -> None:
    at = {"__REALTIME_TIMESTAMP": "1795269437214000"}
    ours = journal_line(json.dumps({"MESSAGE": "1 marks.  [marks.written count=1]", "PRIORITY": "6", **at}).encode())
    assert ours is not None
    assert (ours.at, ours.event, ours.data) == (1795269437.214, "marks.written", {"count": 1})
    theirs = journal_line(json.dumps({"MESSAGE": "Started keeprate.service.", "PRIORITY": "5", **at}).encode())
    assert theirs is not None
    assert (theirs.level, theirs.event) == ("info", None)
    odd = journal_line(json.dumps({"MESSAGE": [111, 255, 100], "PRIORITY": "3", **at}).encode())
    assert odd is not None
    assert (odd.level, odd.sentence) == ("error", "o\ufffdd")
    assert journal_line(b'{"MESSAGE": null}') is None
    assert journal_line(b"no json") is None
