"""Names sort like scores, fit every file system, and tell which links are ours."""

from __future__ import annotations

import os

import pytest

from keeprate_order.view_names import NAME_MAX_BYTES, NameParts, digits_for, link_name, parts_of

LONG_STEM = "ä" * 200  # 400 bytes


@pytest.mark.parametrize(("count", "digits"), [(0, 4), (1, 4), (999, 4), (1000, 5), (20_000, 6), (1_000_000, 8)])
def test_enough_digits_for_steps_of_ten(count: int, digits: int) -> None:
    assert digits_for(count) == digits


def test_a_name_reads_number_score_photo() -> None:
    assert link_name(120, 5, "0.93", "IMG_1234.jpg") == "00120_0.93_IMG_1234.jpg"


@pytest.mark.parametrize(
    "photo_name",
    [
        f"{LONG_STEM}.jpg",
        "x" * 255,
        "x" * 251 + ".jpg",
        "x" * 100 + "." + "y" * 154,  # what looks like a suffix of 154 letters
        os.fsdecode(b"\xff" * 251 + b".jpg"),
    ],
)
def test_long_names_are_cut_to_what_a_file_system_holds(photo_name: str) -> None:
    name = link_name(10, 4, "0.50", photo_name)
    encoded = os.fsencode(name)
    assert NAME_MAX_BYTES - 1 <= len(encoded) <= NAME_MAX_BYTES
    assert name.endswith(photo_name[-4:])
    if photo_name.startswith("ä"):
        encoded.decode()  # no character cut in two


@pytest.mark.parametrize(
    ("name", "target", "ours"),
    [
        ("0010_0.93_a.jpg", "/photos/a.jpg", NameParts(10, 4, "0.93")),
        ("000120_1.00_a.jpg", "../photos/a.jpg", NameParts(120, 6, "1.00")),
        ("0010_0.93_line\nbreak.jpg", "/photos/line\nbreak.jpg", NameParts(10, 4, "0.93")),
        (link_name(7, 4, "0.10", f"{LONG_STEM}.jpg"), f"/photos/{LONG_STEM}.jpg", NameParts(7, 4, "0.10")),
        ("0010_0.93_a.jpg", "/photos/b.jpg", None),
        ("10_0.93_a.jpg", "/photos/a.jpg", None),
        ("0010_0.9_a.jpg", "/photos/a.jpg", None),
        ("0010_a.jpg", "/photos/a.jpg", None),
        ("a.jpg", "/photos/a.jpg", None),
        ("0010_0.93_", "/photos/", None),
        ("\u0661\u0661\u0661\u0661_0.93_a.jpg", "/photos/a.jpg", None),  # digits, but not ours
    ],
)
def test_a_link_is_ours_if_we_would_have_named_it_so(name: str, target: str, ours: NameParts | None) -> None:
    assert parts_of(name, target) == ours
