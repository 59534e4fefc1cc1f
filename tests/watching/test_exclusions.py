from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from keeprate.watching.exclusions import VIEW_MARKER, Exclusions, lies_in_view

ROOT = "/photos"


@pytest.mark.parametrize(
    "path",
    [
        "/photos/.hidden.jpg",
        "/photos/._IMG_1.jpg",
        "/photos/2019/.keeprate-0123456789abcdef.tmp",
        "/photos/2019/@eaDir/IMG_1.jpg/SYNOPHOTO_THUMB_XL.jpg",
        "/photos/#recycle/IMG_1.jpg",
        "/photos/$RECYCLE.BIN/S-1-5/IMG_1.jpg",
        "/photos/.Trash-1000/files/IMG_1.jpg",
        "/photos/lost+found/x.jpg",
        "/photos/Catalog Previews.lrdata/1/IMG_1.jpg",
        "/photos/Mac.photoslibrary/originals/1/IMG_1.jpg",
        "/elsewhere/IMG_1.jpg",
        "/photos-too/IMG_1.jpg",
    ],
)
def test_covered_by_default(path: str) -> None:
    assert Exclusions().covers(ROOT, path)


@pytest.mark.parametrize(
    "path",
    ["/photos", "/photos/IMG_1.jpg", "/photos/2019/a b/IMG_1.jpg", "/photos/lrdata/x.jpg", "/photos/recycle/x.jpg"],
)
def test_not_covered_by_default(path: str) -> None:
    assert not Exclusions().covers(ROOT, path)


def test_what_lies_above_the_root_does_not_count() -> None:
    assert not Exclusions().covers("/home/me/.photos", "/home/me/.photos/2019/IMG_1.jpg")
    assert not Exclusions().covers("/", "/2019/IMG_1.jpg")
    assert Exclusions().covers("/", "/2019/.IMG_1.jpg")


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("Exports", "/photos/Exports/a.jpg", True),
        ("Exports", "/photos/2019/Exports/a.jpg", True),
        ("Exports/", "/photos/2019/Exports/a.jpg", True),
        ("Exports", "/photos/Exports 2/a.jpg", False),
        ("*_edited.jpg", "/photos/2019/a_edited.jpg", True),
        ("/Exports", "/photos/Exports/a.jpg", True),
        ("/Exports", "/photos/2019/Exports/a.jpg", False),
        ("trips/*/raw", "/photos/trips/rome/raw/a.jpg", True),
        ("trips/*/raw", "/photos/trips/rome/a.jpg", False),
        ("2019/IMG_1.jpg", "/photos/2019/IMG_1.jpg", True),
        ("2019/IMG_1.jpg", "/photos/2018/2019/IMG_1.jpg", False),
        ("[", "/photos/[/a.jpg", True),
        ("", "/photos/a.jpg", False),
        ("gel\udcffscht", "/photos/gel\udcffscht/a.jpg", True),
    ],
)
def test_own_patterns(pattern: str, path: str, covered: bool) -> None:
    assert Exclusions([pattern]).covers(ROOT, path) is covered


COMPOSED, DECOMPOSED = unicodedata.normalize("NFC", "Gelöscht"), unicodedata.normalize("NFD", "Gelöscht")


@pytest.mark.parametrize("typed", [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize("on_disk", [COMPOSED, DECOMPOSED])
def test_accents_match_however_they_are_encoded(typed: str, on_disk: str) -> None:
    assert Exclusions([typed]).covers(ROOT, f"{ROOT}/{on_disk}/a.jpg")


def test_given_folders_with_all_beneath_them() -> None:
    exclude = Exclusions(folders=[Path("/photos/best first")])
    assert exclude.covers(ROOT, "/photos/best first")
    assert exclude.covers(ROOT, "/photos/best first/deep/a.jpg")
    assert not exclude.covers(ROOT, "/photos/best first 2/a.jpg")


def test_a_marked_folder_is_a_view_and_so_is_all_beneath_it(tmp_path: Path) -> None:
    (tmp_path / "view" / "deep").mkdir(parents=True)
    (tmp_path / "view" / VIEW_MARKER).touch()
    (tmp_path / "other").mkdir()
    root, known = str(tmp_path), dict[str, bool]()
    assert lies_in_view(root, f"{root}/view", known)
    assert lies_in_view(root, f"{root}/view/deep", known)
    assert not lies_in_view(root, f"{root}/other", known)
    assert not lies_in_view(root, root, known)
    assert lies_in_view(root, f"{root}/view/gone already", known)


def test_answers_about_views_are_remembered_within_a_batch(tmp_path: Path) -> None:
    known = {f"{tmp_path}/view": True}
    assert lies_in_view(str(tmp_path), f"{tmp_path}/view/deep", known)
