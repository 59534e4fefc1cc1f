"""What no setting asks for any more is taken back at the next write: ours only, and only where it can be seen."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.catalog import journal
from keeprate.config.load import load_config
from keeprate.errors import ConfigError
from keeprate.steps.marks.managers import check_marks
from keeprate.steps.marks.marking_run import write_all
from keeprate.steps.session import Session
from keeprate.steps.tasks import WriteOutcome
from support.judging import WorkerWithoutProcess

TAKEN_NS = 1_700_000_000_123_456_789


def change(session: Session, edit: Callable[[str], str]) -> Session:
    config = session.home.config_file
    config.write_text(edit(config.read_text()))
    return replace(session, config=load_config(config))


def without_marks(text: str) -> str:
    return text[: text.index("[library.marks.order]")]


def write(session: Session, *, dry_run: bool = False) -> WriteOutcome:
    return write_all(session, WorkerWithoutProcess(session), dry_run=dry_run)


def test_a_renamed_view_leaves_nothing_behind(marked: Session, root: Path) -> None:
    write(marked)
    (root / "by score" / "mine.txt").write_text("mine")
    session = change(marked, lambda text: text.replace('"by score"', '"best"').replace('playlist = "list.m3u"\n', ""))
    planned = {Path(mark.path).name: mark.summary for mark in write(session, dry_run=True).planned}
    assert planned["by score"] == planned["list.m3u"] == "taken back: no setting asks for it any more"
    assert (root / "list.m3u").exists()

    outcome = write(session)
    assert (outcome.removed, outcome.written, outcome.refused) == (2, 1, 0)
    assert outcome.removed_sentence == "2 taken back that no setting asks for any more."
    assert [path.name for path in (root / "by score").iterdir()] == ["mine.txt"]
    assert not (root / "list.m3u").exists()
    assert len(list((root / "best").glob("*.jpg"))) == 10
    assert (root / "sheet.html").is_file()
    assert {Path(entry.path).name for entry in journal.standing(session.catalog)} == {"best", "sheet.html"}
    assert write(session).removed == 0

    session = change(session, without_marks)
    assert write(session).removed == 2, "the table may be gone as a whole"
    assert sorted(path.name for path in root.iterdir()) == ["by score", "delete", "keep", "new"]
    assert journal.count_standing(session.catalog) == 0


def test_another_spelling_of_the_same_place_is_no_other_place(marked: Session, root: Path) -> None:
    write(marked)
    (root / "link").symlink_to("by score")
    session = change(marked, lambda text: text.replace('"by score"', '"./link"'))
    assert write(session).removed == 0
    assert len(list((root / "by score").glob("*.jpg"))) == 10


def test_what_cannot_be_seen_waits(marked: Session, root: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    session = change(marked, lambda text: text.replace('"by score"', f'"{disk}/view"'))
    write(session)
    session = change(session, without_marks)
    disk.rename(tmp_path / "unplugged")
    disk.mkdir()  # the mount point
    root.rename(tmp_path / "camera, unplugged")
    assert write(session).removed == 0, "the library is offline"
    (tmp_path / "camera, unplugged").rename(root)
    assert write(session).removed == 2, "the playlist and the sheet"
    disk.rmdir()
    (tmp_path / "unplugged").rename(disk)
    assert write(session).removed == 1
    assert list(disk.iterdir()) == []


def test_times_are_given_back_when_nobody_wants_them_touched(marked: Session, root: Path) -> None:
    photos = sorted((root / "new").iterdir())
    for number, photo in enumerate(photos):
        os.utime(photo, ns=(TAKEN_NS, TAKEN_NS + number))
    session = change(marked, lambda text: text + "touch_mtime = true\n")
    write(session)
    assert min(photo.stat().st_mtime_ns for photo in photos) < TAKEN_NS
    session = change(session, lambda text: text.replace("touch_mtime = true", "touch_mtime = false"))
    assert write(session).removed == len(photos)
    assert [photo.stat().st_mtime_ns for photo in photos] == [TAKEN_NS + number for number in range(len(photos))]
    assert write(session).removed == 0


def test_what_is_the_users_by_now_is_not_taken(marked: Session, root: Path) -> None:
    write(marked)
    (root / "list.m3u").write_text("my own list")
    session = change(marked, lambda text: text.replace('playlist = "list.m3u"\n', ""))
    assert write(session).removed == 0
    assert (root / "list.m3u").read_text() == "my own list"


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ('playlist = "/{tmp}/best.m3u"', 'playlist = "{tmp}/best.m3u"'),
        ('geeqie_collection = "{tmp}/link/best.gqv"', 'geeqie_collection = "{tmp}/real/best.gqv"'),
        ('view_folder = "../shared"', 'view_folder = "{tmp}/shared"'),
        ('view_folder = "{tmp}/a"', 'contact_sheet = "{tmp}/a"'),
    ],
)
def test_two_settings_for_one_place_are_an_error(
    session: Session, root: Path, tmp_path: Path, here: str, there: str
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "phone").mkdir()
    there = there.replace('sheet = "{tmp}/a"', 'sheet = "{tmp}/a.html"').format(tmp=tmp_path)
    here = here.replace('folder = "{tmp}/a"', 'folder = "{tmp}/a_files"').format(tmp=tmp_path)
    phone = f'\n[[library]]\nname = "phone"\nroot = "{tmp_path}/phone"\n'
    both = change(
        session, lambda text: f"{text}\n[library.marks.order]\n{here}\n{phone}[library.marks.order]\n{there}\n"
    )
    with pytest.raises(ConfigError, match=r"library 'camera': marks\.order .* library 'phone': marks\.order"):
        check_marks(both.config)
    views = f"[[library.marks.order.views]]\n{here.replace('view_folder', 'folder')}\n"
    views += f"[[library.marks.order.views]]\n{there.replace('view_folder', 'folder')}\n"
    one = change(session, lambda text: without_marks(text) + f"[library.marks.order]\n{views}")
    with pytest.raises(ConfigError, match="Two settings name one place"):
        check_marks(one.config)
