"""The photo manager as keeprate meets it: found by name, quiet by default, the three ways side by side."""

from __future__ import annotations

import dataclasses
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from keeprate.plugin_api import ENTRY_POINT_GROUP, JournalEntry, LibraryPlace, MarkRefusedError
from keeprate_order import OrderManager, OrderSettings
from support.ordered import Journal, scored


@pytest.fixture
def library(tmp_path: Path) -> LibraryPlace:
    (tmp_path / "photos").mkdir()
    return LibraryPlace("camera", tmp_path / "photos")


def test_it_is_registered() -> None:
    [entry] = entry_points(group=ENTRY_POINT_GROUP, name="order")
    assert entry.load() is OrderManager


def test_every_setting_has_a_default_and_an_explanation() -> None:
    for setting in dataclasses.fields(OrderManager.settings_type):
        assert setting.default is not dataclasses.MISSING
        assert setting.metadata["help"]


def test_by_default_it_does_nothing(library: LibraryPlace) -> None:
    manager = OrderManager(library, OrderSettings())
    (library.root / "a.jpg").write_bytes(b"")
    assert Journal(library).run(manager, [scored(library.root / "a.jpg", 0.5)]) == []
    assert manager.own_folders() == ()


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="limit"):
        OrderSettings(limit=-1)


def test_the_three_ways_together(library: LibraryPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    photo = library.root / "a.jpg"
    photo.write_bytes(b"")
    manager = OrderManager(
        library,
        OrderSettings(view_folder="~/view", geeqie_collection="~/view.gqv", touch_mtime=True),
    )
    journal = Journal(library)
    fields = [change.field for change in journal.run(manager, [scored(photo, 0.5)])]
    assert fields == ["view-folder", "geeqie-collection", "mtime"]
    assert manager.own_folders() == (tmp_path / "view",)
    journal.undo_all(manager)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.mark.parametrize("method", ["standing", "undo"])
def test_an_entry_of_another_manager_is_refused(library: LibraryPlace, method: str) -> None:
    entry = JournalEntry(library.root, "sidecar", None, b"", ())
    with pytest.raises(MarkRefusedError, match="sidecar"):
        getattr(OrderManager(library, OrderSettings()), method)(entry)
