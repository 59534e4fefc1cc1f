"""Nothing is made where the disk is not: a view would fill the root disk below an empty mount point."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeprate.plugin_api import LibraryPlace, MarkRefusedError
from keeprate_order import OrderManager, OrderSettings
from support.ordered import Journal, scored
from support.photos import write_photos


def settings_of(base: Path) -> list[OrderSettings]:
    """Each way to show photos, in a folder of its own below `base`."""
    return [
        OrderSettings(view_folder=str(base / "view")),
        OrderSettings(playlist=str(base / "lists" / "best.m3u")),
        OrderSettings(geeqie_collection=str(base / "lists" / "best.gqv")),
        OrderSettings(contact_sheet=str(base / "sheet" / "index.html")),
    ]


@pytest.mark.parametrize("which", range(4))
def test_one_folder_is_made_but_not_those_above(tmp_path: Path, which: int) -> None:
    (photo,) = write_photos(tmp_path / "photos", range(1))
    library = LibraryPlace("camera", photo.parent)
    disk = tmp_path / "disk"
    journal, photos = Journal(library), [scored(photo, 0.5)]
    manager = OrderManager(library, settings_of(disk)[which])
    assert journal.run(manager, photos) == []
    assert f"{disk} is not there" in journal.skipped[0].reason
    assert not disk.exists()

    disk.mkdir()
    [change] = journal.run(manager, photos)
    journal.undo_all(manager)
    for made in disk.iterdir():
        made.rmdir()
    disk.rmdir()
    with pytest.raises(MarkRefusedError):  # unplugged since the plan
        manager.apply(change)
    assert not disk.exists()

    inside = OrderManager(library, settings_of(library.root / "new" / "views")[which])
    assert journal.run(inside, photos), "the library is there, so all below it may be made"


def test_the_playlist_of_another_library(tmp_path: Path) -> None:
    libraries = [LibraryPlace(name, tmp_path / name) for name in ("camera", "phone \n\udce9")]
    managers = [OrderManager(one, OrderSettings(playlist=str(tmp_path / "best.m3u"))) for one in libraries]
    journal = Journal(libraries[0])
    assert journal.run(managers[0], [scored(libraries[0].root / "a.jpg", 0.5)])
    others = Journal(libraries[1])
    assert others.run(managers[1], [scored(libraries[1].root / "b.jpg", 0.5)]) == []
    assert "that of the library 'camera'" in others.skipped[0].reason
