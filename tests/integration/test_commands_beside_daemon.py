"""Every command that works says the same and ends the same with a daemon beside it as without one."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
from pathlib import Path

import pytest

from keeprate.paths import locate_home
from keeprate.steps.lock import hold_lock
from support.api import serving
from support.commands import answer, connected, daemon, interruptible, keeprate, run, set_quick, set_slow, started
from support.photos import write_photos
from support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.slow

WORK = [
    ["sync"], ["scan"], ["scan", "--json"], ["embed"], ["embed", "--retry"], ["train"], ["train", "--force"], ["score"],
    ["write", "--dry-run"], ["write"], ["labels", "import", "LIBRARY/said.csv"], ["labels", "import", "LIBRARY/no.csv"],
    ["labels", "accept", "--all"], ["labels", "ignore", "--all"], ["labels", "forget", "LIBRARY/inbox/IMG_0015.jpg"],
    ["labels", "forget", "--yes", "LIBRARY/inbox/IMG_0015.jpg"], ["heads", "rollback", "--head", "keep"],
    ["model", "add", "again", "--path", "LIBRARY"], ["model", "remove", "again"], ["model", "activate", "builtin"],
    ["evaluate", "--head", "keep"],
    ["classify", "--head", "keep", "--src", "LIBRARY/inbox", "--dest", "LIBRARY/../out"],
    ["export", "--dest", "LIBRARY/../exported"], ["status", "--head", "keep"], ["list"], ["heads", "list"],
    ["labels", "list"], ["undo", "--dry-run"], ["undo"], ["undo", "--all"], ["write"], ["scan", "--library", "none"],
    ["clean", "--head", "keep", "--yes"], ["import", "checkpoint", "LIBRARY/../exported/keep.pt"], ["train", "--quiet"],
    ["sync", "--quiet"],
]  # fmt: skip
"""In an order in which each has something to do."""
ALIKE = (
    (re.compile(r"\d+\.\d+ ?s\b|\d+\.\d/s|\"seconds\": [\d.e-]+"), "SECONDS"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d\.?\d*(\+00:00)?)?"), "TIME"),
    (re.compile(r"The running daemon does the rest\.|`keeprate sync` does the rest\."), "REST"),
)


def prepare(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEEPRATE_HOME", str(place / "home"))
    (place / "home").mkdir(parents=True)
    library = place / "Photos"
    for number in range(24):
        folder = "inbox" if number >= 12 else "keep" if number % 2 == 0 else "delete"
        write_photos(library / folder, range(number, number + 1), sharp=number % 2 == 0)
    (library / "said.csv").write_text("image,label\ninbox/IMG_0014.jpg,keep\n")
    keeprate("init", library)
    config = place / "home" / "config.toml"
    config.write_text(config.read_text() + "\n[jobs]\nwhile_busy = true\n[embedding]\nthreads = 1\n")
    return library


def said(library: Path) -> list[tuple[str, int, str]]:
    """What each command printed and ended with, without what differs by place and time."""
    found = []
    for command in WORK:
        arguments = [part.replace("LIBRARY", str(library)) for part in command]
        done = run(*arguments)
        assert "Traceback" not in done.err, done.err
        out = done.out.replace(str(library.parent), "PLACE")
        for pattern, name in ALIKE:
            out = pattern.sub(name, out)
        found.append((" ".join(command), done.code, out))
    return found


@pytest.mark.timeout(600)
def test_commands_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = said(prepare(tmp_path / "a", monkeypatch))
    library = prepare(tmp_path / "b", monkeypatch)
    keeprate("pause")  # else the daemon would have done it all before; it is there, it watches, it may not work
    with daemon(tmp_path / "log"):
        beside = said(library)
    for one, other in zip(alone, beside, strict=True):
        assert other == one
    assert sum(code == 0 for _, code, _ in alone) >= len(WORK) - 6, [one for one in alone if one[1]]


def test_commands_are_served_while_it_embeds(tmp_path: Path, home: Path) -> None:
    library = tmp_path / "Photos"
    write_photos(library, range(12))
    keeprate("init", library)
    set_quick(home)
    set_slow(home)
    write_photos(library / "many", range(1000, 1300))
    (library / "said.csv").write_text("image,label\nIMG_0000.jpg,keep\nIMG_0001.jpg,delete\n")
    with daemon(tmp_path / "log"):
        wait_until(lambda: answer("status")["model"]["cached"] > 0, what="it is in the middle of embedding")
        done = run("labels", "import", library / "said.csv")
        assert done.code == 0, done.err
        assert "2 labels imported" in done.out
        assert "makes way" in done.err
        assert answer("status")["model"]["cached"] < 312, "it was not waited for until all was embedded"
        set_slow(home, slow=False)
        connected().reload()
        wait_until(lambda: answer("status")["model"]["cached"] == 312, 120, what="it has gone on by itself")
        told = [json.loads(line)["event"] for line in keeprate("logs", "-n", "1000", "--json").splitlines()]
        assert "work.made_way" in told


def test_marks_that_were_taken_back_stay_away(tmp_path: Path, home: Path) -> None:
    library = tmp_path / "Photos"
    write_photos(library / "keep", range(0, 12, 2))
    write_photos(library / "delete", range(1, 12, 2), sharp=False)
    write_photos(library / "inbox", range(12, 20))
    keeprate("init", library)
    set_quick(home)
    view = tmp_path / "Photos by score"
    with daemon(tmp_path / "log"):
        wait_until(view.exists, what="marks are written")
        wait_until(lambda: answer("status")["live"]["state"] == "idle")
        keeprate("undo", "--all")
        assert not view.exists()
        write_photos(library / "inbox", range(30, 34))
        wait_until(lambda: len(answer("list")) == 12, what="new photos are scored")
        shutil.move(library / "inbox" / "IMG_0012.jpg", library / "keep")
        wait_until(lambda: answer("status")["libraries"][0]["reviewed"] == 13)
        keeprate("pause", "--for", "1h")
        assert "Write stays paused" in keeprate("resume")
        write_photos(library / "inbox", range(40, 42))
        wait_until(lambda: len(answer("list")) == 13, what="it works on")
        assert not view.exists(), "the daemon does not write anew"
        keeprate("resume", "write")
        wait_until(view.exists, what="it goes on")


def test_interrupted_while_it_waits(tmp_path: Path) -> None:
    library = tmp_path / "Photos"
    write_photos(library, range(3))
    keeprate("init", library)
    with serving() as there, hold_lock(locate_home().lock_file), contextlib.ExitStack() as stack:
        with interruptible():
            begun = stack.enter_context(started("sync"))
        wait_until(lambda: bool(there.control.asked))
        begun.send_signal(signal.SIGINT)
        assert "Interrupted" in begun.communicate(timeout=PATIENCE_S)[1]
        assert begun.returncode == 130
