"""Geeqie collections: exactly Geeqie's format, and a collection of the user's is never overwritten."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from keeprate.plugin_api import LibraryPlace, MarkRefusedError, UndoOutcome
from keeprate_order import OrderManager, OrderSettings
from keeprate_order.geeqie import paths_in
from keeprate_order.list_file import ListChange
from support.ordered import Journal, scored

LIBRARY = LibraryPlace("camera/raw", Path("/photos"))
A = scored(Path("/photos/a.jpg"), 0.9)
B = scored(Path("/photos/2026/b b.jpg"), 0.1)
WRITTEN_BY_GEEQIE = b"#Geeqie collection\n#created with Geeqie version 2.0.1\n#geometry: 0 0 600 400\n%s#end\n"


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    return tmp_path / "best.gqv"


@pytest.fixture
def manager(collection: Path) -> OrderManager:
    return OrderManager(LIBRARY, OrderSettings(geeqie_collection=str(collection)))


@pytest.fixture
def journal() -> Journal:
    return Journal(LIBRARY)


def test_the_format_is_geeqies(manager: OrderManager, journal: Journal, collection: Path) -> None:
    journal.run(manager, [B, A])
    lines = collection.read_text().splitlines()
    assert lines[0] == "#Geeqie collection"
    assert lines[1].startswith("#made by keeprate")
    assert lines[2] == "#library camera/raw /photos"
    assert lines[3:] == ['"/photos/a.jpg"', '"/photos/2026/b b.jpg"', "#end"]
    assert journal.run(manager, [B, A]) == []


def test_auto_lies_where_geeqie_lists_its_collections(journal: Journal, home: Path) -> None:
    manager = OrderManager(LIBRARY, OrderSettings(geeqie_collection="auto"))
    journal.run(manager, [A])
    assert (home / "xdg-data/geeqie/collections/keeprate-camera_raw.gqv").is_file()


def test_auto_without_xdg(home: Path, monkeypatch: pytest.MonkeyPatch, journal: Journal) -> None:
    monkeypatch.delenv("XDG_DATA_HOME")
    [change] = journal.run(OrderManager(LIBRARY, OrderSettings(geeqie_collection="auto")), [A])
    assert change.path == home / ".local/share/geeqie/collections/keeprate-camera_raw.gqv"


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"end in \.gqv"):
        OrderSettings(geeqie_collection=str(tmp_path / "a.jpg"))


def test_a_folder_in_its_place_is_reported(manager: OrderManager, journal: Journal, collection: Path) -> None:
    collection.mkdir()
    assert journal.run(manager, [A]) == []
    assert "cannot be read" in journal.skipped[0].reason


@pytest.mark.parametrize(
    ("name", "can_be_listed"),
    [
        ("plain.jpg", True),
        ("ä b#c.jpg", True),
        ("line\nbreak.jpg", True),
        ("#i looks like a comment.jpg", True),
        ('a "quote".jpg', False),
        (os.fsdecode(b"caf\xe9.jpg"), False),
    ],
)
def test_paths_that_the_format_can_hold(
    manager: OrderManager, journal: Journal, collection: Path, name: str, can_be_listed: bool
) -> None:
    path = LIBRARY.root / name
    journal.run(manager, [scored(path, 0.5)])
    assert paths_in(collection.read_bytes()) == ([os.fsencode(path)] if can_be_listed else [])
    assert [item.path for item in journal.skipped] == ([] if can_be_listed else [path])


def test_a_collection_of_the_users_is_refused(manager: OrderManager, journal: Journal, collection: Path) -> None:
    mine = WRITTEN_BY_GEEQIE % b'"/photos/a.jpg"\n'
    collection.write_bytes(mine)
    assert journal.run(manager, [B]) == []
    assert [item.path for item in journal.skipped] == [collection]
    assert collection.read_bytes() == mine


@pytest.mark.parametrize(
    ("listed", "ours"),
    [
        (b'"/photos/keep/a.jpg"\n"/photos/2026/b b.jpg"\n', True),  # a photo was moved inside Geeqie
        (b'"/photos/2026/b b.jpg"\n', True),  # one was deleted there
        (b'"/photos/keep/x.jpg"\n"/photos/keep/y.jpg"\n', True),  # both were moved
        (b"", True),
        (b'"/photos/2026/b b.jpg"\n"/photos/a.jpg"\n', False),  # the user arranged it and saved
        (b'"/photos/2026/b b.jpg"\n"/photos/keep/a.jpg"\n', False),
        (b'"/photos/a.jpg"\n"/photos/2026/b b.jpg"\n"/photos/c.jpg"\n', False),  # added one and saved
        (b'"/photos/a.jpg"\n"/photos/a.jpg"\n', False),
        (b'"/photos/a.jpg"\n"/holiday/mine.jpg"\n', False),  # the user added a picture of their own
        (b'"/photos-of-another/a.jpg"\n', False),
    ],
)
def test_a_collection_that_geeqie_rewrote(
    manager: OrderManager, journal: Journal, collection: Path, listed: bytes, ours: bool
) -> None:
    journal.run(manager, [A, B])
    rewritten = WRITTEN_BY_GEEQIE % listed
    collection.write_bytes(rewritten)
    changes = journal.run(manager, [A])
    assert bool(changes) == ours
    assert (collection.read_bytes() != rewritten) == ours
    outcomes = journal.undo_all(manager)
    assert collection.exists() == (not ours)
    assert outcomes == ([UndoOutcome.REMOVED_OURS, UndoOutcome.GONE] if ours else [UndoOutcome.NOT_OURS])


def test_the_collection_of_another_library(journal: Journal, manager: OrderManager, collection: Path) -> None:
    journal.run(manager, [A])
    other = LibraryPlace("caf\u00e9 \udce9", Path("/other"))
    assert Journal(other).run(OrderManager(other, OrderSettings(geeqie_collection=str(collection))), [A]) == []
    moved = LibraryPlace("camera/raw", Path("/mnt/photos"))
    theirs = Journal(moved)
    manager = OrderManager(moved, OrderSettings(geeqie_collection=str(collection)))
    assert theirs.run(manager, [scored(Path("/mnt/photos/a.jpg"), 0.9)]), "a library may move"


def test_an_entirely_different_file_in_its_place_is_not_ours(
    manager: OrderManager, journal: Journal, collection: Path
) -> None:
    journal.run(manager, [A])
    collection.write_bytes(b"my shopping list")
    assert journal.run(manager, [B]) == []
    assert journal.undo_all(manager) == [UndoOutcome.NOT_OURS]
    assert collection.read_bytes() == b"my shopping list"


def test_undo_of_the_first_removes_the_file(manager: OrderManager, journal: Journal, collection: Path) -> None:
    journal.run(manager, [A])
    assert journal.undo_all(manager) == [UndoOutcome.RESTORED]
    assert not collection.exists()


@pytest.mark.parametrize("before", [None, b"sha256:0"])
def test_a_change_since_the_plan_is_refused(manager: OrderManager, collection: Path, before: bytes | None) -> None:
    collection.write_bytes(b"somebody else's")
    change = ListChange(
        path=collection, field="geeqie-collection", before=before, after=b"", summary="", content=b"ours"
    )
    with pytest.raises(MarkRefusedError, match="has changed"):
        manager.apply(change)
    assert collection.read_bytes() == b"somebody else's"
    collection.unlink()
    if before is not None:
        with pytest.raises(MarkRefusedError, match="has changed"):
            manager.apply(change)
        assert not collection.exists()


def test_no_photos_make_no_collection(manager: OrderManager, journal: Journal, collection: Path) -> None:
    assert journal.run(manager, []) == []
    journal.run(manager, [A])
    journal.run(manager, [])
    assert paths_in(collection.read_bytes()) == []
