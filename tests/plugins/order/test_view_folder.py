"""The view folder, on a real file system: in order, kept with few changes, and never a stranger's folder."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keeprate.plugin_api import (
    JournalEntry,
    LibraryPlace,
    MarkRefusedError,
    PhotoManager,
    ScoredPhoto,
    Skipped,
    UndoOutcome,
)
from keeprate.safe_files import TEMPORARY_PREFIX
from keeprate_order import OrderManager, OrderSettings
from keeprate_order.view_folder import ViewChange
from keeprate_order.view_links import Standing
from keeprate_order.view_marker import MARKER_NAME, NO_MEDIA_NAME
from support.ordered import Journal, scored
from support.waiting import COMMAND_S

OURS = {MARKER_NAME, NO_MEDIA_NAME}


@pytest.fixture
def library(tmp_path: Path) -> LibraryPlace:
    root = tmp_path / "photos"
    root.mkdir()
    return LibraryPlace("camera", root)


@pytest.fixture
def journal(library: LibraryPlace) -> Journal:
    return Journal(library)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "by score"


@pytest.fixture
def manager(library: LibraryPlace, folder: Path) -> OrderManager:
    return OrderManager(library, OrderSettings(view_folder=str(folder)))


def photo(library: LibraryPlace, name: str, score: float, *, label: str | None = None) -> ScoredPhoto:
    path = library.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.fsencode(name))
    return scored(path, score, label=label)


def names(folder: Path) -> list[str]:
    return sorted(set(os.listdir(folder)) - OURS)


def targets(folder: Path) -> list[Path]:
    """Where the links lead, in the order in which viewers show them."""
    return [Path(os.path.realpath(folder / name)) for name in names(folder)]


def linked_from(folder: Path) -> list[Path]:
    """All links at any depth, in the order of their paths."""
    return sorted(path for path in folder.rglob("*") if path.is_symlink() and path.name not in OURS)


def paths(photos: list[ScoredPhoto]) -> list[Path]:
    return [item.path for item in photos]


def test_links_stand_in_the_order_of_the_scores(
    library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path
) -> None:
    journal.run(manager, [photo(library, "b.jpg", 0.2), photo(library, "2026/a.jpg", 0.934)])
    assert names(folder) == ["0010_0.93_a.jpg", "0020_0.20_b.jpg"]
    assert (folder / "0010_0.93_a.jpg").readlink() == library.root / "2026" / "a.jpg"
    assert (folder / "0020_0.20_b.jpg").read_bytes() == b"b.jpg"
    assert json.loads((folder / MARKER_NAME).read_bytes())["library"] == "camera"
    assert manager.own_folders() == (folder,)


def test_nothing_to_do_is_no_change(library: LibraryPlace, manager: OrderManager, journal: Journal) -> None:
    photos = [photo(library, f"{number}.jpg", number / 10) for number in range(5)]
    assert len(journal.run(manager, photos)) == 1
    assert journal.run(manager, photos) == []


def test_planning_changes_nothing(library: LibraryPlace, manager: OrderManager, journal: Journal) -> None:
    list(manager.plan(journal.request([photo(library, "a.jpg", 0.5)])))
    assert os.listdir(library.root.parent) == ["photos"]


def test_no_photos_yet_makes_no_folder(manager: OrderManager, journal: Journal, folder: Path) -> None:
    assert journal.run(manager, []) == []
    assert not folder.exists()


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        (OrderSettings(), ["0.9", "0.5", "0.1"]),
        (OrderSettings(best_first=False), ["0.1", "0.5", "0.9"]),
        (OrderSettings(reviewed=True), ["0.9", "0.7", "0.5", "0.1"]),
        (OrderSettings(limit=2), ["0.9", "0.5"]),
        (OrderSettings(limit=1, best_first=False), ["0.1"]),
    ],
)
def test_settings_choose_what_is_shown(
    library: LibraryPlace, journal: Journal, folder: Path, chosen: OrderSettings, shown: list[str]
) -> None:
    with_folder = OrderSettings(str(folder), "absolute", chosen.best_first, chosen.reviewed, chosen.limit)
    photos = [photo(library, f"{score}.jpg", score) for score in (0.1, 0.5, 0.9)]
    photos.append(photo(library, "keep/0.7.jpg", 0.7, label="keep"))
    journal.run(OrderManager(library, with_folder), photos)
    assert [path.stem for path in targets(folder)] == shown


def test_relative_links_survive_a_move_of_the_whole_disk(
    library: LibraryPlace, journal: Journal, tmp_path: Path
) -> None:
    folder = library.root / "by-score"
    manager = OrderManager(library, OrderSettings(view_folder="by-score", links="relative"))
    photos = [photo(library, "2026/a.jpg", 0.9)]
    journal.run(manager, photos)
    assert str((folder / "0010_0.90_a.jpg").readlink()) == "../2026/a.jpg"
    assert journal.run(manager, photos) == []
    library.root.rename(tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "by-score" / "0010_0.90_a.jpg").read_bytes() == b"2026/a.jpg"


def test_relative_links_through_a_linked_folder_point_to_the_photo(
    library: LibraryPlace, journal: Journal, tmp_path: Path
) -> None:
    (tmp_path / "disk" / "deep").mkdir(parents=True)
    (tmp_path / "shortcut").symlink_to(tmp_path / "disk" / "deep")
    manager = OrderManager(library, OrderSettings(view_folder=str(tmp_path / "shortcut" / "view"), links="relative"))
    photos = [photo(library, "a.jpg", 0.9)]
    journal.run(manager, photos)
    assert targets(tmp_path / "disk" / "deep" / "view") == paths(photos)
    assert journal.run(manager, photos) == []


def test_odd_names(library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path) -> None:
    odd = [os.fsdecode(b"caf\xe9.jpg"), "x" * 251 + ".jpg", "line\nbreak.jpg", '"quoted".jpg', "two.jpg"]
    photos = [photo(library, name, 0.5) for name in odd]
    photos.append(photo(library, "other/two.jpg", 0.5))  # the same name twice
    journal.run(manager, photos)
    assert sorted(targets(folder)) == sorted(paths(photos))
    assert journal.run(manager, photos) == []
    assert journal.undo_all(manager) == [UndoOutcome.RESTORED]


def test_a_changed_score_renames_only_when_it_reads_differently(
    library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path
) -> None:
    a, b = photo(library, "a.jpg", 0.90), photo(library, "b.jpg", 0.50)
    journal.run(manager, [a, b])
    assert journal.run(manager, [scored(a.path, 0.902), b]) == []
    journal.run(manager, [scored(a.path, 0.80), b])
    assert names(folder) == ["0010_0.80_a.jpg", "0020_0.50_b.jpg"]


def test_a_photo_moved_on_disk_takes_its_link_along(
    library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path
) -> None:
    photos = [photo(library, f"{number}.jpg", number / 10) for number in range(1, 6)]
    journal.run(manager, photos)
    moved = library.root / "2026" / "3.jpg"
    moved.parent.mkdir()
    photos[2].path.rename(moved)
    photos[2] = scored(moved, 0.3)
    journal.run(manager, photos)
    assert targets(folder) == [*reversed(paths(photos))]


def test_a_reviewed_photo_leaves_and_no_other_link_is_touched(
    library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path
) -> None:
    photos = [photo(library, f"{number}.jpg", number / 10) for number in range(1, 6)]
    journal.run(manager, photos)
    before = names(folder)
    photos[1].path.unlink()
    journal.run(manager, [*photos[:1], *photos[2:]])
    assert names(folder) == [name for name in before if not name.endswith("_2.jpg")]


def test_two_photos_of_one_name_can_change_places(
    library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path
) -> None:
    a, b = photo(library, "a/same.jpg", 0.5), photo(library, "b/same.jpg", 0.5)
    journal.run(manager, [a, b])
    journal.run(manager, [b, a])
    assert targets(folder) == [b.path, a.path]


def test_more_photos_than_digits_renumbers_once(
    library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path
) -> None:
    photos = [photo(library, f"{number}.jpg", number / 1001) for number in range(1001)]
    journal.run(manager, photos[:999])
    assert names(folder)[0].startswith("0010_")
    journal.run(manager, photos)
    assert targets(folder) == [*reversed(paths(photos))]
    assert names(folder)[0].startswith("00010_")


class TestStrangers:
    """What keeprate did not make, it does not touch."""

    def test_a_folder_with_something_in_it_is_refused(
        self, library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path
    ) -> None:
        folder.mkdir()
        (folder / "mine.txt").write_text("mine")
        photos = [photo(library, "a.jpg", 0.5)]
        assert journal.run(manager, photos) == []
        assert journal.skipped == [
            Skipped(folder, "the folder is not empty and keeprate did not make it; choose a new or an empty one")
        ]
        change = ViewChange(
            path=folder, field="view-folder", before=None, after=b"1", summary="", links=(), standing=Standing()
        )
        with pytest.raises(MarkRefusedError, match="not empty"):
            manager.apply(change)
        assert os.listdir(folder) == ["mine.txt"]

    @pytest.mark.parametrize("where", [".", "..", "../photos", "inside/../../photos"])
    def test_the_library_itself_is_refused(self, library: LibraryPlace, journal: Journal, where: str) -> None:
        manager = OrderManager(library, OrderSettings(view_folder=str(library.root / where)))
        assert journal.run(manager, [photo(library, "a.jpg", 0.5)]) == []
        assert "would hold the library itself" in journal.skipped[0].reason

    def test_a_link_to_the_library_is_refused(
        self, library: LibraryPlace, journal: Journal, folder: Path, manager: OrderManager
    ) -> None:
        folder.symlink_to(library.root)
        assert journal.run(manager, [photo(library, "a.jpg", 0.5)]) == []
        assert "would hold the library itself" in journal.skipped[0].reason

    def test_a_file_in_the_place_is_refused(
        self, library: LibraryPlace, journal: Journal, folder: Path, manager: OrderManager
    ) -> None:
        folder.write_text("a file")
        assert journal.run(manager, [photo(library, "a.jpg", 0.5)]) == []
        assert "a file stands" in journal.skipped[0].reason

    def test_the_view_of_another_library_is_refused(
        self, library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path, tmp_path: Path
    ) -> None:
        journal.run(manager, [photo(library, "a.jpg", 0.5)])
        (tmp_path / "scans").mkdir()
        other = LibraryPlace("scans", tmp_path / "scans")
        rival, its_journal = OrderManager(other, OrderSettings(view_folder=str(folder))), Journal(other)
        assert its_journal.run(rival, [photo(other, "b.jpg", 0.5)]) == []
        assert "the view of the library 'camera'" in its_journal.skipped[0].reason
        assert rival.undo(journal.entries[0]) is UndoOutcome.NOT_OURS

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"[]",
            b"\xff\xfe",
            b'{"made_by": "keeprate"}',
            b"[" * 60_000,
            b'{"made_by": "keeprate"' * 9999,
        ],
    )
    def test_a_broken_marker_makes_it_a_strangers_folder(
        self, library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path, content: bytes
    ) -> None:
        folder.mkdir()
        (folder / MARKER_NAME).write_bytes(content)
        assert journal.run(manager, [photo(library, "a.jpg", 0.5)]) == []
        assert "keeprate did not make it" in journal.skipped[0].reason

    def test_a_linked_marker_is_no_marker(
        self, library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path, tmp_path: Path
    ) -> None:
        journal.run(manager, [photo(library, "a.jpg", 0.5)])
        (folder / MARKER_NAME).rename(tmp_path / "marker")
        (folder / MARKER_NAME).symlink_to(tmp_path / "marker")
        assert journal.run(manager, [photo(library, "b.jpg", 0.5)]) == []

    def test_what_others_put_into_the_view_stays(
        self, library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path, tmp_path: Path
    ) -> None:
        photos = [photo(library, f"{number}.jpg", number / 10) for number in (1, 2, 3)]
        journal.run(manager, photos)
        edited = folder / "0020_0.20_2.jpg"
        edited.unlink()
        edited.write_bytes(b"edited by a program that replaces links")
        (folder / "my link.jpg").symlink_to(photos[0].path)
        (folder / "0015_0.30_out.jpg").symlink_to(tmp_path / "out.jpg")  # our name, but out of the library
        (folder / "0016_0.30_1.jpg").symlink_to(photos[1].path)  # into it, but not the name we would give
        (folder / "notes.txt").write_text("mine")
        strange = {edited.name, "my link.jpg", "0015_0.30_out.jpg", "0016_0.30_1.jpg", "notes.txt"}

        journal.run(manager, [scored(photos[0].path, 0.9), *photos[1:]])
        assert strange <= set(names(folder))
        assert edited.read_bytes() == b"edited by a program that replaces links"
        assert {photos[0].path, photos[1].path, photos[2].path} <= set(targets(folder))

        outcomes = journal.undo_all(manager)
        assert set(outcomes) == {UndoOutcome.REMOVED_OURS, UndoOutcome.NOT_OURS}
        assert set(os.listdir(folder)) == strange

    def test_a_name_that_is_taken_is_left_out_and_reported(
        self, library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path
    ) -> None:
        first = photo(library, "a.jpg", 0.5)
        journal.run(manager, [first])
        (folder / "0020_0.40_b.jpg").write_bytes(b"mine")
        second = photo(library, "b.jpg", 0.4)
        journal.run(manager, [first, second])
        assert (folder / "0020_0.40_b.jpg").read_bytes() == b"mine"
        assert [item.path for item in journal.skipped] == [second.path]


class TestUndo:
    def test_all_of_it_goes_and_the_photos_stay(
        self, library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path
    ) -> None:
        photos = [photo(library, f"{number}.jpg", number / 10) for number in range(3)]
        journal.run(manager, photos)
        journal.run(manager, photos[1:])
        assert journal.undo_all(manager) == [UndoOutcome.REMOVED_OURS, UndoOutcome.GONE]
        assert not folder.exists()
        assert all(path.exists() for path in paths(photos))

    def test_an_empty_folder_of_the_users_is_given_back_empty(
        self, library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path
    ) -> None:
        folder.mkdir()
        journal.run(manager, [photo(library, "a.jpg", 0.5)])
        assert journal.undo_all(manager) == [UndoOutcome.RESTORED]
        assert os.listdir(folder) == []

    def test_a_view_that_the_user_deleted_is_gone(
        self, library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path
    ) -> None:
        journal.run(manager, [photo(library, "a.jpg", 0.5)])
        shutil.rmtree(folder)
        assert manager.standing(journal.entries[0]) is None
        assert journal.undo_all(manager) == [UndoOutcome.GONE]

    def test_links_into_a_root_that_has_moved_are_still_ours(
        self, library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path, tmp_path: Path
    ) -> None:
        journal.run(manager, [photo(library, "a.jpg", 0.5)])
        moved = LibraryPlace("camera", tmp_path / "moved")
        library.root.rename(moved.root)
        again = OrderManager(moved, OrderSettings(view_folder=str(folder)))
        journal.run(again, [scored(moved.root / "a.jpg", 0.5)])
        assert targets(folder) == [moved.root / "a.jpg"]


class TestInterruptions:
    def test_a_write_by_another_run_since_the_plan_is_refused(
        self, library: LibraryPlace, manager: OrderManager, journal: Journal
    ) -> None:
        a, b = photo(library, "a.jpg", 0.5), photo(library, "b.jpg", 0.4)
        [late] = [item for item in manager.plan(journal.request([a, b])) if isinstance(item, ViewChange)]
        journal.run(manager, [a])
        with pytest.raises(MarkRefusedError, match="another run"):
            manager.apply(late)

    def test_a_link_that_vanished_comes_back(
        self, library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path
    ) -> None:
        photos = [photo(library, f"{number}.jpg", number / 10) for number in range(3)]
        journal.run(manager, photos)
        (folder / names(folder)[1]).unlink()
        (folder / NO_MEDIA_NAME).unlink()
        [change] = journal.run(manager, photos)
        assert change.before != change.after
        assert targets(folder) == [*reversed(paths(photos))]

    @pytest.mark.parametrize(
        ("from_nothing", "then", "by"),
        [
            (False, "run again", "score"),
            (False, "undo", "score"),
            (True, "undo", "score"),
            (False, "run again", "bucket"),
            (True, "run again", "bucket"),
        ],
    )
    def test_killed_anywhere_it_can_go_on_and_go_back(
        self, library: LibraryPlace, folder: Path, then: str, from_nothing: bool, by: Literal["score", "bucket"]
    ) -> None:
        """SIGKILL before each single change to the folder: before the first, then before the second …"""
        manager = OrderManager(library, OrderSettings(view_folder=str(folder), by=by))
        photos = [photo(library, f"{number}.jpg", number / 10) for number in range(6)]
        turned = [scored(item.path, 1 - item.score) for item in photos[2:]]
        finished, kills = False, 0
        while not finished:
            journal = Journal(library)
            if not from_nothing:
                journal.run(manager, photos)
                linked_from(folder)[0].unlink()
                linked = {link.resolve() for link in linked_from(folder)}.intersection(paths(turned))
            finished = _run_killed_after(kills, library, folder, turned, by)
            kills += 1
            if not from_nothing:  # the view can be used: what had a link has one still
                assert linked <= {link.resolve() for link in linked_from(folder)}
            if then == "run again":
                journal.run(manager, turned)
                assert [link.resolve() for link in linked_from(folder)] == paths(turned)
            manager.undo(JournalEntry(folder, "view-folder", None, b"any", ()))
            if from_nothing:  # killed before the marker stood: at most an empty temporary file is left
                left = os.listdir(folder) if folder.exists() else []
                assert all(name.startswith(TEMPORARY_PREFIX) for name in left)
            else:
                assert not folder.exists()
            shutil.rmtree(folder, ignore_errors=True)
            assert sorted(os.listdir(library.root)) == [f"{number}.jpg" for number in range(6)]
        assert kills > 6


_KILLED_RUN = """
import ast, os, signal, sys
from pathlib import Path
from keeprate.plugin_api import LibraryPlace
from keeprate_order import OrderManager, OrderSettings, view_links
from support.ordered import Journal, scored

