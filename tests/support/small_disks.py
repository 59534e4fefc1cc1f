"""File systems of a few megabytes, to fill up."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(place: Path, megabytes: int = 2) -> Iterator[Path]:
    """A file system of its own at `place`, for the length of the block; skips the test where there can be none."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root to mount a small tmpfs")
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.decode()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill(place: Path) -> Path:
    """Leave no room at all; returns the file that takes it."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as sink:
        for size in (65536, 4096, 512):
            with contextlib.suppress(OSError):
                while True:
                    sink.write(b"x" * size)
    return filler
