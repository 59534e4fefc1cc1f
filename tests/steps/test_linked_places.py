"""Links of a view folder in the desktop's trash: what they say about photos, and what they do not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from keeprate.catalog import files, labels
from keeprate.config.edit import add_library
from keeprate.paths import locate_home
from keeprate.steps.photos.scanning import scan_library
from keeprate.steps.session import Session, open_session
from support.photos import write_photos
from support.waiting import let_pass


@pytest.fixture
def view(tmp_path: Path) -> Path:
    folder = tmp_path / "by score"
    folder.mkdir()
    return folder


@pytest.fixture
def session(root: Path, view: Path) -> Iterator[Session]:
    home = locate_home()
    add_library(home.config_file, {"name": "camera", "root": str(root), "marks": {"order": {"view_folder": str(view)}}})
    with open_session(home) as opened:
        yield opened


def scan(session: Session) -> None:
    scan_library(session, session.config.library[0])


def said(session: Session) -> dict[str, tuple[str | None, str]]:
    """Name of a photo → its label and where that came from."""
    name_of = {file.content_key: Path(file.path).name for file in files.present(session.catalog)}
    return {name_of[key]: (one.bucket, one.source) for key, one in labels.current(session.catalog, "keep").items()}


def link_to(photo: Path, view: Path, *, relative: bool = False) -> Path:
    link = view / f"0010_0.50_{photo.name}"
    link.symlink_to(os.path.relpath(photo, view) if relative else photo)
    return link


def throw_away(link: Path, when: datetime | None = None) -> Path:
    """As file managers do it (freedesktop.org trash specification 1.0); returns where it lies then."""
    trash = Path(os.environ["XDG_DATA_HOME"]) / "Trash"
    for folder in ("files", "info"):
        (trash / folder).mkdir(parents=True, exist_ok=True)
    moment = (when or datetime.now() - timedelta(seconds=1)).isoformat(timespec="seconds")
    (trash / "info" / f"{link.name}.trashinfo").write_text(f"[Trash Info]\nPath={link}\nDeletionDate={moment}\n")
    return Path(shutil.move(link, trash / "files" / link.name))


@pytest.mark.parametrize(("relative", "subfolder"), [(False, ""), (True, ""), (True, "2024-05-12")])
def test_a_link_in_the_trash_says_delete_until_it_is_brought_back(
    session: Session, root: Path, view: Path, relative: bool, subfolder: str
) -> None:
    photo, other = write_photos(root / "in", range(2))
    scan(session)
    (view / subfolder).mkdir(exist_ok=True)
    link = link_to(photo, view / subfolder, relative=relative)
    link_to(other, view)
    os.utime(link, (1e9, 1e9), follow_symlinks=False)
    thrown = throw_away(link)
    scan(session)
    scan(session)
    assert said(session) == {photo.name: ("delete", "trash")}

    shutil.move(thrown, link)
    scan(session)
    assert said(session) == {}


def test_emptying_the_trash_and_a_new_link_change_nothing(session: Session, root: Path, view: Path) -> None:
    (photo,) = write_photos(root / "in", range(1))
    scan(session)
    link = link_to(photo, view)
    thrown = throw_away(link, datetime.now() - timedelta(seconds=5))
    scan(session)
    thrown.unlink()
    let_pass(0.05)  # the clock of the file system ticks in steps of up to 10 milliseconds
    link_to(photo, view)  # the library shows reviewed photos too
    scan(session)
    assert said(session) == {photo.name: ("delete", "trash")}


def test_what_is_done_with_the_photo_later_counts(session: Session, root: Path, view: Path) -> None:
    (photo,) = write_photos(root / "in", range(1))
    scan(session)
    throw_away(link_to(photo, view), datetime.now() - timedelta(seconds=5))
    scan(session)
    kept = photo.rename(root / "keep" / photo.name)
    scan(session)
    assert said(session) == {photo.name: ("keep", "move")}
    kept.rename(root / photo.name)
    scan(session)
    assert said(session) == {}, "the link in the trash is older than the photo's way through keep/"


def test_a_view_folder_that_was_emptied_says_nothing(session: Session, root: Path, view: Path) -> None:
    photos = write_photos(root / "in", range(24))
    photos[0] = photos[0].rename(root / "keep" / photos[0].name)
    scan(session)
    links = [link_to(photo, view) for photo in photos]
    for link in links:
        throw_away(link)
    scan(session)
    assert said(session) == {photos[0].name: ("keep", "folder")}
    for photo in photos:  # keeprate makes the view anew
        link_to(photo, view)
    scan(session)
    assert said(session) == {photos[0].name: ("keep", "folder")}


def test_links_from_elsewhere_say_nothing(session: Session, root: Path, view: Path, tmp_path: Path) -> None:
    (photo,) = write_photos(root / "in", range(1))
    scan(session)
    throw_away(link_to(photo, tmp_path))
    (tmp_path / "elsewhere.jpg").write_bytes(b"")
    throw_away(link_to(tmp_path / "elsewhere.jpg", view))
    scan(session)
    assert said(session) == {}
