"""The Finder's tags, with Linux's attributes in the place of macOS's. Nothing here has run on a Mac."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.plugin_api import Channel, LibraryPlace, PhotoFile, ScoredPhoto, Shown, UndoOutcome, UserMarks
from keeprate_finder import FinderManager, FinderSettings
from keeprate_finder.values import packed, unpacked
from support.attributes import PrefixedStore, all_attributes, need_attributes
from support.ordered import Journal, scored

TAGS, INFORMATION = "user.com.apple.metadata:_kMDItemUserTags", "user.com.apple.FinderInfo"


@pytest.fixture
def library(tmp_path: Path) -> LibraryPlace:
    need_attributes(tmp_path)
    return LibraryPlace("camera", tmp_path)


@pytest.fixture
def journal(library: LibraryPlace) -> Journal:
    return Journal(library)


@pytest.fixture
def manager(library: LibraryPlace) -> FinderManager:
    return FinderManager(library, FinderSettings(), PrefixedStore())


def photo(library: LibraryPlace, name: str, score: float, **attributes: bytes) -> ScoredPhoto:
    path = library.root / name
    path.write_bytes(name.encode())
    for attribute, value in attributes.items():
        os.setxattr(path, {"tags": TAGS, "information": INFORMATION}[attribute], value)
    return scored(path, score)


def tags(item: ScoredPhoto) -> list[str]:
    return unpacked(all_attributes(item.path).get(TAGS, b"")) or []


def read(manager: FinderManager, journal: Journal, item: ScoredPhoto) -> UserMarks:
    return manager.read_marks(PhotoFile(item.path, item.content_key), journal.last_written)


def test_best_green_worst_red_and_back_to_the_byte(
    library: LibraryPlace, manager: FinderManager, journal: Journal
) -> None:
    photos = [photo(library, f"{number}.jpg", number / 10) for number in range(11)]
    times = [item.path.stat().st_mtime_ns for item in photos]
    changes = journal.run(manager, photos)
    assert [tags(item) for item in photos] == [["Red\n6"]] * 3 + [[]] * 6 + [["Green\n2"]] * 2
    assert {change.shows for change in changes} == {(Shown(Channel.COLOUR, name),) for name in ("Red", "Green")}
    assert journal.run(manager, photos) == []
    assert {read(manager, journal, item) for item in photos} == {UserMarks()}
    assert set(journal.undo_all(manager)) == {UndoOutcome.RESTORED}
    assert [all_attributes(item.path) for item in photos] == [{}] * 11
    assert [item.path.stat().st_mtime_ns for item in photos] == times


def test_tags_and_colours_of_the_user_are_left_alone_and_read(
    library: LibraryPlace, manager: FinderManager, journal: Journal
) -> None:
    work = photo(library, "work.jpg", 0.95, tags=packed(["Red", "work"]) or b"")
    old = photo(library, "old.jpg", 0.95, information=bytes(9) + bytes([0b1100]) + bytes(22))
    plain = photo(library, "plain.jpg", 0.95, information=bytes(9) + bytes([0b0001]) + bytes(22))
    elsewhere = replace(photo(library, "elsewhere.jpg", 0.95), said=(Shown(Channel.COLOUR, "Red"),))
    assert [change.path.name for change in journal.run(manager, [work, old, plain, elsewhere])] == ["plain.jpg"]
    assert [skipped.reason for skipped in journal.skipped] == ["it has a colour of yours, set by an older program"]
    assert read(manager, journal, work) == UserMarks(colour="Red", keywords=("work",))


def test_what_the_user_took_over_stays_theirs(library: LibraryPlace, manager: FinderManager, journal: Journal) -> None:
    added, removed = photo(library, "added.jpg", 0.95), photo(library, "removed.jpg", 0.95)
    journal.run(manager, [added, removed])
    os.setxattr(added.path, TAGS, packed(["Green", "sea"]) or b"")
    os.removexattr(removed.path, TAGS)
    assert read(manager, journal, added) == UserMarks(keywords=("sea",))
    journal.run(manager, [replace(added, percentile=0.1), replace(removed, percentile=0.1)])
    assert (tags(added), tags(removed)) == (["Green\n2", "sea\n0"], [])
    assert set(journal.undo_all(manager)) <= {UndoOutcome.RESTORED, UndoOutcome.REMOVED_OURS}
    assert (tags(added), all_attributes(removed.path)) == (["sea\n0"], {})


def test_all_tags_that_may_be_asked_for(library: LibraryPlace, journal: Journal) -> None:
    item = photo(library, "a.jpg", 0.95)
    manager = FinderManager(library, FinderSettings(tags=True, tag_root="Rank"), PrefixedStore())
    (change,) = journal.run(manager, [item])
    assert tags(item) == ["Green\n2", "Rank 9\n0"]
    assert change.shows == (Shown(Channel.COLOUR, "Green"), Shown(Channel.KEYWORD, "Rank 9"))


def test_elsewhere_than_on_a_mac_it_says_so_once(
    library: LibraryPlace, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    manager = FinderManager(library, FinderSettings())
    photos = [photo(library, f"{number}.jpg", number / 9) for number in range(9)]
    assert journal.run(manager, photos) == []
    assert [skipped.reason for skipped in journal.skipped] == [
        "the Finder, and the attribute that it keeps tags in, are there on macOS only"
    ]
    assert read(manager, journal, photos[0]) == UserMarks()
