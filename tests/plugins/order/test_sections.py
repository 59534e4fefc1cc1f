"""View folders with subfolders, on a real file system: a day or a bucket each, kept and taken back like flat ones."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keeprate.plugin_api import LibraryPlace, ScoredPhoto, UndoOutcome
from keeprate_order import OrderManager, OrderSettings, View
from support.ordered import Journal, scored


@pytest.fixture
def library(tmp_path: Path) -> LibraryPlace:
    (tmp_path / "photos").mkdir()
    return LibraryPlace("camera", tmp_path / "photos")


@pytest.fixture
def journal(library: LibraryPlace) -> Journal:
    return Journal(library)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "by day"


def photo(library: LibraryPlace, name: str, score: float, day: int | None) -> ScoredPhoto:
    path = library.root / name
    path.write_bytes(os.fsencode(name))
    return replace(scored(path, score), taken_at=None if day is None else datetime(2024, 5, day, tzinfo=UTC))


@pytest.fixture
def photos(library: LibraryPlace) -> list[ScoredPhoto]:
    days = (12, 12, 13, None)
    return [
        photo(library, f"{name}.jpg", 0.2 * nth, day) for nth, (name, day) in enumerate(zip("abcd", days, strict=True))
    ]


def links(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.resolve().name for path in sorted(folder.rglob("*")) if path.is_symlink()
    }


@pytest.mark.parametrize("links_are", ["absolute", "relative"])
def test_a_subfolder_a_day(
    library: LibraryPlace, journal: Journal, folder: Path, photos: list[ScoredPhoto], links_are: str
) -> None:
    manager = OrderManager(library, OrderSettings(str(folder), by="date", links=links_are))  # type: ignore[arg-type]
    journal.run(manager, photos)
    assert links(folder) == {
        "2024-05-12/0010_0.20_b.jpg": "b.jpg",
        "2024-05-12/0020_0.00_a.jpg": "a.jpg",
        "2024-05-13/0010_0.40_c.jpg": "c.jpg",
        "undated/0010_0.60_d.jpg": "d.jpg",
    }
    assert journal.run(manager, photos) == []
    photos[0] = replace(photos[0], taken_at=None)
    photos[1] = scored(photos[1].path, 0.9)
    journal.run(manager, photos)
    assert links(folder) == {
        "2024-05-13/0010_0.40_c.jpg": "c.jpg",
        "undated/0005_0.90_b.jpg": "b.jpg",
        "undated/0010_0.60_d.jpg": "d.jpg",
        "undated/0020_0.00_a.jpg": "a.jpg",
    }
    assert not (folder / "2024-05-12").exists()
    assert journal.undo_all(manager) == [UndoOutcome.REMOVED_OURS, UndoOutcome.GONE]
    assert not folder.exists()
    assert sorted(os.listdir(library.root)) == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]


def test_from_days_to_one_row_and_back(
    library: LibraryPlace, journal: Journal, folder: Path, photos: list[ScoredPhoto]
) -> None:
    by_day = OrderManager(library, OrderSettings(str(folder), by="date"))
    in_a_row = OrderManager(library, OrderSettings(str(folder)))
    journal.run(by_day, photos)
    inodes = {path.resolve(): path.lstat().st_ino for path in folder.rglob("*.jpg")}
    journal.run(in_a_row, photos)
    assert list(links(folder).values()) == ["d.jpg", "c.jpg", "b.jpg", "a.jpg"]
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []
    assert {path.resolve(): path.lstat().st_ino for path in folder.rglob("*.jpg")} == inodes  # moved, not made anew
    journal.run(by_day, photos)
    assert len(links(folder)) == 4
    in_a_row.undo(journal.entries[0])  # whatever the settings say now
    assert not folder.exists()


def test_what_others_put_there_stays(
    library: LibraryPlace, journal: Journal, folder: Path, photos: list[ScoredPhoto], tmp_path: Path
) -> None:
    manager = OrderManager(library, OrderSettings(str(folder), by="date"))
    journal.run(manager, photos)
    (folder / "2024-05-12" / "notes.txt").write_text("mine")
    (folder / "mine").mkdir()
    (folder / "mine" / "0010_0.60_d.jpg").symlink_to(photos[3].path)  # named like ours, in a folder of the user's
    (tmp_path / "elsewhere").mkdir()
    (folder / "2024-05-20").symlink_to(tmp_path / "elsewhere")
    late = photo(library, "late.jpg", 0.5, 20)
    journal.run(manager, [*photos[2:], late])
    assert [(item.path, "is not ours" in item.reason) for item in journal.skipped] == [(late.path, True)]
    assert os.listdir(folder / "2024-05-12") == ["notes.txt"]
    assert os.listdir(tmp_path / "elsewhere") == []
    journal.undo_all(manager)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) == [
        "2024-05-12",
        "2024-05-12/notes.txt",
        "2024-05-20",
        "mine",
        "mine/0010_0.60_d.jpg",
    ]


def test_views_beside_each_other(
    library: LibraryPlace, journal: Journal, photos: list[ScoredPhoto], tmp_path: Path
) -> None:
    settings = OrderSettings(
        view_folder=str(tmp_path / "all"),
        views=(
            View(folder=str(tmp_path / "keepers"), bucket="keep", playlist=str(tmp_path / "keepers.txt")),
            View(folder=str(tmp_path / "nobody's"), head="nobody"),
        ),
    )
    manager = OrderManager(library, settings)
    changes = journal.run(manager, photos)
    assert [change.path.name for change in changes] == ["all", "keepers", "keepers.txt"]
    assert list(links(tmp_path / "keepers")) == ["0010_0.60_d.jpg"]
    assert (tmp_path / "keepers.txt").read_text() == f"{photos[3].path}\n"
    assert [(item.path.name, item.reason) for item in journal.skipped] == [
        ("nobody's", "the head 'nobody' has no scores in this library")
    ]
    assert manager.own_folders() == (tmp_path / "all", tmp_path / "keepers", tmp_path / "nobody's")
    assert set(journal.undo_all(manager)) == {UndoOutcome.RESTORED}
    assert os.listdir(tmp_path) == ["photos"]


def test_a_moved_link_is_dated_now(
    library: LibraryPlace, journal: Journal, folder: Path, photos: list[ScoredPhoto]
) -> None:
    """A link that is older than a label by the trash was brought back by the user (decision 89)."""
    manager = OrderManager(library, OrderSettings(str(folder)))
    journal.run(manager, photos)
    for path in folder.rglob("*.jpg"):
        os.utime(path, (1, 1), follow_symlinks=False)
    journal.run(manager, [*photos[:3], scored(photos[3].path, 0.1)])
    assert {path.name: path.lstat().st_mtime > 1 for path in folder.rglob("*.jpg")} == {
        "0020_0.40_c.jpg": False,
        "0030_0.20_b.jpg": False,
        "0035_0.10_d.jpg": True,
        "0040_0.00_a.jpg": False,
    }


def test_where_names_cannot_be_moved_safely_links_are_made_anew(
    library: LibraryPlace, journal: Journal, folder: Path, photos: list[ScoredPhoto], monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = OrderManager(library, OrderSettings(str(folder)))
    journal.run(manager, photos)
    monkeypatch.setattr("keeprate_order.view_links.rename_new", lambda old, new: False)  # as on macOS
    journal.run(manager, [scored(item.path, 0.7 - item.score) for item in photos])
    assert list(links(folder).values()) == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
