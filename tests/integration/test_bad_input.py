"""Every broken, odd and rich file that we have in one library: the run completes and changes nothing."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import stat
from pathlib import Path

import pytest

from keeprate.pictures.formats import is_picture
from support.commands import answer, keeprate

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ODD_NAMES = (b"latin-\xe9\xff.jpg", b"new\nline.jpg", b"quote'\".jpg", b"-rf.jpg", b"n" * 244 + b".jpg")


def copy_all(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True)
    for folder, _, _ in os.walk(target):
        Path(folder).chmod(0o755)


def digests(folder: Path) -> dict[bytes, tuple[str, int]]:
    """path → (SHA-256, mtime) of every regular file; paths as bytes, since not all are text."""
    found = {}
    for where, _, names in os.walk(os.fsencode(folder)):
        for name in names:
            path = os.path.join(where, name)
            if not stat.S_ISREG(os.lstat(path).st_mode):
                continue
            with open(path, "rb") as file:
                found[path] = (hashlib.sha256(file.read()).hexdigest(), os.stat(path).st_mtime_ns)
    return found


def counts(name: str) -> bool:
    """Whether a file of this name is looked at: hidden ones never are."""
    return is_picture(name) and not name.startswith(".")


def test_a_library_of_every_bad_and_odd_file(shared_photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "Photos"
    root.mkdir()
    for name in ("bad", "good_odd", "metadata"):
        copy_all(shared_photos / name, root / name)
    picture = next((shared_photos / "hotdog").rglob("*.jpg")).read_bytes()
    for number, odd in enumerate(ODD_NAMES):  # the same picture, each with a trailer of its own
        (root / os.fsdecode(odd)).write_bytes(picture + bytes([number]))
    (root / "empty.jpg").write_bytes(b"")
    (root / "folder.jpg").mkdir()
    os.symlink("loop.jpg", root / "loop.jpg")
    os.mkfifo(root / "pipe.jpg")
    before = digests(root)
    pictures = sum(counts(os.path.basename(os.fsdecode(path))) for path in before)

    keeprate("init", root, timeout_s=60)
    outcome = answer("sync", timeout_s=800)
    assert outcome["scan"]["libraries"][0]["files"] == pictures
    assert outcome["embed"]["embedded"] > 350
    status = answer("status")
    assert status["work"]["to_embed"] == 0, "what failed is not tried again and again"
    assert status["problems"]["count"] > 100
    assert all(
        problem["reason"].strip() and "Traceback" not in problem["reason"] for problem in status["problems"]["list"]
    )
    assert digests(root) == before, "reading changes no file"

    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # of all processes that have ended
    assert peak_mb < 1500, "memory stays bounded"

    again = answer("sync", timeout_s=200)
    assert (again["embed"]["embedded"], again["embed"]["failed"]) == (0, 0)


def test_a_broken_file_is_tried_again_when_it_changes(tmp_path: Path, shared_photos: Path) -> None:
    root = tmp_path / "Photos"
    root.mkdir()
    good = next((shared_photos / "hotdog").rglob("*.jpg")).read_bytes()
    (root / "IMG.jpg").write_bytes(good[: len(good) // 2])
    keeprate("init", root)
    assert answer("sync")["embed"]["failed"] == 1
    (problem,) = answer("status")["problems"]["list"]
    assert problem["path"] == str(root / "IMG.jpg")
    assert answer("sync")["embed"]["failed"] == 0
    (root / "IMG.jpg").write_bytes(good)
    assert answer("sync")["embed"]["embedded"] == 1
    assert answer("status")["problems"]["count"] == 0
