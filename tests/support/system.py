"""What only root, or only Linux, can do in a test; each skips with its reason where it cannot be done."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.waiting import COMMAND_S

NOBODY = 65534


@contextmanager
def folder_open_to_all() -> Iterator[Path]:
    """A temporary folder that others may enter; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory(prefix="keeprate-test-") as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder


@contextmanager
def mounted_tmpfs(point: Path, *, size: str = "4m") -> Iterator[None]:
    """An empty file system in memory at `point`, for as long as the block runs (or until it is unmounted)."""
    mount_tmpfs(point, size=size)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(point)], check=False, capture_output=True)


def mount_tmpfs(point: Path, *, size: str = "4m") -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(point)], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")


@contextmanager
def mounted_disk(image: Path, point: Path, *, megabytes: int = 32) -> Iterator[None]:
    """A small disk (ext4 in the file `image`) at `point`, for as long as the block runs; skips where that is not
    allowed. Desktop tools keep a trash on it, which they do on no file system in memory."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("needs root and mkfs.ext4 to make a disk")
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True, capture_output=True)
    done = subprocess.run(["mount", "-o", "loop", str(image), str(point)], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(point)], check=False, capture_output=True)


def unmount(point: Path) -> None:
    subprocess.run(["umount", str(point)], check=True, capture_output=True)


def run_as_nobody(code: str, *arguments: str) -> object:
    """Run Python code as a user without rights; returns what it prints as JSON."""
    if os.getuid() != 0:
        pytest.skip("needs root, to become a user without rights")
    return _run_python(["setpriv", f"--reuid={NOBODY}", "--clear-groups"], code, arguments)


def run_with_watch_limit(limit: int, code: str, *arguments: str) -> object:
    """Run Python code where only `limit` folders may be watched; returns what it prints as JSON.

    The limit is that of a user namespace of its own: the machine's is left alone.
    """
    script = f'echo {limit} > /proc/sys/user/max_inotify_watches && exec "$@"'
    prefix = ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh"]
    probe = subprocess.run([*prefix, "true"], check=False, capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip(f"needs user namespaces: {probe.stderr.strip()}")
    return _run_python(prefix, code, arguments)


@contextmanager
def python_process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Python code that runs beside the test, with pipes to talk to it; ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=_environment(),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _run_python(prefix: list[str], code: str, arguments: tuple[str, ...]) -> object:
    done = subprocess.run(
        [*prefix, sys.executable, "-c", code, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        env=_environment(),
    )
    assert done.returncode == 0, done.stderr
    answer: object = json.loads(done.stdout)
    return answer


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
