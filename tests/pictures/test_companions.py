"""Which names and pictures of a folder are of one shot: few pairs missed, no false one."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest

from keeprate.pictures.companions import Picture, attendants, find_companions, leads

ALIKE, OTHER = 0x0F0F_3333_5555_00FF, 0x70F0_CCCC_AAAA_7F00
"""Perceptual hashes that have no bit in common."""


def shots(*names: str) -> list[tuple[str, ...]]:
    """The shots among pictures of which nothing but their names is known."""
    return [tuple(one.name for one in shot) for shot in find_companions(Picture(name, name) for name in names)]


@pytest.mark.parametrize(
    "names",
    [
        ("IMG_1.JPG", "IMG_1.CR2"),
        ("img_1.jpg", "IMG_1.NEF"),
        ("DSC1.HIF", "DSC1.ARW"),
        ("IMG_1.HEIC", "IMG_1.DNG", "IMG_1-edit.jpg"),
        ("IMG_1.JPG", "IMG_1-Edit.tif"),
        ("IMG_1.JPG", "IMG_1.CR2", "IMG_1-edited.jpg", "IMG_1-Edit-2.tif"),
        ("IMG_1.JPG", "IMG_1_edit.jpg"),
        ("IMG_1.JPG", "IMG_1 edited.jpg"),
        ("IMG_1.JPG", "IMG_1 (edited).jpg"),
        ("IMG_1.jpg", "IMG_1-bearbeitet.jpg"),
        ("IMG_1.jpg", "IMG_1-modifié.jpg"),
        ("IMG_1.jpg", unicodedata.normalize("NFD", "IMG_1-modifié.jpg")),
        ("IMG_20200101_120000.jpg", "IMG_20200101_120000~2.jpg"),
        ("IMG_1234.HEIC", "IMG_E1234.HEIC"),
        ("IMG_1.CR2", "IMG_1-Enhanced-NR.dng"),
        ("IMG_1.CR2", "IMG_1_DxO.jpg"),
        ("PXL_20211104_1.RAW-01.COVER.jpg", "PXL_20211104_1.RAW-02.ORIGINAL.dng"),
    ],
)
def test_names_of_one_shot(names: tuple[str, ...]) -> None:
    assert shots(*sorted(names)) == [names]
    assert shots(*reversed(names)) == [names]


@pytest.mark.parametrize(
    "names",
    [
        ("IMG_1.JPG", "IMG_2.CR2"),
        ("IMG_1.JPG", "IMG_1 (1).JPG"),  # another file of the same name, copied into the folder
        ("IMG_1.JPG", "IMG_1-2.JPG"),
        ("IMG_1.JPG", "IMG_10.CR2"),
        ("1.jpg", "1.png"),  # numbered by a download or a data set
        ("IMG_2-edit.jpg", "IMG_1.JPG"),
        ("edit.jpg", "-edit.jpg"),
        ("IMG_1234.JPG", "IMG_F1234.JPG"),
        ("IMG_1.JPG", "IMG_1-HDR.dng"),  # of several shots
        ("credit.jpg", "cr.jpg"),
    ],
)
def test_names_of_different_shots(names: tuple[str, ...]) -> None:
    assert shots(*names) == []


def pair(
    names: tuple[str, str], times: tuple[float | None, float | None], hashes: tuple[int | None, int | None]
) -> bool:
    pictures = [Picture(*one) for one in zip(names, names, times, hashes, strict=True)]
    return bool(find_companions(pictures))


RAW_AND_JPEG, EDIT, SAME_STEM = ("IMG_1.CR2", "IMG_1.JPG"), ("IMG_1.JPG", "IMG_1-edit.jpg"), ("a.jpg", "a.tif")
UNKNOWN = (None, None)


@pytest.mark.parametrize("names", [RAW_AND_JPEG, EDIT, SAME_STEM])
def test_times_decide_where_both_are_known(names: tuple[str, str]) -> None:
    assert pair(names, (100.0, 101.5), UNKNOWN)
    assert pair(names, (100.0, 100.0), (ALIKE, OTHER))  # cropped, or black and white
    assert not pair(names, (100.0, 103.0), (ALIKE, ALIKE))  # the counter rolled over, or another camera


def test_looks_decide_where_times_do_not() -> None:
    for names in (RAW_AND_JPEG, EDIT):
        assert pair(names, (100.0, None), (ALIKE, None))
        assert pair(names, (100.0, None), (ALIKE, ALIKE ^ 0xFFFFFF))
        assert not pair(names, (100.0, None), (ALIKE, OTHER))
    assert pair(SAME_STEM, UNKNOWN, (ALIKE, ALIKE ^ 0xFF))
    assert not pair(SAME_STEM, UNKNOWN, (ALIKE, ALIKE ^ 0xFFFFFF))
    assert not pair(SAME_STEM, UNKNOWN, (0, 0))  # two plain pictures look the same


def test_what_is_no_companion_of_the_first_may_be_one_of_another() -> None:
    old, new = 100.0, 5000.0
    found = find_companions(
        [
            Picture("IMG_1.JPG", "new", new),
            Picture("IMG_1.CR2", "old raw", old),
            Picture("IMG_1.tif", "of the old raw", old),
        ]
    )
    assert [[one.content_key for one in shot] for shot in found] == [["of the old raw", "old raw"]]


def test_copies_are_one_picture() -> None:
    assert find_companions([Picture("a.jpg", "same", 1.0), Picture("a.jpeg", "same", 1.0)]) == []


def test_the_leader_is_what_the_camera_shows() -> None:
    names = ["a-edit.jpg", "a.cr2", "a.tif", "a.heic", "a.jpg"]
    in_order = ["a.jpg", "a.heic", "a.tif", "a.cr2", "a-edit.jpg"]
    (shot,) = find_companions(Picture(name, name, taken_at=1.0) for name in names)
    assert [one.name for one in shot] == in_order
    assert all(leads(*two) and not leads(*reversed(two)) for two in pairwise(in_order))


def test_sidecars_and_films_go_along() -> None:
    ours = [
        "IMG_1.AAE", "IMG_1.CR2.xmp", "IMG_1.JPG.xmp", "IMG_1.MOV", "IMG_1.XMP", "IMG_1.jpg.json", "IMG_O1.aae",
        "img_1.cr2.pp3",
    ]  # fmt: skip
    others = ["IMG_10.MOV", "IMG_1.txt", "IMG_2.xmp", "IMG_1.png", "notes.xmp"]
    (found,) = attendants([["IMG_1.JPG", "IMG_1.CR2"]], [*others, *ours])
    assert sorted(found) == sorted(ours)


def test_a_sidecar_goes_with_one_shot() -> None:
    assert attendants([["a.jpg"], ["a.png"]], ["A.XMP", "a.png.xmp", "b.xmp"]) == [["A.XMP"], ["a.png.xmp"]]
