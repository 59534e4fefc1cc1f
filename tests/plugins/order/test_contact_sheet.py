"""Contact sheets: pages that a browser can show, thumbnails made once, nothing of anybody else's touched."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal
from urllib.parse import unquote_to_bytes

import pytest
from PIL import Image

from keeprate.plugin_api import LibraryPlace, MarkRefusedError, ScoredPhoto, UndoOutcome
from keeprate.safe_files import create_file
from keeprate_order import OrderManager, OrderSettings
from keeprate_order.contact_sheet import SheetChange
from support.made_pictures import corners_of, quarters
from support.ordered import Journal, scored
from support.photos import write_photos


@pytest.fixture
def library(tmp_path: Path) -> LibraryPlace:
    (tmp_path / "photos").mkdir()
    return LibraryPlace("<b>camera</b>", tmp_path / "photos")


@pytest.fixture
def journal(library: LibraryPlace) -> Journal:
    return Journal(library)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "a sheet" / "index.html"


@pytest.fixture
def manager(library: LibraryPlace, page: Path) -> OrderManager:
    return OrderManager(library, OrderSettings(contact_sheet=str(page)))


@pytest.fixture
def photos(library: LibraryPlace) -> list[ScoredPhoto]:
    return [scored(path, 0.2 * nth) for nth, path in enumerate(write_photos(library.root, range(4)))]


@dataclass
class Seen(HTMLParser):
    """What a browser would find in a page."""

    page: Path
    photos: list[Path] = field(default_factory=list)
    thumbnails: list[Path] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    pages: list[Path] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.page.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = dict(attrs)
        if tag == "img":
            self.thumbnails.append(self.resolve(values["src"]))
            self.names.append(values["alt"])
            assert values["loading"] == "lazy"
        if tag == "a":
            target = self.resolve(values["href"])
            (self.pages if target.suffix == ".html" else self.photos).append(target)

    def handle_data(self, data: str) -> None:
        self.text += data

    def resolve(self, address: str | None) -> Path:
        assert address is not None
        path = os.fsdecode(unquote_to_bytes(address.removeprefix("file://")))
        return Path(os.path.normpath(self.page.parent / path))


def test_a_page_of_thumbnails_best_first(
    manager: OrderManager, journal: Journal, page: Path, photos: list[ScoredPhoto]
) -> None:
    photos[0] = replace(photos[0], taken_at=datetime(2024, 5, 12, tzinfo=UTC))
    journal.run(manager, photos)
    seen = Seen(page)
    assert seen.photos == [item.path for item in reversed(photos)]
    for small in seen.thumbnails:
        with Image.open(small) as image:
            assert image.size == (160, 120)
    assert "0.60" in seen.text
    assert "2024-05-12" in seen.text
    assert "<b>camera</b>: 4 photos" in seen.text  # the name of the library, not a tag
    assert seen.tags.isdisjoint({"script", "link", "iframe"})
    assert manager.own_folders() == (page.parent / "index_files",)
    assert journal.run(manager, photos) == []


def test_thumbnails_are_upright_small_and_hold_nothing_else(
    library: LibraryPlace, manager: OrderManager, journal: Journal, page: Path
) -> None:
    path = library.root / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera"
    quarters(1200, 800).transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    journal.run(manager, [scored(path, 0.5)])
    [small] = Seen(page).thumbnails
    with Image.open(small) as image:
        assert image.size == (240, 160)
        assert corners_of(image.convert("RGB")) == ["top left", "top right", "bottom left", "bottom right"]
        assert dict(image.getexif()) == {}


def test_a_thumbnail_is_made_once_wherever_the_photo_lies(
    library: LibraryPlace, manager: OrderManager, journal: Journal, page: Path, photos: list[ScoredPhoto]
) -> None:
    journal.run(manager, photos)
    made = {path: path.stat().st_mtime_ns for path in Seen(page).thumbnails}
    moved = photos[0].path.rename(library.root / "moved.jpg")
    photos[0] = replace(photos[0], path=moved, score=0.99)
    journal.run(manager, photos)
    assert Seen(page).photos[0] == moved
    assert {path: path.stat().st_mtime_ns for path in Seen(page).thumbnails} == made
    journal.run(manager, photos[1:])
    assert len(list((page.parent / "index_files" / "thumbnails").iterdir())) == 3


def test_what_cannot_be_read_is_shown_by_its_name(
    library: LibraryPlace, manager: OrderManager, journal: Journal, page: Path, photos: list[ScoredPhoto]
) -> None:
    (library.root / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    broken, gone = scored(library.root / "broken.jpg", 0.9), scored(library.root / "gone.jpg", 0.8)
    journal.run(manager, [broken, *photos])
    assert Seen(page).names[0] == "broken.jpg"
    assert Seen(page).thumbnails[0].read_bytes() == b""
    assert journal.run(manager, [broken, *photos]) == []  # not tried again
    journal.run(manager, [gone, *photos])
    assert not Seen(page).thumbnails[0].exists()
    assert len(journal.run(manager, [gone, *photos])) == 1  # it may come back


def test_names_that_look_like_markup(
    library: LibraryPlace, manager: OrderManager, journal: Journal, page: Path
) -> None:
    names = ['"><script>alert(1)<', "a&amp;b#c?d%41.jpg", os.fsdecode(b"caf\xe9.jpg"), "https:x.jpg", "line\nbreak.jpg"]
    photos = [scored(library.root / name, 0.1 * nth) for nth, name in enumerate(names)]
    links: Literal["absolute", "relative"]
    for links in ("absolute", "relative"):
        settings = OrderSettings(contact_sheet=str(page), links=links)
        journal.run(OrderManager(library, settings), photos)
        seen = Seen(page)
        assert sorted(seen.photos) == sorted(item.path for item in photos)
        assert seen.tags.isdisjoint({"script"})
        assert {'"><script>alert(1)<', "a&amp;b#c?d%41.jpg", "caf?.jpg"} <= set(seen.names)


def test_many_photos_are_many_pages(library: LibraryPlace, manager: OrderManager, journal: Journal, page: Path) -> None:
    photos = [scored(library.root / f"{number}.jpg", number / 1000) for number in range(650)]
    journal.run(manager, photos)
    files = page.parent / "index_files"
    pages = [page, files / "page-2.html", files / "page-3.html"]
    shown = [seen for path in pages for seen in Seen(path).photos]
    assert shown == [item.path for item in reversed(photos)]
    assert set(Seen(files / "page-2.html").pages) == {page, files / "page-3.html"}
    journal.run(manager, photos[:10])
    assert [path.name for path in files.glob("*.html")] == []
    assert Seen(page).pages == []


def test_days_have_headings(manager: OrderManager, library: LibraryPlace, journal: Journal, page: Path) -> None:
    days = [
        replace(scored(library.root / f"{day}.jpg", 0.5), taken_at=datetime(2024, 5, day, tzinfo=UTC)) for day in (2, 1)
    ]
    journal.run(OrderManager(library, OrderSettings(contact_sheet=str(page), by="date")), days)
    assert "h2" in Seen(page).tags
    assert [path.name for path in Seen(page).photos] == ["1.jpg", "2.jpg"]


class TestStrangers:
    @pytest.mark.parametrize("made", ["index.html", "index_files/mine.txt", "index_files"])
    def test_what_is_not_ours_is_left_alone(
        self, manager: OrderManager, journal: Journal, page: Path, photos: list[ScoredPhoto], made: str
    ) -> None:
        theirs = page.parent / made
        theirs.parent.mkdir(parents=True)
        theirs.write_text("mine")
        assert journal.run(manager, photos) == []
        assert journal.skipped[0].path == page
        change = SheetChange(
            path=page, field="contact-sheet", before=None, after=b"1", summary="", pages={page: b""}, photos=(),
            opening=journal.request([]).opening,
        )  # fmt: skip
        with pytest.raises(MarkRefusedError):
            manager.apply(change)
        assert theirs.read_text() == "mine"
        assert [path for path in page.parent.rglob("*") if path.is_file()] == [theirs]

    def test_what_others_put_there_stays(
        self, manager: OrderManager, journal: Journal, page: Path, photos: list[ScoredPhoto]
    ) -> None:
        journal.run(manager, photos)
        mine = page.parent / "index_files" / "thumbnails" / "mine.jpg"
        mine.write_bytes(b"mine")
        page.write_text("my own page")
        assert journal.run(manager, photos[1:]) == []
        assert journal.undo_all(manager) == [UndoOutcome.REMOVED_OURS]
        assert page.read_text() == "my own page"
        assert [path for path in page.parent.rglob("*") if path.is_file()] == [page, mine]

    def test_the_sheet_of_another_library(
        self, manager: OrderManager, journal: Journal, page: Path, photos: list[ScoredPhoto], tmp_path: Path
    ) -> None:
        journal.run(manager, photos)
        other = LibraryPlace("scans", tmp_path)
        rival = OrderManager(other, OrderSettings(contact_sheet=str(page)))
        assert Journal(other).run(rival, photos[:1]) == []
        assert rival.undo(journal.entries[0]) is UndoOutcome.NOT_OURS
        assert len(Seen(page).photos) == 4


def test_all_of_it_goes(manager: OrderManager, journal: Journal, page: Path, photos: list[ScoredPhoto]) -> None:
    journal.run(manager, photos)
    assert journal.undo_all(manager) == [UndoOutcome.RESTORED]
    assert list(page.parent.iterdir()) == []
    assert all(item.path.exists() for item in photos)
    journal.run(manager, photos)
    shutil.rmtree(page.parent)
    assert manager.standing(journal.entries[0]) is None
    assert journal.undo_all(manager) == [UndoOutcome.GONE]


@pytest.fixture
def full_disk_after(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """After so many more thumbnails the disk is full; an empty list: it is not."""
    allowed: list[int] = []

    def create_in_what_is_left(path: Path, data: bytes) -> object:
        if allowed:
            if allowed[0] == 0:
                raise OSError(28, "No space left on device")
            allowed[0] -= 1
        return create_file(path, data)

    monkeypatch.setattr("keeprate_order.thumbnails.create_file", create_in_what_is_left)
    return allowed


def test_interrupted_it_goes_on(
    manager: OrderManager, journal: Journal, page: Path, photos: list[ScoredPhoto], full_disk_after: list[int]
) -> None:
    full_disk_after.append(2)
    with pytest.raises(OSError, match="No space"):
        journal.run(manager, photos)
    assert list(page.parent.iterdir()) == []  # the journal knows of nothing that could be taken back
    full_disk_after.clear()
    journal.run(manager, photos[:2])
    full_disk_after.append(1)
    with pytest.raises(OSError, match="No space"):
        journal.run(manager, photos)
    assert len(Seen(page).photos) == 2
    full_disk_after.clear()
    journal.run(manager, photos)
    assert all(small.exists() for small in Seen(page).thumbnails)
    assert set(journal.undo_all(manager)) <= {UndoOutcome.RESTORED, UndoOutcome.REMOVED_OURS, UndoOutcome.GONE}
    assert list(page.parent.iterdir()) == []
