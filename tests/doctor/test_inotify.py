from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from keeprate.doctor.inotify import _instances, count_folders, used_by_others
from support.system import python_process, run_with_watch_limit
from support.trees import make_files
from support.waiting import PATIENCE_S, next_line

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")

WATCH = """
import sys
from watchdog.events import DirCreatedEvent
from watchdog.observers import Observer
observer = Observer()
from watchdog.events import FileSystemEventHandler
observer.schedule(FileSystemEventHandler(), sys.argv[1], recursive=True, event_filter=[DirCreatedEvent])
observer.start()
print("ready", flush=True)
sys.stdin.read()
"""
LOOK = """
import json, sys
from keeprate.doctor.examining import patient_of
from keeprate.doctor.inotify import look_at_inotify
from keeprate.paths import locate_home
found = look_at_inotify(patient_of(locate_home()))
print(json.dumps([[one.name, one.state, one.sentence, one.advice] for one in found]))
"""


def test_folders_are_counted_for_so_long(tmp_path: Path) -> None:
    make_files(tmp_path, "a/b/c.jpg", "a/.hidden/", "d/")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert count_folders([str(tmp_path), "/nowhere"], PATIENCE_S) == (5, True)
    assert count_folders([str(tmp_path)], -1) == (0, False)


def test_what_other_programs_watch_is_counted(tmp_path: Path) -> None:
    make_files(tmp_path, "a/", "b/")
    before = used_by_others()
    with python_process(WATCH, str(tmp_path)) as other:
        assert next_line(other.stdout) == "ready\n"
        now = used_by_others()
        assert now.instances > before.instances
        assert now.watches >= before.watches + 3
        assert used_by_others(except_for=[other.pid]).watches < now.watches


def test_too_many_folders(patient: object, root: Path) -> None:
    for number in range(40):
        (root / f"{number}").mkdir()
    answer = run_with_watch_limit(20, LOOK)
    assert isinstance(answer, list)
    (name, state, sentence, advice), *_ = answer
    assert (name, state) == ("inotify.watches", "error")
    assert sentence.startswith("43 folders to watch; the system allows 20, of which")
    file = "/etc/sysctl.d/60-keeprate-max-user-watches.conf"
    assert advice == f"echo fs.inotify.max_user_watches=524288 | sudo tee {file} && sudo sysctl -p {file}"
    assert run_with_watch_limit(100_000, LOOK)[0][1] == "ok"  # type: ignore[index]


def test_too_many_programs_that_watch() -> None:
    assert _instances(2, 10, 128).state == "ok"
    assert _instances(2, 120, 128).state == "warning"
    refused = _instances(2, 127, 128)
    assert refused.state == "error"
    assert "fs.inotify.max_user_instances=512" in refused.advice
    assert os.linesep not in refused.advice
