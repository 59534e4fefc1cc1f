from __future__ import annotations

import time

import pytest

from keeprate.pictures.formats import PICTURE_SUFFIXES, RAW_SUFFIXES, Format, is_picture, sniff
from support.made_pictures import cr3_raw, encoded, quarters, raf_raw, tiff_raw


@pytest.mark.parametrize(
    ("name", "looked_at"),
    [
        ("IMG_0001.JPG", True),
        ("img.jpeg", True),
        ("scan.TiFf", True),
        ("DSC1.NEF", True),
        ("a.b.c.heic", True),
        ("with blank.cr3", True),
        ("/photos/2024/x.webp", True),
        ("IMG_0001.JPG.xmp", False),
        ("IMG_0001.xmp", False),
        ("film.mp4", False),
        ("jpg", False),
        (".jpg", False),  # a hidden file without a suffix
        ("photos.jpg/readme", False),
        ("", False),
        ("IMG.jpg ", False),
        ("IMG.jpg.part", False),
    ],
)
def test_the_suffix_decides_what_is_looked_at(name: str, looked_at: bool) -> None:
    assert is_picture(name) is looked_at


def test_suffixes_are_lower_case_with_a_dot() -> None:
    assert RAW_SUFFIXES < PICTURE_SUFFIXES
    assert all(suffix == suffix.lower() and suffix[0] == "." and suffix.count(".") == 1 for suffix in PICTURE_SUFFIXES)


def test_a_walk_of_100_000_names_takes_a_moment() -> None:
    started = time.process_time()
    for _ in range(100_000):
        is_picture("IMG_20240101_123456.JPG")
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("pillow_format", "expected"),
    [
        ("JPEG", Format.JPEG),
        ("PNG", Format.PNG),
        ("WEBP", Format.WEBP),
        ("TIFF", Format.TIFF),
        ("GIF", Format.GIF),
        ("BMP", Format.BMP),
        ("HEIF", Format.HEIF),
        ("AVIF", Format.AVIF),
        ("JPEG2000", Format.JPEG_2000),
        ("PPM", Format.NETPBM),
        ("QOI", Format.QOI),
    ],
)
def test_what_pillow_writes_is_recognised(pillow_format: str, expected: Format) -> None:
    assert sniff(encoded(quarters(), pillow_format)[:64]) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"", Format.UNKNOWN),
        (b"\xff", Format.UNKNOWN),
        (b"GIF88a", Format.UNKNOWN),
        (b"RIFF\0\0\0\0WAVE", Format.UNKNOWN),
        (b"\0\0\0\x18ftypqt  \0\0\0\0qt  ", Format.UNKNOWN),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", Format.AVIF),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", Format.HEIF),
        (b"\0\0\0\x14ftypmif1\0\0\0\0mif1avif", Format.HEIF),  # avif stands behind the end of the box
        (cr3_raw(b"")[:64], Format.CR3),
        (raf_raw(b"")[:64], Format.RAF),
        (tiff_raw(b"")[:64], Format.TIFF),
        (b"II*\0\x10\0\0\0CR\x02\0", Format.CR2),
        (b"IIU\0\x18\0\0\0", Format.RW2),
        (b"IIRO\x08\0\0\0", Format.ORF),
        (b"\0MRM\0\0", Format.MRW),
        (b"FOVb\0\0", Format.X3F),
        (b"II\x1a\0\0\0HEAPCCDR", Format.CRW),
        (b"\xff\x0a\0", Format.JPEG_XL),
    ],
)
def test_first_bytes_decide_how_a_file_is_read(head: bytes, expected: Format) -> None:
    assert sniff(head) == expected
