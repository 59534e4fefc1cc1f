"""`kill -9` at random moments of embedding, training and writing: nothing is lost, nothing is half written."""

from __future__ import annotations

import contextlib
import io
import os
import random
import sqlite3
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from keeprate.pictures.content_key import content_key
from keeprate.safe_files import TEMPORARY_PREFIX
from support.commands import COMMAND, answer, keeprate
from support.photos import write_photos

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

KILLS = int(os.environ.get("KEEPRATE_KILLS", "50"))
CONFIG = """
[library.marks.xmp]
mode = "embed"
stars = true
keywords = true
minimum_age_s = 0
"""


def kill_at_random(chance: random.Random, whole_s: float) -> float | None:
    """Start a sync and kill it, or its worker first, at a random moment; how many seconds it took if it was faster."""
    began = time.monotonic()
    process = subprocess.Popen([*COMMAND, "sync", "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = began + chance.uniform(0.1, whole_s)
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    if process.poll() is not None:
        return time.monotonic() - began
    if chance.random() < 0.5:
        for child in psutil.Process(process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    process.kill()
    process.wait()
    return None


def check_unharmed(root: Path, keys: dict[str, str], catalog: Path) -> None:
    """Every photo decodes and holds the picture that it always held; the catalog is sound."""
    found = {}
    for path in root.rglob("*.jpg"):
        Image.open(io.BytesIO(path.read_bytes())).load()
        found[path.name] = content_key(path)
    assert found == keys
    for sidecar in root.rglob("*.xmp"):
        assert sidecar.read_bytes().rstrip().endswith((b"?>", b"</x:xmpmeta>")), sidecar
    with sqlite3.connect(catalog) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    conn.close()


def test_killed_again_and_again(tmp_path: Path, home: Path) -> None:
    chance = random.Random(20261121)
    root = tmp_path / "Photos"
    photos = write_photos(root / "keep", range(0, 16, 2)) + write_photos(root / "delete", range(1, 16, 2), sharp=False)
    keeprate("init", root)
    config = home / "keeprate" / "config.toml"
    config.write_text(config.read_text() + CONFIG)
    catalog = home / "keeprate" / "catalog.db"
    keys = {path.name: content_key(path) for path in photos}
    began = time.monotonic()
    keeprate("sync", "--quiet")
    whole_s = time.monotonic() - began  # how long one takes here and now
    killed = 0
    for number in range(KILLS):
        fresh = write_photos(root / "inbox", range(100 + number, 101 + number), sharp=number % 2 == 0)[0]
        keys[fresh.name] = content_key(fresh)
        if number % 3 == 0:  # a new label, so that there is something to train and every score changes
            moved = root / ("keep" if number % 2 == 0 else "delete") / fresh.name
            fresh.rename(moved)
        took = kill_at_random(chance, whole_s)
        killed += took is None
        whole_s = whole_s * 1.05 if took is None else took  # the machine may be busier now, or less busy
        check_unharmed(root, keys, catalog)
    assert killed > KILLS // 2, "the kills came too late to mean anything"

    keeprate("sync", "--quiet")
    status = answer("status")
    assert status["work"]["to_embed"] == 0
    assert status["work"]["to_score"] == 0
    assert status["libraries"][0]["photos"] == len(keys)
    assert status["problems"] == {"count": 0, "list": []}
    assert list(root.rglob(TEMPORARY_PREFIX + "*")) == []
    check_unharmed(root, keys, catalog)
    assert answer("undo", "--all")["failed"] == 0
    check_unharmed(root, keys, catalog)
