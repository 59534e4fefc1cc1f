"""Photos keep their key when other programs edit what is said about them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from keeprate.pictures.content_key import content_key, content_key_of
from support.made_pictures import cr3_raw, encoded, saved, scene, tiff_raw

SCENE = scene(320, 240)
EXIFTOOL = shutil.which("exiftool")
needs_exiftool = pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not installed")
EDITED_SUFFIXES = {".jpg", ".jpeg", ".mpo", ".png", ".tif", ".tiff", ".webp", ".heic", ".heif", ".hif", ".avif"}
EDITED_SUFFIXES |= {".nef", ".cr3", ".rw2", ".dng", ".kdc"}


def edit_with_exiftool(*paths: Path) -> None:
    """Rate, tag, describe and turn; files that exiftool refuses stay as they are."""
    assert EXIFTOOL is not None
    edits = ["-XMP:Rating=4", "-XMP:Subject+=keep", "-EXIF:ImageDescription=a day at the sea", "-EXIF:Orientation#=6"]
    subprocess.run([EXIFTOOL, "-q", "-overwrite_original", *edits, *map(str, paths)], capture_output=True, check=False)


@pytest.mark.parametrize("pillow_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pyexiv2_edits(pillow_format: str) -> None:
    pyexiv2 = pytest.importorskip("pyexiv2")
    before = encoded(SCENE, pillow_format)
    with pyexiv2.ImageData(before) as photo:
        photo.modify_exif({"Exif.Image.ImageDescription": "a day at the sea", "Exif.Image.Orientation": "6"})
        photo.modify_xmp({"Xmp.xmp.Rating": "4", "Xmp.dc.subject": ["keep"]})
        after = photo.get_bytes()
    assert after != before
    assert content_key_of(after) == content_key_of(before)


@needs_exiftool
@pytest.mark.parametrize("pillow_format", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_exiftool_edits(pillow_format: str, tmp_path: Path) -> None:
    photo = saved(tmp_path, f"photo.{pillow_format.lower()}", encoded(SCENE, pillow_format))
    before, key = photo.read_bytes(), content_key(photo)
    edit_with_exiftool(photo)
    assert photo.read_bytes() != before
    assert content_key(photo) == key


@needs_exiftool
@pytest.mark.parametrize(("name", "make"), [("photo.nef", tiff_raw), ("photo.cr3", cr3_raw)])
def test_exiftool_edits_of_raw_files(name: str, make: object, tmp_path: Path) -> None:
    assert callable(make)
    photo = saved(tmp_path, name, make(encoded(SCENE, "JPEG")))
    before, key = photo.read_bytes(), content_key(photo)
    edit_with_exiftool(photo)
    assert photo.read_bytes() != before
    assert content_key(photo) == key


@needs_exiftool
def test_exiftool_edits_of_real_photos(shared_photos: Path, tmp_path: Path) -> None:
    """Some 350 photos of all makers; what had a key of its picture before has the same one after."""
    originals = [
        path
        for folder in ("metadata", "good_odd")
        for path in sorted((shared_photos / folder).rglob("*"))
        if path.suffix.lower() in EDITED_SUFFIXES
    ]
    copies = [tmp_path / f"{number:03}{path.suffix}" for number, path in enumerate(originals)]
    for original, copy in zip(originals, copies, strict=True):
        shutil.copy(original, copy)
    keys = [content_key(copy) for copy in copies]
    edit_with_exiftool(*copies)
    edited = [
        (original.name, key, content_key(copy))
        for original, copy, key in zip(originals, copies, keys, strict=True)
        if copy.read_bytes() != original.read_bytes() and not key.startswith("file1-")
    ]
    assert len(edited) > 300
    assert [name for name, before, after in edited if before != after] == []
