"""Where the demo's photos and their truth come from; nobody's own photos are ever changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from keeprate.demo.pictures import SamplePicture, make_pictures
from keeprate.demo.samples import COPIES, FEWEST, Samples, Truth, fill
from keeprate.errors import UsageError


@pytest.fixture(scope="module")
def own_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of photos, a broken one and a text among them."""
    folder = tmp_path_factory.mktemp("own")
    make_pictures(folder, FEWEST)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (folder / "notes.txt").write_text("not a photo")
    return folder


def contents(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_unsorted_photos_are_copied_and_half_of_the_copies_spoiled(own_photos: Path, tmp_path: Path) -> None:
    before = contents(own_photos)
    samples = fill(tmp_path / "library", own_photos)
    assert contents(own_photos) == before
    assert samples.truth is Truth.SPOILED
    assert [picture.good for picture in samples.pictures] == [True, False] * (FEWEST // 2)
    for picture in samples.pictures:
        assert picture.path.is_relative_to(tmp_path / "library")
        with Image.open(picture.path) as image:
            assert image.size == (1200, 900)


@pytest.mark.parametrize("names", [("keep", "delete"), ("good", "bad")])
def test_sorted_photos_bring_their_truth_along(own_photos: Path, tmp_path: Path, names: tuple[str, str]) -> None:
    photos = sorted(own_photos.rglob("*/*.jpg"))
    for number, path in enumerate(photos):
        target = tmp_path / "sorted" / names[number % 2] / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    samples = fill(tmp_path / "library", tmp_path / "sorted")
    assert samples.truth is Truth.SORTED
    good = {path.read_bytes() for path in photos[::2]}
    assert {picture.path.read_bytes() for picture in samples.pictures if picture.good} == good
    assert len(samples.pictures) == len(photos) <= COPIES


def test_too_few_photos_and_no_folder_are_refused(tmp_path: Path) -> None:
    make_pictures(tmp_path / "few", 2)
    with pytest.raises(UsageError, match="Only 2 photos"):
        fill(tmp_path / "library", tmp_path / "few")
    with pytest.raises(UsageError, match="no such folder"):
        fill(tmp_path / "library", tmp_path / "none")


def test_halves_take_the_first_bursts_of_each_folder() -> None:
    bursts = {"a": [1, 1, 2, 2, 3, 3, 3, 4], "b": [5, 6, 7]}
    pictures = [
        SamplePicture(Path(folder, f"{number}.jpg"), True, burst)
        for folder, numbers in bursts.items()
        for number, burst in enumerate(numbers)
    ]
    first, left = Samples(tuple(reversed(pictures)), Truth.DRAWN).halves()
    assert [(picture.path.parent.name, picture.burst) for picture in first] == [
        ("a", 1), ("a", 1), ("a", 2), ("a", 2), ("b", 5), ("b", 6),
    ]  # fmt: skip
    assert {picture.burst for picture in left} == {3, 4, 7}
    assert len(first) + len(left) == len(pictures)
