"""A disk that fills up: one clear message, and everything as it was."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeprate.api.client import DaemonClient
from keeprate.paths import locate_home
from keeprate.service.control import Live
from support.commands import COMMAND, answer, keeprate, run
from support.photos import write_photos
from support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with two megabytes."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root to mount a small tmpfs")
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.decode()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(place: Path) -> Path:
    """Leave no room at all."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as sink:
        for size in (65536, 4096, 512):
            try:
                while True:
                    sink.write(b"x" * size)
            except OSError:
                continue
    return filler


def test_marks_on_a_full_disk(small_disk: Path, home: Path) -> None:
    root = small_disk / "Photos"
    write_photos(root / "keep", range(0, 8, 2))
    write_photos(root / "delete", range(1, 8, 2), sharp=False)
    keeprate("init", root, "--view-folder", home / "view")
    config = home / "keeprate" / "config.toml"
    config.write_text(config.read_text() + '\n[library.marks.xmp]\nmode = "embed"\nstars = true\nminimum_age_s = 0\n')
    for step in ("scan", "embed", "train", "score"):
        keeprate(step, "--quiet")
    before = {path: path.read_bytes() for path in root.rglob("*.jpg")}
    filler = fill(small_disk)
    full = run("write")
    assert full.code == 1
    assert "disk is full" in full.err
    assert "Traceback" not in full.err
    assert {path: path.read_bytes() for path in root.rglob("*.jpg")} == before
    assert [path.name for path in root.rglob(".*")] == [], "no temporary file is left"

    filler.unlink()
    assert answer("write")["written"] >= len(before)
    assert answer("undo", "--all")["failed"] == 0
    assert {path: path.read_bytes() for path in root.rglob("*.jpg")} == before


def test_a_catalog_on_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    root = tmp_path / "Photos"
    write_photos(root, range(60))
    home = str(small_disk / "home")
    assert run("init", root, KEEPRATE_HOME=home).code == 0
    assert run("status", KEEPRATE_HOME=home).code == 0
    filler = fill(small_disk)
    full = run("sync", "--quiet", KEEPRATE_HOME=home)
    assert full.code == 1
    assert "full" in full.err
    assert "Traceback" not in full.err
    filler.unlink()
    assert run("sync", "--quiet", KEEPRATE_HOME=home).code == 0


def test_a_daemon_that_starts_on_a_full_disk_waits_for_room(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPRATE_HOME", str(small_disk / "home"))
    root = tmp_path / "Photos"
    write_photos(root, range(4))
    keeprate("init", root)
    keeprate("status")  # the catalog is there
    filler = fill(small_disk)
    log = tmp_path / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen([*COMMAND, "run"], stdout=sink, stderr=sink)
    try:
        live = live_of(process)
        assert live.state == "attention"
        assert "is full" in live.sentence
        assert live.attention == (live.sentence,)
        told = run("status")
        assert told.code == 1
        assert "is full" in told.err
        refused = run("retrain")
        assert refused.code == 1
        assert "is full" in refused.err

        filler.unlink()
        wait_until(lambda: has_found(4) or process.poll() is not None, 60, what="it goes on by itself")
        assert process.poll() is None
        assert "disk.full" in log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_the_service_that_waits_for_room_is_up_and_ends_when_told(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPRATE_HOME", str(small_disk / "home"))
    write_photos(tmp_path / "Photos", range(1))
    keeprate("init", tmp_path / "Photos")
    keeprate("status")
    fill(small_disk)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, (tmp_path / "log").open("wb") as sink:
        manager.bind(bytes(tmp_path / "notify"))
        manager.settimeout(60)
        told = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000000"}
        process = subprocess.Popen([*COMMAND, "run"], stdout=sink, stderr=sink, env=told)
        try:
            assert manager.recv(4096) == b"READY=1"
            assert b"is full" in manager.recv(4096)
            assert manager.recv(4096) == b"WATCHDOG_USEC=3600000000", (
                "to open what is of an older version may take long"
            )
            assert manager.recv(4096) == b"WATCHDOG=1", "it waits, and is well"
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def live_of(process: subprocess.Popen[bytes]) -> Live:
    """What the daemon says as soon as it answers."""
    found: list[Live] = []

    def answers() -> bool:
        client = DaemonClient.connect(locate_home())
        if client is not None:
            with client:
                found.append(client.live())
        return bool(found) or process.poll() is not None

    wait_until(answers, 60, what="the daemon answers")
    assert found, "it ended"
    return found[0]


def has_found(photos: int) -> bool:
    done = run("status", "--json")
    return done.code == 0 and json.loads(done.out)["libraries"][0]["photos"] == photos
