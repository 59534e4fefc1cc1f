"""Stars and tags in KDE's attributes: real attributes of real files wherever the file system keeps them."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.plugin_api import (
    BurstKind,
    BurstPlace,
    Change,
    Channel,
    JournalEntry,
    LibraryPlace,
    MarkRefusedError,
    PhotoFile,
    ScoredPhoto,
    Shown,
    UndoOutcome,
    UserMarks,
)
from keeprate.safe_files import file_state
from keeprate_kde import KdeManager, KdeSettings
from support.attributes import Killed, MemoryStore, all_attributes, need_attributes
from support.ordered import Journal, scored

RATING, TAGS, CLAIM = "user.baloo.rating", "user.xdg.tags", "user.keeprate.wrote"


@pytest.fixture
def library(tmp_path: Path) -> LibraryPlace:
    need_attributes(tmp_path)
    return LibraryPlace("camera", tmp_path)


@pytest.fixture
def journal(library: LibraryPlace) -> Journal:
    return Journal(library)


@pytest.fixture
def manager(library: LibraryPlace) -> KdeManager:
    return KdeManager(library, KdeSettings(tags=True))


def photo(library: LibraryPlace, name: str, score: float, **attributes: bytes) -> ScoredPhoto:
    path = library.root / name
    path.write_bytes(name.encode())
    os.utime(path, ns=(1_710_000_000_987_654_321, 1_700_000_000_123_456_789))
    for attribute, value in attributes.items():
        os.setxattr(path, {"rating": RATING, "tags": TAGS}[attribute], value)
    return scored(path, score)


def rating(item: ScoredPhoto) -> bytes | None:
    return all_attributes(item.path).get(RATING)


def read(manager: KdeManager, journal: Journal, item: ScoredPhoto) -> UserMarks:
    return manager.read_marks(PhotoFile(item.path, item.content_key), journal.last_written)


def test_stars_and_a_tag_where_nothing_is_and_back_to_the_byte(
    library: LibraryPlace, manager: KdeManager, journal: Journal
) -> None:
    photos = [photo(library, f"{number}.jpg", number / 10) for number in range(11)]
    zero = photo(library, "zero.jpg", 0.3, rating=b"0", tags=b"")
    os.setxattr(zero.path, "user.xdg.comment", b"mine")
    everything = [*photos, zero]
    before = [(all_attributes(item.path), item.path.read_bytes(), item.path.stat().st_mtime_ns) for item in everything]
    changes = journal.run(manager, everything)
    assert [rating(item) for item in everything] == [
        b"2", b"2", b"2", b"4", b"4", b"6", b"6", b"6", b"8", b"10", b"10", b"4",
    ]  # fmt: skip
    assert all_attributes(photos[9].path)[TAGS] == b"Score 9"
    best = next(change for change in changes if change.path == photos[10].path)
    assert best.shows == (Shown(Channel.RATING, "5"), Shown(Channel.KEYWORD, "Score 9"))
    assert best.touches_photo
    assert best.content_key == photos[10].content_key
    assert journal.run(manager, everything) == []
    assert [read(manager, journal, item) for item in everything] == [UserMarks()] * len(everything)
    assert set(journal.undo_all(manager)) == {UndoOutcome.RESTORED}
    after = [(all_attributes(item.path), item.path.read_bytes(), item.path.stat().st_mtime_ns) for item in everything]
    assert after == before


def test_what_the_user_set_is_never_touched(library: LibraryPlace, manager: KdeManager, journal: Journal) -> None:
    rated = photo(library, "rated.jpg", 0.95, rating=b"3", tags=b"sea,a/b")
    odd = photo(library, "odd.jpg", 0.95, rating=b"many", tags=b"\xff")
    before = [all_attributes(item.path) for item in (rated, odd)]
    assert journal.run(manager, [rated, odd]) == []
    assert [all_attributes(item.path) for item in (rated, odd)] == before
    assert read(manager, journal, rated) == UserMarks(rating=2, keywords=("a|b", "sea"))


@pytest.mark.parametrize("value", [b"4", b"10", b"0", None], ids=["other", "best", "zero", "removed"])
def test_what_the_user_took_over_stays_theirs(
    library: LibraryPlace, manager: KdeManager, journal: Journal, value: bytes | None
) -> None:
    item = photo(library, "a.jpg", 0.6)
    journal.run(manager, [item])
    if value is None:
        os.removexattr(item.path, RATING)
    else:
        os.setxattr(item.path, RATING, value)
    stars = {b"4": 2, b"10": 5}.get(value or b"0")
    assert read(manager, journal, item) == UserMarks(rating=stars)
    for score in (0.95, 0.3, 0.95):  # 0.95 would be ten, which may be what stands
        journal.run(manager, [scored(item.path, score)])
        assert rating(item) == value
        assert read(manager, journal, item).rating == stars
    assert all_attributes(item.path)[TAGS] == b"Score 9"
    assert UndoOutcome.NOT_OURS not in journal.undo_all(manager)
    assert all_attributes(item.path) == ({} if value is None else {RATING: value})


def test_a_tag_added_to_ours_stays_alone_after_undo(
    library: LibraryPlace, manager: KdeManager, journal: Journal
) -> None:
    item = photo(library, "a.jpg", 0.6)
    journal.run(manager, [item])
    os.setxattr(item.path, TAGS, b"Score 6,sea")
    assert read(manager, journal, item).keywords == ("sea",)
    journal.run(manager, [scored(item.path, 0.95)])
    assert all_attributes(item.path)[TAGS] == b"Score 6,sea"
    journal.undo_all(manager)
    assert all_attributes(item.path) == {TAGS: b"sea"}


def test_attributes_that_a_program_dropped_do_not_come_back_until_undone(
    library: LibraryPlace, manager: KdeManager, journal: Journal
) -> None:
    item = photo(library, "a.jpg", 0.6)
    journal.run(manager, [item])
    for name in all_attributes(item.path):
        os.removexattr(item.path, name)
    for score in (0.6, 0.95):
        journal.run(manager, [scored(item.path, score)])
        assert set(all_attributes(item.path)) <= {CLAIM}
    journal.undo_all(manager)
    assert all_attributes(item.path) == {}
    journal.run(manager, [item])
    assert rating(item) == b"6"


def test_who_decided_or_rated_elsewhere_sees_none_of_ours(
    library: LibraryPlace, manager: KdeManager, journal: Journal
) -> None:
    kept = photo(library, "kept.jpg", 0.95)
    rated = photo(library, "rated.jpg", 0.95)
    journal.run(manager, [kept, rated])
    decided = [replace(kept, label="keep"), replace(rated, said=(Shown(Channel.RATING, "2"),))]
    journal.run(manager, decided)
    assert all_attributes(kept.path) == {}
    assert set(all_attributes(rated.path)) == {TAGS, CLAIM}
    assert journal.run(manager, decided) == []
    assert journal.run(KdeManager(library, KdeSettings(reviewed=True)), decided)
    assert rating(kept) == b"10"
    assert set(journal.undo_all(manager)) == {UndoOutcome.RESTORED}
    assert all_attributes(kept.path) == all_attributes(rated.path) == {}


def test_one_undone_step_brings_back_marks_that_are_known_as_ours(
    library: LibraryPlace, manager: KdeManager, journal: Journal
) -> None:
    item = photo(library, "a.jpg", 0.95)
    journal.run(manager, [item])
    journal.run(manager, [replace(item, label="keep")])
    assert manager.undo(journal.entries.pop()) is UndoOutcome.RESTORED
    assert rating(item) == b"10"
    assert read(manager, journal, item) == UserMarks()


class TestSeveralNames:
    def test_copies_and_companions_are_marked_each_with_its_own_key(
        self, library: LibraryPlace, manager: KdeManager, journal: Journal
    ) -> None:
        item, copy, raw = (photo(library, name, 0.95) for name in ("a.jpg", "b.jpg", "a.cr2"))
        item = replace(item, other_paths=(copy.path,), companions=(PhotoFile(raw.path, "test:the raw"),))
        changes = journal.run(manager, [item])
        assert [(change.path, change.content_key) for change in changes] == [
            (item.path, item.content_key), (copy.path, item.content_key), (raw.path, "test:the raw"),
        ]  # fmt: skip

    def test_links_within_the_library_are_followed_once_and_others_not_at_all(
        self, library: LibraryPlace, journal: Journal
    ) -> None:
        inside, outside = library.root / "library", library.root / "outside.jpg"
        inside.mkdir()
        outside.write_bytes(b"outside")
        place = LibraryPlace("camera", inside)
        item = photo(place, "a.jpg", 0.95)
        for name, target in (("link.jpg", item.path), ("away.jpg", outside)):
            (inside / name).symlink_to(target)
        os.link(item.path, inside / "hard.jpg")
        manager = KdeManager(place, KdeSettings())
        changes = journal.run(
            manager, [item, *(scored(inside / name, 0.5) for name in ("link.jpg", "hard.jpg", "away.jpg"))]
        )
        assert [change.path for change in changes] == [item.path]
        assert [(skipped.path.name, skipped.reason) for skipped in journal.skipped] == [
            ("away.jpg", "it is a link out of the library")
        ]
        assert all_attributes(outside) == {}

    def test_a_renamed_photo_is_still_ours_to_change_and_to_restore(
        self, library: LibraryPlace, manager: KdeManager, journal: Journal
    ) -> None:
        item = photo(library, "a.jpg", 0.95)
        journal.run(manager, [item])
        renamed = replace(item, path=item.path.rename(library.root / "b.jpg"), percentile=0.1)
        journal.run(manager, [renamed])
        assert rating(renamed) == b"2"
        entries = [replace(entry, photo_paths=(renamed.path,)) for entry in reversed(journal.entries)]
        assert [manager.undo(entry) for entry in entries] == [UndoOutcome.RESTORED] * 2
        assert all_attributes(renamed.path) == {}

    def test_photos_that_swap_their_names_keep_their_marks(
        self, library: LibraryPlace, manager: KdeManager, journal: Journal
    ) -> None:
        one, two = photo(library, "1.jpg", 0.95), photo(library, "2.jpg", 0.1)
        journal.run(manager, [one, two])
        one.path.rename(library.root / "0.jpg")
        two.path.rename(one.path)
        (library.root / "0.jpg").rename(two.path)
        one, two = replace(one, path=two.path), replace(two, path=one.path)
        assert journal.run(manager, [one, two]) == []
        journal.run(manager, [replace(one, percentile=0.5), two])
        assert (rating(one), rating(two)) == (b"6", b"2")

    def test_an_edited_copy_is_left_alone_and_its_stars_are_not_taken_for_the_users(
        self, library: LibraryPlace, manager: KdeManager, journal: Journal
    ) -> None:
        item = photo(library, "a.jpg", 0.95)
        journal.run(manager, [item])
        copy = photo(library, "edited.jpg", 0.1)
        for name, value in all_attributes(item.path).items():
            os.setxattr(copy.path, name, value)
        assert journal.run(manager, [item, copy]) == []
        assert "another picture" in journal.skipped[0].reason
        assert read(manager, journal, copy) == UserMarks()

    def test_a_copy_that_carries_our_marks_loses_them_with_the_original(
        self, library: LibraryPlace, manager: KdeManager, journal: Journal
    ) -> None:
        item = photo(library, "a.jpg", 0.95)
        journal.run(manager, [item])
        copy = photo(library, "copy.jpg", 0.95)
        for name, value in all_attributes(item.path).items():
            os.setxattr(copy.path, name, value)
        entry = replace(journal.entries[0], photo_paths=(item.path, copy.path))
        assert manager.undo(entry) is UndoOutcome.RESTORED
        assert all_attributes(copy.path) == all_attributes(item.path) == {}


class TestBadLuck:
    """What file systems and other programs do, by a store that is told to do it."""

    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()

    @pytest.fixture
    def manager(self, library: LibraryPlace, store: MemoryStore) -> KdeManager:
        return KdeManager(library, KdeSettings(tags=True), store)

    def test_a_file_system_without_attributes_is_told_of_once(
        self, library: LibraryPlace, manager: KdeManager, store: MemoryStore, journal: Journal
    ) -> None:
        photos = [photo(library, f"{number}.jpg", number / 9) for number in range(9)]
        store.unsupported = True
        assert journal.run(manager, photos) == []
        assert len(journal.skipped) == 1
        assert "no extended attributes" in journal.skipped[0].reason
        assert read(manager, journal, photos[0]) == UserMarks()

    def test_one_that_reads_but_does_not_write_is_refused_once(
        self, library: LibraryPlace, manager: KdeManager, store: MemoryStore, journal: Journal
    ) -> None:
        photos = [photo(library, f"{number}.jpg", number / 9) for number in range(9)]
        plan = manager.plan(journal.request(photos))
        first = next(plan)
        assert isinstance(first, Change)
        store.refuse_in, store.refusal = 0, errno.ENOTSUP
        with pytest.raises(MarkRefusedError, match="no extended attributes"):
            manager.apply(first)
        assert list(plan) == []

    @pytest.mark.parametrize("number", [errno.EPERM, errno.EROFS, errno.EDQUOT, errno.EIO])
    @pytest.mark.parametrize("after", range(4))
    def test_a_write_that_fails_half_way_leaves_nothing(
        self, library: LibraryPlace, manager: KdeManager, store: MemoryStore, journal: Journal, number: int, after: int
    ) -> None:
        item = photo(library, "a.jpg", 0.95)
        store.at(item.path)[RATING] = b"0"
        change = next(manager.plan(journal.request([item])))
        assert isinstance(change, Change)
        store.refuse_in, store.refusal = after, number
        with pytest.raises(OSError, match=os.strerror(number)):
            manager.apply(change)
        assert store.at(item.path) == {RATING: b"0"}

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.E2BIG])
    def test_no_room_for_attributes_is_no_full_disk(
        self, library: LibraryPlace, manager: KdeManager, store: MemoryStore, journal: Journal, number: int
    ) -> None:
        item = photo(library, "a.jpg", 0.95)
        change = next(manager.plan(journal.request([item])))
        assert isinstance(change, Change)
        store.refuse_in, store.refusal = 1, number
        with pytest.raises(MarkRefusedError, match=r"a\.jpg: there is no room"):
            manager.apply(change)
        assert store.at(item.path) == {}

    def test_a_value_set_between_plan_and_apply_wins(
        self, library: LibraryPlace, manager: KdeManager, store: MemoryStore, journal: Journal
    ) -> None:
        item = photo(library, "a.jpg", 0.95)
        change = next(manager.plan(journal.request([item])))
        assert isinstance(change, Change)
        store.at(item.path)[RATING] = b"3"
        with pytest.raises(MarkRefusedError, match="changed since"):
            manager.apply(change)
        assert store.at(item.path) == {RATING: b"3"}

    def test_a_value_set_in_the_middle_of_a_write_wins(
        self, library: LibraryPlace, manager: KdeManager, store: MemoryStore, journal: Journal
    ) -> None:
        item = photo(library, "a.jpg", 0.95)
        change = next(manager.plan(journal.request([item])))
        assert isinstance(change, Change)
        original = store.set

        def rated_by_another(descriptor: int, name: str, value: bytes, *, new: bool) -> None:
            if name == RATING:
                store.at(item.path)[RATING] = b"3"
            original(descriptor, name, value, new=new)

        store.set = rated_by_another  # type: ignore[method-assign]
        with pytest.raises(MarkRefusedError, match="another program"):
            manager.apply(change)
        assert store.at(item.path) == {RATING: b"3"}

    @pytest.mark.parametrize("steps", range(4))
    @pytest.mark.parametrize("second", [0.1, 0.95], ids=["re-scored", "again"])
    def test_killed_at_any_step_and_run_again(
        self,
        library: LibraryPlace,
        manager: KdeManager,
        store: MemoryStore,
        journal: Journal,
        steps: int,
        second: float,
    ) -> None:
        item = photo(library, "a.jpg", 0.6)
        journal.run(manager, [item])
        marked = dict(store.at(item.path))
        for score in (0.95, second):
            change = next(iter(manager.plan(journal.request([scored(item.path, score)]))), None)
            if change is None:
                break
            assert isinstance(change, Change)
            store.kill_in = steps
            with suppress(Killed):  # what was killed before may need fewer steps now
                manager.apply(change)
            store.kill_in = None
            assert read(manager, journal, item) == UserMarks()
            entry = JournalEntry(change.path, change.field, change.before, change.after, ())
            if manager.standing(entry) != change.before:
                journal.entries.append(entry)
            else:
                assert store.at(item.path) == marked
        journal.run(manager, [scored(item.path, second)])
        assert store.at(item.path)[RATING] == (b"2" if second == 0.1 else b"10")
        assert UndoOutcome.NOT_OURS not in journal.undo_all(manager)
        assert store.at(item.path) == {}

    @pytest.mark.parametrize("steps", range(4))
    def test_killed_at_the_first_write_is_no_removal_by_the_user(
        self, library: LibraryPlace, manager: KdeManager, store: MemoryStore, journal: Journal, steps: int
    ) -> None:
        item = photo(library, "a.jpg", 0.6)
        (change,) = manager.plan(journal.request([item]))
        assert isinstance(change, Change)
        store.kill_in = steps
        with pytest.raises(Killed):
            manager.apply(change)
        store.kill_in = None
        if steps:  # else nothing stands, and the entry is dropped
            journal.entries.append(JournalEntry(change.path, change.field, change.before, change.after, ()))
        assert journal.run(manager, [item])
        assert store.at(item.path)[RATING] == b"6"
        assert journal.run(manager, [item]) == []
        journal.undo_all(manager)
        assert store.at(item.path) == {}

    @pytest.mark.parametrize("steps", range(4))
    @pytest.mark.parametrize("then", ["undone again", "written again"])
    def test_killed_while_it_is_taken_back(
        self, library: LibraryPlace, manager: KdeManager, store: MemoryStore, journal: Journal, steps: int, then: str
    ) -> None:
        item = photo(library, "a.jpg", 0.6)
        journal.run(manager, [item])
        journal.run(manager, [scored(item.path, 0.95)])
        store.kill_in = steps
        with pytest.raises(Killed):
            manager.undo(journal.entries[-1])
        store.kill_in = None
        if then == "written again":
            journal.run(manager, [scored(item.path, 0.1)])
            assert store.at(item.path)[RATING] == b"2"
        journal.undo_all(manager)
        assert store.at(item.path) == {}

    def test_write_protected_and_missing_files_are_left_with_a_reason(
        self, library: LibraryPlace, manager: KdeManager, journal: Journal
    ) -> None:
        locked, gone = photo(library, "locked.jpg", 0.5), scored(library.root / "gone.jpg", 0.4)
        locked.path.chmod(0o444)
        assert journal.run(manager, [locked, gone]) == []
        assert [skipped.reason for skipped in journal.skipped] == ["it is write-protected", os.strerror(errno.ENOENT)]

    def test_files_of_others_are_left_with_a_reason(
        self, library: LibraryPlace, manager: KdeManager, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        item = photo(library, "theirs.jpg", 0.5)
        monkeypatch.setattr(os, "access", lambda *_: False)
        assert journal.run(manager, [item]) == []
        assert journal.skipped[0].reason == "it may not be written by you"

    def test_without_attributes_at_all_the_system_is_named(
        self, library: LibraryPlace, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(os, "getxattr")
        manager = KdeManager(library, KdeSettings())
        assert journal.run(manager, [scored(library.root / "a.jpg", 0.5)]) == []
        assert "this system does not have" in journal.skipped[0].reason


def test_a_real_file_without_room_is_refused(library: LibraryPlace, manager: KdeManager, journal: Journal) -> None:
    item = photo(library, "a.jpg", 0.95)
    try:
        for number in range(10_000):
            os.setxattr(item.path, f"user.filler{number}", b"x" * 32)
    except OSError:
        pass
    else:
        pytest.skip("this file system has room for very many attributes")
    before, state = all_attributes(item.path), file_state(item.path)
    change = next(manager.plan(journal.request([item])))
    assert isinstance(change, Change)
    with pytest.raises(MarkRefusedError, match="no room"):
        manager.apply(change)
    assert all_attributes(item.path) == before
    assert state is not None


def test_the_best_of_a_burst_gets_its_tag(library: LibraryPlace, journal: Journal) -> None:
    first = replace(photo(library, "a.jpg", 0.9), burst=BurstPlace("b", BurstKind.BURST, 1, 2))
    second = replace(photo(library, "b.jpg", 0.8), burst=BurstPlace("b", BurstKind.BURST, 2, 2))
    whole = replace(photo(library, "c.jpg", 0.7), burst=BurstPlace("c", BurstKind.PANORAMA, 1, 2))
    manager = KdeManager(library, KdeSettings(stars=False, tags=True, tag_root="Rank", best_of_burst=True))
    journal.run(manager, [first, second, whole])
    tags = [all_attributes(item.path)[TAGS] for item in (first, second, whole)]
    assert tags == [b"Rank 9,Best of burst", b"Rank 8", b"Rank 7"]
    assert rating(first) is None


@pytest.mark.parametrize("root", ["", "  ", "a,b"])
def test_tags_that_would_not_be_one_tag_are_refused(root: str) -> None:
    with pytest.raises(ValueError, match="comma"):
        KdeSettings(tag_root=root)
