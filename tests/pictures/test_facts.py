from __future__ import annotations

from datetime import datetime

import pytest
from PIL import Image

from keeprate.pictures.containers.tiff import Tag
from keeprate.pictures.facts import (
    Exif,
    Exposure,
    camera_name,
    exposure_of,
    facts_of,
    parse_time,
    read_exif,
    valid_orientation,
)
from keeprate.pictures.formats import Format


@pytest.mark.parametrize(
    ("text", "fraction", "expected"),
    [
        ("2019:08:25 12:34:56", None, datetime(2019, 8, 25, 12, 34, 56)),
        ("2019:08:25 12:34:56\0", "25", datetime(2019, 8, 25, 12, 34, 56, 250_000)),
        ("2019-08-25T12:34:56+02:00", "", datetime(2019, 8, 25, 12, 34, 56)),
        (b"2019:08:25 12:34:56", "1234567", datetime(2019, 8, 25, 12, 34, 56, 123_456)),
        ("2019:08:25 12:34:56", 7, datetime(2019, 8, 25, 12, 34, 56)),
        ("0000:00:00 00:00:00", None, None),
        ("1601:01:01 00:00:00", None, None),
        ("2019:13:45 12:34:56", None, None),
        ("    :  :     :  :  ", None, None),
        ("yesterday", None, None),
        ("", None, None),
        (None, None, None),
        (2019, None, None),
    ],
)
def test_exif_times(text: object, fraction: object, expected: datetime | None) -> None:
    assert parse_time(text, fraction) == expected


@pytest.mark.parametrize(
    ("make", "model", "expected"),
    [
        ("Canon", "Canon EOS 7D", "Canon EOS 7D"),
        ("NIKON CORPORATION", "NIKON D70", "NIKON D70"),
        ("Apple", "iPhone 4", "Apple iPhone 4"),
        ("SONY\0\0\0", "DSC-D700  ", "SONY DSC-D700"),
        (None, "FinePix", "FinePix"),
        ("Kodak", None, "Kodak"),
        (b"Leica", b"M8", "Leica M8"),
        ("a\x1b[31m", "b\nc", "a [31m b c"),
        ("", " ", None),
        (None, None, None),
        (7, (1, 2), None),
        ("", "x" * 500, "x" * 80),
    ],
)
def test_camera_names(make: object, model: object, expected: str | None) -> None:
    assert camera_name(make, model) == expected


@pytest.mark.parametrize(("value", "expected"), [(1, 1), (8, 8), (0, None), (9, None), ("6", None), (None, None)])
def test_orientations(value: object, expected: int | None) -> None:
    assert valid_orientation(value) == expected


@pytest.mark.parametrize(("orientation", "size"), [(1, (40, 30)), (4, (40, 30)), (5, (30, 40)), (8, (30, 40))])
def test_sizes_are_those_of_the_upright_picture(orientation: int, size: tuple[int, int]) -> None:
    facts = facts_of(Format.JPEG, (40, 30), Exif(orientation=orientation))
    assert (facts.width, facts.height) == size


def test_broken_exif_is_no_exif() -> None:
    image = Image.new("RGB", (4, 4))
    image.info["exif"] = b"Exif\0\0MM\0*\xff\xff\xff\xff broken"
    assert read_exif(image) == Exif()


def test_an_exposure_is_read_and_nonsense_is_left_out() -> None:
    told: dict[Tag, object] = {
        Tag.EXPOSURE_TIME: 0.004, Tag.F_NUMBER: (5.6,), Tag.ISO: 200, Tag.EXPOSURE_BIAS: -2.0, Tag.EXPOSURE_MODE: 2,
        Tag.FOCAL_LENGTH: "long", Tag.SUBJECT_DISTANCE: float("nan"),
    }  # fmt: skip
    assert exposure_of(told.get) == Exposure(seconds=0.004, f_number=5.6, iso=200, bias=-2.0, bracketed=True)
    assert exposure_of(lambda _: None) == Exposure()