allowed = int(sys.argv[1])
def guard(event, arguments):
    global allowed
    if event in ("os.symlink", "os.rename", "os.remove", "os.link", "os.mkdir"):
        if allowed == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        allowed -= 1
library = LibraryPlace("camera", Path(sys.argv[2]))
photos = [scored(Path(path), score) for path, score in ast.literal_eval(sys.argv[4])]
manager = OrderManager(library, OrderSettings(view_folder=sys.argv[3], by=sys.argv[5]))
journal = Journal(library)
[change] = list(manager.plan(journal.request(photos)))
sys.addaudithook(guard)
rename_new = view_links.rename_new
def counted(old, new):  # a call of the C library, which no audit hook hears of
    guard("os.rename", ())
    return rename_new(old, new)
view_links.rename_new = counted
manager.apply(change)
"""


def _run_killed_after(steps: int, library: LibraryPlace, folder: Path, photos: list[ScoredPhoto], by: str) -> bool:
    """Mark in a process that kills itself before its step number `steps`; True if it came to its end."""
    scores = [(str(item.path), item.score) for item in photos]
    arguments = [str(steps), str(library.root), str(folder), repr(scores), by]
    search = [*sys.path, str(Path(__file__).parents[2])]
    result = subprocess.run(
        [sys.executable, "-c", _KILLED_RUN, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(search)},
        check=False,
        timeout=COMMAND_S,
    )
    assert result.returncode in (0, -9)
    return result.returncode == 0


def test_a_file_system_without_links_is_refused_and_nothing_is_left(
    library: LibraryPlace, folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = OrderManager(library, OrderSettings(view_folder=str(folder)))
    photos = [photo(library, "a.jpg", 0.5)]

    def symlink(*arguments: object, **options: object) -> None:
        raise PermissionError(1, "Operation not permitted")  # what vfat says

    monkeypatch.setattr(os, "symlink", symlink)
    with pytest.raises(MarkRefusedError, match="cannot hold symbolic links"):
        journal.run(manager, photos)
    assert not folder.exists()


def test_a_full_disk_leaves_no_half_made_view(
    library: LibraryPlace, folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = OrderManager(library, OrderSettings(view_folder=str(folder)))
    photos = [photo(library, f"{number}.jpg", number / 10) for number in range(5)]
    real_symlink = os.symlink

    def symlink(target: str, link: str, *rest: object) -> None:
        if os.path.basename(link).startswith("0030"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real_symlink(target, link)

    monkeypatch.setattr(os, "symlink", symlink)
    with pytest.raises(OSError, match="No space left"):
        journal.run(manager, photos)
    assert not folder.exists()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rounds=st.lists(
        st.dictionaries(st.integers(0, 11), st.floats(0, 1).map(lambda score: round(score, 3)), max_size=12),
        max_size=5,
    )
)
def test_whatever_the_scores_do_the_names_follow(
    library: LibraryPlace, tmp_path: Path, rounds: list[dict[int, float]]
) -> None:
    folder = tmp_path / "property"
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
    manager: PhotoManager = OrderManager(library, OrderSettings(view_folder=str(folder)))
    journal = Journal(library)
    for scores in rounds:
        photos = [scored(library.root / str(number) / "same.jpg", score) for number, score in scores.items()]
        journal.run(manager, photos)
        if folder.exists():
            assert targets(folder) == paths(list(journal.request(photos).photos))
    journal.undo_all(manager)
    assert not folder.exists()


def test_ten_thousand_links(library: LibraryPlace, manager: OrderManager, journal: Journal, folder: Path) -> None:
    chance = random.Random(1)
    photos = [scored(library.root / f"{number}.jpg", chance.random()) for number in range(10_000)]
    started = time.process_time()
    journal.run(manager, photos)
    assert time.process_time() - started < 5  # 0.5 s on an idle machine; quadratic work would take minutes
    before = set(names(folder))
    for index in chance.sample(range(10_000), 100):
        photos[index] = scored(photos[index].path, chance.random())
    journal.run(manager, photos)
    assert len(set(names(folder)) - before) <= 150
    assert [path.name for path in targets(folder)] == [
        item.path.name for item in sorted(photos, key=lambda item: -item.score)
    ]
