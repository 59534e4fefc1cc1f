"""Modification times as an order: exact, few, and given back only while they are ours."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.plugin_api import (
    Change,
    JournalEntry,
    LibraryPlace,
    MarkRefusedError,
    PhotoFile,
    ScoredPhoto,
    UndoOutcome,
)
from keeprate_order import OrderManager, OrderSettings
from keeprate_order.mtimes import BASE_NS
from support.ordered import Journal, scored

TAKEN_NS = 1_700_000_000_123_456_789
READ_NS = 1_710_000_000_987_654_321


@pytest.fixture
def library(tmp_path: Path) -> LibraryPlace:
    return LibraryPlace("camera", tmp_path)


@pytest.fixture
def journal(library: LibraryPlace) -> Journal:
    return Journal(library)


@pytest.fixture
def manager(library: LibraryPlace) -> OrderManager:
    return OrderManager(library, OrderSettings(touch_mtime=True))


def photo(library: LibraryPlace, name: str, score: float) -> ScoredPhoto:
    path = library.root / name
    path.write_bytes(name.encode())
    os.utime(path, ns=(READ_NS, TAKEN_NS + len(name)))
    return scored(path, score)


def newest_first(library: LibraryPlace) -> list[str]:
    files = sorted(library.root.iterdir(), key=lambda path: -path.stat().st_mtime_ns)
    return [path.name for path in files]


def test_newest_first_is_best_first(library: LibraryPlace, manager: OrderManager, journal: Journal) -> None:
    changes = journal.run(
        manager, [photo(library, name, score) for name, score in zip("abc", (0.1, 0.9, 0.5), strict=True)]
    )
    assert newest_first(library) == ["b", "c", "a"]
    assert all(change.touches_photo and change.content_key for change in changes)
    assert {path.stat().st_atime_ns for path in library.root.iterdir()} == {READ_NS}
    assert (library.root / "a").read_bytes() == b"a"


def test_the_same_order_touches_nothing(library: LibraryPlace, manager: OrderManager, journal: Journal) -> None:
    photos = [photo(library, str(number), number / 20) for number in range(20)]
    assert len(journal.run(manager, photos)) == 20
    assert journal.run(manager, photos) == []
    same_order = [scored(item.path, item.score / 2) for item in photos]
    assert journal.run(manager, same_order) == []


def test_one_photo_elsewhere_is_one_touch_also_after_renames(
    library: LibraryPlace, manager: OrderManager, journal: Journal
) -> None:
    photos = [photo(library, str(number), number / 20) for number in range(20)]
    journal.run(manager, photos)
    renamed = [replace(item, path=item.path.rename(item.path.with_name(f"IMG_{item.path.name}"))) for item in photos]
    renamed[7] = replace(renamed[7], score=0.99)
    [change] = journal.run(manager, renamed)
    assert (change.path, change.before) == (renamed[7].path, str(TAKEN_NS + 1).encode()), "its own time is given back"
    assert newest_first(library)[0] == renamed[7].path.name


def test_worst_first(library: LibraryPlace, journal: Journal) -> None:
    manager = OrderManager(library, OrderSettings(touch_mtime=True, best_first=False))
    journal.run(manager, [photo(library, "good", 0.9), photo(library, "bad", 0.1)])
    assert newest_first(library) == ["bad", "good"]


def test_all_files_of_a_photo_go_along(library: LibraryPlace, manager: OrderManager, journal: Journal) -> None:
    copies = [photo(library, name, 0.9).path for name in ("a", "a copy")]
    journal.run(manager, [scored(copies[0], 0.9, others=copies[1:]), photo(library, "b", 0.1)])
    assert newest_first(library) == ["a", "a copy", "b"]


def test_companions_go_along_and_come_back_by_their_own_key(
    library: LibraryPlace, manager: OrderManager, journal: Journal
) -> None:
    raw, pair, other = (photo(library, name, 0.9) for name in ("a.cr3", "a.jpg", "b.jpg"))
    pair = replace(pair, companions=(PhotoFile(raw.path, "raw-key"),))
    changes = journal.run(manager, [pair, replace(other, score=0.1)])
    assert newest_first(library) == ["a.jpg", "a.cr3", "b.jpg"]
    assert {change.path.name: change.content_key for change in changes}["a.cr3"] == "raw-key"
    assert journal.run(manager, [pair, replace(other, score=0.1)]) == []
    assert set(journal.undo_all(manager)) == {UndoOutcome.RESTORED}
    assert raw.path.stat().st_mtime_ns == TAKEN_NS + len("a.cr3")


def test_all_files_are_in_order_whatever_the_limit_of_what_is_shown(library: LibraryPlace, journal: Journal) -> None:
    manager = OrderManager(library, OrderSettings(touch_mtime=True, limit=1))
    journal.run(manager, [photo(library, name, score) for name, score in zip("abc", (0.1, 0.9, 0.5), strict=True)])
    assert newest_first(library) == ["b", "c", "a"]


class TestLeftAlone:
    @pytest.mark.parametrize("granularity_ns", [2 * 10**9, 10**9, 10**7, 100])
    def test_on_a_disk_that_rounds_times_all_stays_as_it_was(
        self,
        library: LibraryPlace,
        manager: OrderManager,
        journal: Journal,
        monkeypatch: pytest.MonkeyPatch,
        granularity_ns: int,
    ) -> None:
        """FAT keeps two seconds, HFS+ one, exFAT ten milliseconds; NTFS keeps 100 ns, which is enough."""
        item = photo(library, "a", 0.5)
        before = TAKEN_NS // (2 * 10**9) * 2 * 10**9
        os.utime(item.path, ns=(READ_NS, before))
        real = os.utime

        def utime(file: int, *, ns: tuple[int, int]) -> None:
            real(file, ns=(ns[0], ns[1] // granularity_ns * granularity_ns))

        monkeypatch.setattr(os, "utime", utime)
        [change] = [planned for planned in manager.plan(journal.request([item])) if isinstance(planned, Change)]
        if granularity_ns == 100:
            manager.apply(change)
            assert item.path.stat().st_mtime_ns == BASE_NS + 10 * 10**9
            return
        with pytest.raises(MarkRefusedError, match="exactly enough"):
            manager.apply(change)
        assert item.path.stat().st_mtime_ns == before

    def test_files_whose_time_is_not_only_theirs(
        self,
        library: LibraryPlace,
        manager: OrderManager,
        journal: Journal,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        photos = {name: photo(library, name, 0.5) for name in ("linked", "read-only", "symlink", "gone", "plain")}
        (tmp_path_factory.mktemp("backup") / "hard link").hardlink_to(photos["linked"].path)
        photos["read-only"].path.chmod(0o444)
        photos["gone"].path.unlink()
        photos["symlink"].path.unlink()
        photos["symlink"].path.symlink_to(photos["plain"].path)
        assert [change.path.name for change in journal.run(manager, list(photos.values()))] == ["plain"]
        reasons = {item.path.name: item.reason for item in journal.skipped}
        assert reasons == {
            "linked": "it has a second hard link, whose time would change too",
            "read-only": "it is read-only",
            "symlink": "it is no regular file",
            "gone": "its times cannot be read: No such file or directory",
        }

    def test_what_changed_since_the_plan(self, library: LibraryPlace, manager: OrderManager, journal: Journal) -> None:
        item = photo(library, "a", 0.5)
        [change] = [planned for planned in manager.plan(journal.request([item])) if isinstance(planned, Change)]
        os.utime(item.path, ns=(READ_NS, TAKEN_NS))
        with pytest.raises(MarkRefusedError, match="has been changed"):
            manager.apply(change)
        assert item.path.stat().st_mtime_ns == TAKEN_NS
        item.path.chmod(0o400)
        with pytest.raises(MarkRefusedError, match="read-only"):
            manager.apply(change)
        item.path.unlink()
        item.path.symlink_to("elsewhere")
        with pytest.raises(OSError, match="symbolic links"):
            manager.apply(change)


class TestUndo:
    def test_to_the_nanosecond(self, library: LibraryPlace, manager: OrderManager, journal: Journal) -> None:
        photos = [photo(library, str(number), number / 10) for number in range(5)]
        journal.run(manager, photos)
        journal.run(manager, [scored(item.path, random.Random(3 + n).random()) for n, item in enumerate(photos)])
        assert set(journal.undo_all(manager)) == {UndoOutcome.RESTORED}
        assert {path.stat().st_mtime_ns for path in library.root.iterdir()} == {TAKEN_NS + 1}
        assert {path.stat().st_atime_ns for path in library.root.iterdir()} == {READ_NS}

    def test_a_time_that_others_set_since_is_theirs(
        self, library: LibraryPlace, manager: OrderManager, journal: Journal
    ) -> None:
        item = photo(library, "a", 0.5)
        journal.run(manager, [item])
        os.utime(item.path, ns=(READ_NS, TAKEN_NS))
        assert journal.undo_all(manager) == [UndoOutcome.NOT_OURS]
        assert item.path.stat().st_mtime_ns == TAKEN_NS

    def test_a_renamed_photo_is_found(self, library: LibraryPlace, manager: OrderManager, journal: Journal) -> None:
        item = photo(library, "a", 0.5)
        [change] = journal.run(manager, [item])
        moved = item.path.rename(library.root / "moved")
        photo(library, "a", 0.1)  # another one under the old name
        entry = JournalEntry(change.path, change.field, change.before, change.after, (moved,))
        assert manager.standing(entry) == change.after
        assert manager.undo(entry) is UndoOutcome.RESTORED
        assert moved.stat().st_mtime_ns == TAKEN_NS + 1

    def test_a_copy_that_took_our_time_along_gets_the_photos_own(
        self, library: LibraryPlace, manager: OrderManager, journal: Journal
    ) -> None:
        first, second = photo(library, "a", 0.9), photo(library, "b", 0.1)
        journal.run(manager, [first, second])
        copy = library.root / "copy of b"
        shutil.copy2(second.path, copy)
        journal.run(manager, [first, replace(second, other_paths=(copy,))])
        third = library.root / "another copy of b"  # never looked at since
        shutil.copy2(second.path, third)
        keys = dict.fromkeys(journal.content_keys)
        assert len(keys) == 2
        for entry in reversed(journal.entries):
            lying = (first.path,) if entry.path == first.path else (second.path, copy, third)
            manager.undo(replace(entry, photo_paths=lying))
        assert {path.stat().st_mtime_ns for path in library.root.iterdir()} == {TAKEN_NS + 1}

    def test_a_time_of_ours_that_no_journal_knows_is_left(
        self, library: LibraryPlace, manager: OrderManager, journal: Journal
    ) -> None:
        photos = [photo(library, name, score) for name, score in zip("abc", (0.9, 0.5, 0.1), strict=True)]
        journal.run(manager, photos)
        times = {path: path.stat().st_mtime_ns for path in library.root.iterdir()}
        another = Journal(library)
        new = photo(library, "d", 0.3)
        assert [change.path for change in another.run(manager, [*photos[::-1], new])] == [new.path]
        photos = [replace(item, score=1 - item.score) for item in photos]
        another.run(manager, photos)
        assert all("nobody knows" in item.reason for item in another.skipped)
        another.undo_all(manager)
        assert {path: path.stat().st_mtime_ns for path in times} == times

    def test_a_deleted_photo_is_gone(self, library: LibraryPlace, manager: OrderManager, journal: Journal) -> None:
        item = photo(library, "a", 0.5)
        journal.run(manager, [item])
        item.path.unlink()
        assert manager.standing(journal.entries[0]) is None
        assert journal.undo_all(manager) == [UndoOutcome.GONE]


def test_our_times_are_old_and_odd(library: LibraryPlace, manager: OrderManager, journal: Journal) -> None:
    item = photo(library, "a", 0.5)
    journal.run(manager, [item])
    assert item.path.stat().st_mtime_ns == BASE_NS + 10 * 10**9


def test_a_real_time_in_our_years_is_not_taken_for_ours(
    library: LibraryPlace, manager: OrderManager, journal: Journal
) -> None:
    item = photo(library, "a", 0.5)
    os.utime(item.path, (978_307_210, 978_307_210))  # 2001-01-01 00:00:10, to the second
    assert len(journal.run(manager, [item])) == 1
