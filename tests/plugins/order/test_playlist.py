"""Playlists: lists that feh and mpv read, and a list of the user's is never overwritten."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from keeprate.plugin_api import LibraryPlace, UndoOutcome
from keeprate_order import OrderManager, OrderSettings
from support.ordered import Journal, scored
from support.photos import write_photos
from support.waiting import COMMAND_S


@pytest.fixture
def library(tmp_path: Path) -> LibraryPlace:
    (tmp_path / "photos").mkdir()
    return LibraryPlace("camera", tmp_path / "photos")


@pytest.fixture
def journal(library: LibraryPlace) -> Journal:
    return Journal(library)


def manager_of(library: LibraryPlace, name: str, *, relative: bool = False) -> OrderManager:
    place = str(library.root.parent / "lists" / name)
    return OrderManager(library, OrderSettings(playlist=place, links="relative" if relative else "absolute"))


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize(("name", "comments"), [("best.m3u8", 3), ("best.M3U", 3), ("best.txt", 0), ("best", 0)])
def test_one_path_a_line_best_first(
    library: LibraryPlace, journal: Journal, name: str, comments: int, relative: bool
) -> None:
    manager = manager_of(library, name, relative=relative)
    photos = [scored(library.root / "a.jpg", 0.1), scored(library.root / "2026" / "ä b.jpg", 0.9)]
    [change] = journal.run(manager, photos)
    lines = change.path.read_text().splitlines()
    assert [line[:1] for line in lines[:comments]] == ["#"] * comments
    start = "../photos" if relative else str(library.root)
    assert lines[comments:] == [f"{start}/2026/ä b.jpg", f"{start}/a.jpg"]
    assert journal.run(manager, photos) == []
    assert len(journal.run(manager, photos[:1])) == 1
    assert journal.undo_all(manager) == [UndoOutcome.REMOVED_OURS, UndoOutcome.GONE]
    assert not change.path.exists()


@pytest.mark.parametrize(
    ("name", "fits_m3u8", "fits_text"),
    [
        ("line\nbreak.jpg", False, False),
        ("carriage\rreturn.jpg", False, False),
        (os.fsdecode(b"caf\xe9.jpg"), False, True),
        ("#1 of many.jpg", True, True),
        ('"quoted".jpg', True, True),
    ],
)
def test_paths_that_a_list_can_hold(
    library: LibraryPlace, journal: Journal, name: str, fits_m3u8: bool, fits_text: bool
) -> None:
    path = library.root / name
    for list_name, fits in (("a.m3u8", fits_m3u8), ("a.txt", fits_text)):
        [change] = journal.run(manager_of(library, list_name), [scored(path, 0.5)])
        assert (os.fsencode(path) + b"\n" in change.path.read_bytes()) == fits
        assert [item.path for item in journal.skipped] == ([] if fits else [path])


def test_a_relative_path_is_never_a_comment(library: LibraryPlace, journal: Journal) -> None:
    manager = OrderManager(library, OrderSettings(playlist="best.m3u8", links="relative"))
    journal.run(manager, [scored(library.root / "#1.jpg", 0.9)])
    assert (library.root / "best.m3u8").read_text().splitlines()[3:] == ["./#1.jpg"]


@pytest.mark.parametrize("name", ["mine.m3u8", "mine.txt"])
def test_a_list_of_the_users_stays(library: LibraryPlace, journal: Journal, name: str) -> None:
    manager = manager_of(library, name)
    path = library.root.parent / "lists" / name
    path.parent.mkdir()
    path.write_text("#EXTM3U\nmine.jpg\n")
    assert journal.run(manager, [scored(library.root / "a.jpg", 0.5)]) == []
    assert "was not made by keeprate" in journal.skipped[0].reason
    assert path.read_text() == "#EXTM3U\nmine.jpg\n"


def test_a_plain_list_that_the_user_changed_is_theirs(library: LibraryPlace, journal: Journal) -> None:
    manager = manager_of(library, "best.txt")
    [change] = journal.run(manager, [scored(library.root / "a.jpg", 0.5)])
    change.path.write_text("my own order")
    assert journal.run(manager, [scored(library.root / "b.jpg", 0.5)]) == []
    assert journal.undo_all(manager) == [UndoOutcome.NOT_OURS]
    assert change.path.read_text() == "my own order"


@pytest.mark.skipif(shutil.which("feh") is None, reason="feh is not installed")
@pytest.mark.parametrize("name", ["best.txt", "best.m3u8"])
@pytest.mark.parametrize("relative", [False, True])
def test_feh_goes_by_the_list(library: LibraryPlace, journal: Journal, name: str, relative: bool) -> None:
    """In the order of the list. feh wants absolute paths or paths from where it is started; comments it passes over."""
    paths = write_photos(library.root, range(4))
    [change] = journal.run(
        manager_of(library, name, relative=relative),
        [scored(path, score) for path, score in zip(paths, (0.3, 0.9, 0.1, 0.5), strict=True)],
    )
    done = subprocess.run(
        ["feh", "--list", "--filelist", change.path.name],
        cwd=change.path.parent,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
    )
    listed = [Path(line.split("\t")[-1]).name for line in done.stdout.splitlines()[1:]]
    assert listed == [f"IMG_000{number}.jpg" for number in (1, 3, 0, 2)], done.stderr
