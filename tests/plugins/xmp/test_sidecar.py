"""Tests of keeprate_xmp.sidecar: which file is a photo's sidecar."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeprate_xmp.sidecar import all_sidecars, hides_embedded, sidecar_for


@pytest.mark.parametrize(
    ("photo", "existing", "adobe_name", "expected"),
    [
        ("IMG.jpg", [], False, "IMG.jpg.xmp"),
        ("IMG.jpg", [], True, "IMG.jpg.xmp"),
        ("IMG.jpg", ["IMG.xmp"], True, "IMG.jpg.xmp"),
        ("IMG.jpg", ["IMG.jpg.XMP"], False, "IMG.jpg.XMP"),
        ("IMG.jpg", ["IMG.jpg.Xmp"], False, "IMG.jpg.Xmp"),
        ("IMG.CR3", [], False, "IMG.CR3.xmp"),
        ("IMG.CR3", [], True, "IMG.xmp"),
        ("IMG.CR3", ["IMG.xmp"], False, "IMG.xmp"),
        ("IMG.CR3", ["IMG.XMP"], False, "IMG.XMP"),
        ("IMG.CR3", ["IMG.xmp", "IMG.CR3.xmp"], False, "IMG.CR3.xmp"),
        ("IMG.dng", ["IMG.xmp"], True, "IMG.dng.xmp"),
        ("IMG.heic", ["IMG.xmp"], True, "IMG.heic.xmp"),
        ("a.b.nef", ["a.b.xmp"], False, "a.b.xmp"),
    ],
)
def test_the_sidecar_to_write(tmp_path: Path, photo: str, existing: list[str], adobe_name: bool, expected: str) -> None:
    for name in existing:
        (tmp_path / name).touch()
    assert sidecar_for(tmp_path / photo, adobe_name=adobe_name).name == expected


def test_both_names_are_read(tmp_path: Path) -> None:
    for name in ("IMG.xmp", "IMG.jpg.xmp", "IMG.jpeg.xmp"):
        (tmp_path / name).touch()
    assert [path.name for path in all_sidecars(tmp_path / "IMG.jpg")] == ["IMG.jpg.xmp", "IMG.xmp"]


def test_every_spelling_is_read_and_one_file_once(tmp_path: Path) -> None:
    for name in ("IMG.jpg.XMP", "IMG.jpg.xmp", "IMG.Xmp"):
        (tmp_path / name).touch()
    (tmp_path / "IMG.XMP").hardlink_to(tmp_path / "IMG.Xmp")  # as where names differ in nothing but case
    found = ["IMG.jpg.xmp", "IMG.jpg.XMP", "IMG.XMP"]
    assert [path.name for path in all_sidecars(tmp_path / "IMG.jpg")] == found


@pytest.mark.parametrize(
    ("name", "hides"),
    [("a.jpg", False), ("a.png", False), ("a.tif", False), ("a.webp", False), ("a.HEIC", True), ("a.NEF", True)],
)
def test_where_a_sidecar_hides_what_is_embedded(name: str, hides: bool) -> None:
    assert hides_embedded(Path(name)) is hides
