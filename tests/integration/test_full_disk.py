"""A disk that fills up: one clear message, and everything as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import answer, keeprate, run
from support.photos import write_photos

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
