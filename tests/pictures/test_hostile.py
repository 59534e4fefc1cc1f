"""Broken and hostile files: an answer or a `PictureError`, in bounded time and memory, and never a changed file."""

from __future__ import annotations

import hashlib
import os
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keeprate.pictures.content_key import content_key, content_key_of
from keeprate.pictures.decoding import PictureError, open_picture
from keeprate.pictures.signals import measure
from support.made_pictures import cr3_raw, encoded, raf_raw, scene, tiff_raw

MAX_PIXELS = 100_000_000
SLOWEST_S = 20.0
REFUSED_FOR_GOOD_REASON = {
    # only the start of a file: nothing of the picture, or not all of it, is there
    "exiftool__CanonRaw.cr3",
    "exiftool__CanonRaw.crw",
    "exiftool__Minolta.mrw",
    "exiftool__Nikon.nef",
    "exiftool__SigmaDP2.x3f",
    "exiv2__IMG_1361.dng",
    "pillow__ultrahdr.jpg",
}


def look(path: Path) -> str | None:
    """Do to a file what the worker does; the reason if it is refused."""
    before, started = hashlib.sha256(path.read_bytes()).digest(), time.process_time()
    key = content_key(path)
    assert content_key(path) == key
    reason = None
    try:
        picture = open_picture(path, shortest_edge=224, max_pixels=MAX_PIXELS)
    except PictureError as error:
        reason = error.reason
        assert reason
        assert "\n" not in reason
        assert len(reason) < 200
    else:
        assert picture.image.mode == "RGB"
        assert np.isfinite(measure(picture).as_vector()).all()
    assert time.process_time() - started < SLOWEST_S
    assert hashlib.sha256(path.read_bytes()).digest() == before
    return reason


def pictures_in(folder: Path) -> list[Path]:
    talk = {".csv", ".json", ".md", ".mp3", ".txt", ".xml", ".xmp"}
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix.lower() not in talk]


def test_bad_files_are_refused_or_read(shared_photos: Path) -> None:
    refused = [path.name for path in pictures_in(shared_photos / "bad") if look(path) is not None]
    assert len(refused) > 200


def test_odd_but_good_files_are_read(shared_photos: Path) -> None:
    paths = [path for path in pictures_in(shared_photos / "good_odd") if path.name not in REFUSED_FOR_GOOD_REASON]
    refused = {path.name: reason for path in paths if (reason := look(path)) is not None}
    assert len(refused) <= 0.05 * len(paths), refused


def test_photos_with_rich_metadata_are_read(shared_photos: Path) -> None:
    refused = {path.name: reason for path in pictures_in(shared_photos / "metadata") if (reason := look(path))}
    assert set(refused) <= {"metadata-extractor-images__beach.jpg"}  # a photo that lost its scan


@pytest.mark.parametrize(
    "name", ["new\nline.jpg", "ünïcödé 写真.jpg", "x" * 240 + ".jpg", "-rf.jpg", b"latin-\xe9.jpg"], ids=repr
)
def test_awkward_names(name: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(name)
    try:
        path.write_bytes(encoded(scene(64, 48), "JPEG"))
    except OSError:
        pytest.skip("this file system does not take the name")
    assert look(path) is None


@cache
def seeds() -> tuple[bytes, ...]:
    """One small picture of each format, to be damaged."""
    image = scene(48, 40)
    jpeg = encoded(image, "JPEG")
    plain = [encoded(image, name) for name in ("PNG", "WEBP", "TIFF", "GIF", "BMP", "HEIF", "AVIF", "JPEG2000")]
    compressed = encoded(image, "TIFF", compression="tiff_lzw")
    animated = encoded(image, "PNG", save_all=True, append_images=[scene(48, 40, 1)])
    raws = [make(jpeg) for make in (tiff_raw, raf_raw, cr3_raw)]
    return (jpeg, encoded(image, "JPEG", progressive=True), *plain, compressed, animated, *raws)


PATCHES = st.sampled_from([b"\0", b"\xff", b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"]) | st.binary(
    min_size=1, max_size=8
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A picture with a few bytes overwritten (the header more often than the rest), and perhaps cut or doubled."""
    data = bytearray(draw(st.sampled_from(seeds())))
    for _ in range(draw(st.integers(1, 6))):
        end = draw(st.sampled_from([64, 512, len(data)]))
        at = draw(st.integers(0, min(end, len(data)) - 1))
        patch = draw(PATCHES)
        data[at : at + len(patch)] = patch
    if draw(st.booleans()):
        data = data[: draw(st.integers(0, len(data)))]
    return bytes(data)


fuzzed = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzzed
@given(data=damaged() | st.binary(max_size=200))
def test_any_bytes_have_a_key(data: bytes) -> None:
    key = content_key_of(data)
    assert key == content_key_of(data)
    assert len(key.partition("-")[2]) in (32, 64)


@fuzzed
@given(data=damaged(), suffix=st.sampled_from([".jpg", ".nef", ".cr3"]))
def test_any_bytes_are_opened_or_refused(data: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"photo{suffix}"
    path.write_bytes(data)
    look(path)
