"""The api of a real daemon: labels given there are learned from, and files stay where they are."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from keeprate.api import client as client_module
from keeprate.api.client import DaemonClient
from keeprate.errors import DaemonNotRunningError
from keeprate.paths import locate_home
from keeprate.steps.upkeep.thumbnails import thumbnail
from support.commands import answer, connected, daemon, keeprate, set_quick
from support.photos import write_photos
from support.waiting import PATIENCE_S, halt, wait_until

pytestmark = pytest.mark.slow


def post_labels(client: DaemonClient, wanted: dict[str, str]) -> dict[str, object]:
    labels = [{"content_key": key, "head": "keep", "bucket": bucket} for key, bucket in wanted.items()]
    given: dict[str, object] = client._call("POST", "/labels", {"labels": labels})
    return given


def test_a_day_with_the_api(home: Path, tmp_path: Path) -> None:
    root = tmp_path / "camera"
    sharp = write_photos(root / "new", range(8))
    blurred = write_photos(root / "old", range(20, 28), sharp=False)
    before = {path: path.read_bytes() for path in sharp + blurred}
    keeprate("init", root)
    set_quick(home)
    with daemon(tmp_path / "log") as process:
        client = connected()
        heard = client.events(after=0)
        wait_until(lambda: client.status().model.cached == 16)
        wait_until(lambda: client._call("GET", "/photos?top=1")["total"] == 16, what="they are scored")
        page = client._call("GET", "/photos?top=1000")
        key_of = {Path(photo["path"]): photo["content_key"] for photo in page["photos"]}
        assert set(key_of) == set(before)
        given = post_labels(
            client, {key_of[path]: "keep" for path in sharp[:5]} | {key_of[path]: "delete" for path in blurred[:5]}
        )
        assert given["changed"] == 10
        wait_until(lambda: client.status().heads[0].version is not None)
        wait_until(lambda: client.live().state == "idle")
        status = client.status()
        assert status.heads[0].labels == {"keep": 5, "delete": 5}
        assert {path: path.read_bytes() for path in before} == before
        assert answer("status")["heads"] == client._call("GET", "/heads")
        assert client._call("GET", "/photos") == {
            "total": 6, "offset": 0, "photos": answer("list"),
        }  # fmt: skip

        client.run_job("thumbnails")
        wait_until(lambda: thumbnail(locate_home(), key_of[sharp[0]]) is not None)

        client.pause(until=time.time() + 3600)
        wait_until(lambda: client.live().state == "paused")
        client.resume()
        wait_until(lambda: client.live().state == "idle")

        names = []
        while "head.promoted" not in names:
            names.append(next(heard).name)
        assert {"daemon.started", "photos.embedded", "labels.changed"} <= set(names)

        resident = psutil.Process(process.pid).memory_info().rss
        assert resident < 130e6, "the figure itself is measured by bench/idle.py"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, "somebody follows the events, and is not waited for"
        with pytest.raises(DaemonNotRunningError):
            for _ in heard:
                pass
        with pytest.raises(DaemonNotRunningError):
            client.live()
    assert not locate_home().socket_file.exists()
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_daemon_that_was_killed_is_followed_by_another(home: Path, tmp_path: Path) -> None:
    keeprate("init", tmp_path)
    set_quick(home)
    with daemon(tmp_path / "log") as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert locate_home().socket_file.exists()
    assert DaemonClient.connect(locate_home()) is None
    with daemon(tmp_path / "log"):
        connected().close()


def test_a_daemon_that_hangs_is_taken_for_none(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeprate("init", tmp_path)
    with daemon(tmp_path / "log") as process:
        halt(process.pid)
        monkeypatch.setattr(client_module, "CONNECT_TIMEOUT_S", 1.0)
        began = time.monotonic()
        assert DaemonClient.connect(locate_home()) is None
        assert time.monotonic() - began >= 1, "it may be slow only"
