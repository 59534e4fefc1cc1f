"""RAW, JPEG and edited copies from end to end: learned from once, shown once, marked alike, explained."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.commands import answer, keeprate
from support.photos import write_photos
from support.shots import write_edit, write_shot

pytestmark = pytest.mark.slow


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Twenty shots of JPEG and RAW, the even ones sharp; of the first six, the JPEG alone was moved into a bucket."""
    root = tmp_path / "Photos"
    for number in range(20):
        write_shot(root, f"IMG_{number:04d}", number, sharp=number % 2 == 0, taken_at=None)
    write_edit(root / "IMG_0008-edit.jpg", 8, taken_at=None)
    write_photos(root, range(100, 104))
    keeprate("init", root, "--viewer", "digikam")
    keeprate("scan")
    for number in range(6):
        bucket = "keep" if number % 2 == 0 else "delete"
        shutil.move(root / f"IMG_{number:04d}.JPG", root / bucket)
    return root


def test_one_photo_with_several_files(library: Path) -> None:
    outcome = answer("sync")
    assert outcome["train"][0]["labels"] == {"keep": 3, "delete": 3}  # each shot once
    listed = answer("list", "--all")
    assert len(listed) == 24
    by_path = {photo["path"]: photo for photo in listed}
    shot = by_path[str(library / "IMG_0008.JPG")]
    assert set(shot["other_files"]) == {str(library / "IMG_0008.NEF"), str(library / "IMG_0008-edit.jpg")}
    kept = by_path[str(library / "keep" / "IMG_0000.JPG")]
    assert (kept["label"], kept["other_files"]) == ("keep", [str(library / "IMG_0000.NEF")])
    assert not any(path.endswith(".NEF") for path in by_path)
    assert len(answer("list")) == 18
    assert len(answer("labels", "list")) == 6

    (head,) = answer("status")["heads"]
    (camera,) = answer("status")["libraries"]
    assert (head["images"], camera["files"], camera["photos"], camera["reviewed"]) == (6, 45, 24, 6)

    why = answer("why", library / "IMG_0000.NEF")
    assert (why["label"], why["said_of"]) == ("keep", str(library / "keep" / "IMG_0000.JPG"))
    assert why["companions"] == [str(library / "keep" / "IMG_0000.JPG")]
    assert why["score"] == kept["score"]
    assert why["rank"] == listed.index(kept) + 1
    assert all(not neighbour["path"].startswith(str(library / "IMG_0000")) for neighbour in why["nearest"])


def test_the_raw_sorted_elsewhere_changes_nothing_and_the_jpeg_moved_back_counts(library: Path) -> None:
    keeprate("sync")
    shutil.move(library / "IMG_0000.NEF", library / "delete")  # kept as a JPEG only
    keeprate("scan")
    assert answer("why", library / "delete" / "IMG_0000.NEF")["label"] == "keep"
    shutil.move(library / "keep" / "IMG_0000.JPG", library)
    keeprate("scan")
    assert answer("why", library / "IMG_0000.JPG")["label"] == "delete"
