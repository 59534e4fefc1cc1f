"""Copies that `classify` sorted, seen by another home whose library holds them: a head's guess is nobody's decision."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from keeprate.catalog import files, labels, problems
from keeprate.steps.labels.filed_copies import MANIFEST, FiledCopies, Filing
from keeprate.steps.photos.scanning import scan_library
from keeprate.steps.session import Session
from support.photos import write_photos


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_photos(tmp_path / "unsorted", range(4))
    return tmp_path / "unsorted"


def sort_into(target: Path, source: Path) -> None:
    """The first two photos to `keep`, the others to `delete`."""
    pictures = sorted(source.iterdir())
    folders = ["keep", "keep", "delete", "delete"]
    filings = [Filing(str(path), folder) for path, folder in zip(pictures, folders, strict=True)]
    assert all(one.copied for one in FiledCopies(target, "keep", source).file(filings))


def said(session: Session) -> dict[str, str | None]:
    """Name of the file → bucket, after a scan."""
    scan_library(session, session.config.library[0], quiet_s=0)
    current = labels.current(session.catalog, "keep")
    return {
        Path(file.path).name: current[file.content_key].bucket
        for file in files.present(session.catalog)
        if file.content_key in current
    }


@pytest.mark.parametrize("place", [".", "keep", "keep/linked"])
def test_copies_are_no_labels_until_somebody_moves_them(session: Session, root: Path, source: Path, place: str) -> None:
    target = root / place
    if place == "keep/linked":
        target.symlink_to(root.parent / "elsewhere")
        target = root.parent / "elsewhere"
    sort_into(target, source)
    assert said(session) == {}
    (target / "keep" / "IMG_0000.jpg").rename(root / "delete" / "IMG_0000.jpg")
    write_photos(root / "keep", range(10, 11))
    assert said(session) == {"IMG_0000.jpg": "delete", "IMG_0010.jpg": "keep"}


def test_labels_that_copies_have_given_are_taken_back(session: Session, root: Path, source: Path) -> None:
    sort_into(root, source)
    record = (root / MANIFEST).rename(root / "hidden")
    assert len(said(session)) == 4
    record.rename(root / MANIFEST)
    assert said(session) == {}
    (root / MANIFEST).unlink()  # so somebody says: all of this is mine
    assert len(said(session)) == 4


def test_a_damaged_record_adds_and_withdraws_nothing(session: Session, root: Path, source: Path) -> None:
    write_photos(root / "keep", range(20, 21))
    assert said(session) == {"IMG_0020.jpg": "keep"}
    sort_into(root, source)
    shutil.copy(root / MANIFEST, root / "record")
    (root / MANIFEST).write_text("{")
    assert said(session) == {"IMG_0020.jpg": "keep"}
    ((path, reason),) = ((one.path, one.reason) for one in problems.latest(session.catalog))
    assert (path, "cannot be read" in reason) == (str(root / MANIFEST), True)
    shutil.copy(root / "record", root / MANIFEST)
    assert said(session) == {"IMG_0020.jpg": "keep"}
    assert problems.count(session.catalog) == 0
