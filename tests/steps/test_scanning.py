"""What a scan of a real folder notes, and what it costs."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from keeprate.catalog import files, labels, libraries, problems
from keeprate.config.edit import add_library
from keeprate.config.load import load_config
from keeprate.steps.photos import scanning
from keeprate.steps.photos.scanning import LibraryScan, scan_library, scan_part
from keeprate.steps.session import Reporter, Session
from support.photos import jpeg, write_photos


def scan(session: Session, quiet_s: float = 0.0) -> LibraryScan:
    return scan_library(session, session.config.library[0], quiet_s=quiet_s)


def found(session: Session) -> set[str]:
    return {Path(file.path).name for file in files.present(session.catalog)}


def label_of(session: Session, path: Path) -> tuple[str, str] | None:
    key = files.content_keys_at(session.catalog, [str(path)])[str(path)]
    label = labels.current(session.catalog, "keep").get(key)
    return None if label is None else (label.bucket or "", label.source)


def test_new_unchanged_changed_and_gone(session: Session, root: Path) -> None:
    write_photos(root / "in", range(3))
    assert (scan(session).new, len(found(session))) == (3, 3)
    assert not scan(session).found_something

    (root / "in" / "IMG_0000.jpg").write_bytes(jpeg(50))
    (root / "in" / "IMG_0001.jpg").unlink()
    second = scan(session)
    assert (second.new, second.changed, second.moved, second.gone) == (0, 1, 0, 1)
    assert found(session) == {"IMG_0000.jpg", "IMG_0002.jpg"}


def test_an_unchanged_library_is_rescanned_without_reading(
    session: Session, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photos(root / "in", range(3))
    scan(session)
    os.rename(root / "in", root / "renamed")
    read: list[Path] = []

    def note(path: Path) -> str:
        read.append(path)
        return "none"

    monkeypatch.setattr(scanning, "content_key", note)
    assert scan(session).moved == 3
    assert scan(session).files == 3
    assert read == []


def test_a_copy_and_a_metadata_edit_are_the_same_photo(session: Session, root: Path) -> None:
    (photo,) = write_photos(root / "in", range(1))
    scan(session)
    shutil.copy(photo, root / "in" / "copy.jpg")
    comment = b"\xff\xfe\x00\x06note"
    data = photo.read_bytes()
    photo.write_bytes(data[:2] + comment + data[2:])
    result = scan(session)
    assert (result.new, result.changed, result.new_photos) == (1, 1, 0)
    assert files.counts(session.catalog, "camera").photos == 1


def test_a_file_still_being_written_is_left_for_later(session: Session, root: Path) -> None:
    (photo,) = write_photos(root / "in", range(1))
    result = scan(session, quiet_s=60)
    assert list(result.unsettled) == [str(photo)]
    assert found(session) == set()
    assert not result.found_something


def test_labels_follow_moves(session: Session, root: Path) -> None:
    a, b = write_photos(root / "in", range(2))
    (c,) = write_photos(root / "keep", range(2, 3))
    scan(session)
    assert label_of(session, c) == ("keep", "folder")
    a = a.rename(root / "keep" / a.name)
    b = b.rename(root / "delete" / b.name)
    assert scan(session).labels == 2
    assert label_of(session, a) == ("keep", "move")
    assert label_of(session, b) == ("delete", "move")
    a = a.rename(root / "delete" / a.name)
    b = b.rename(root / "in" / b.name)
    scan(session)
    assert label_of(session, a) == ("delete", "move")
    assert label_of(session, b) is None


def test_a_renamed_photo_keeps_its_label_and_says_nothing_new(session: Session, root: Path) -> None:
    (photo,) = write_photos(root / "keep", range(1))
    scan(session)
    moved = photo.rename(root / "keep" / "better name.jpg")
    assert scan(session).labels == 0
    assert label_of(session, moved) == ("keep", "folder")


def test_the_same_photo_in_both_buckets_is_reported(session: Session, root: Path) -> None:
    (photo,) = write_photos(root / "keep", range(1))
    scan(session)
    shutil.copy(photo, root / "delete" / "again.jpg")
    scan(session)
    assert label_of(session, photo) is None
    (problem,) = problems.latest(session.catalog)
    assert (problem.step, "also lies in" in problem.reason) == ("label", True)
    (root / "delete" / "again.jpg").unlink()
    scan(session)
    assert label_of(session, photo) == ("keep", "move")
    assert problems.count(session.catalog) == 0


def trash(path: Path, data_home: Path) -> None:
    """Put a file into the desktop's trash as file managers do (freedesktop.org trash specification 1.0)."""
    for folder in ("files", "info"):
        (data_home / "Trash" / folder).mkdir(parents=True, exist_ok=True)
    info = f"[Trash Info]\nPath={path}\nDeletionDate=2026-11-21T10:00:00\n"
    (data_home / "Trash" / "info" / f"{path.name}.trashinfo").write_text(info)
    shutil.move(path, data_home / "Trash" / "files" / path.name)


def test_the_trash_says_delete_and_a_vanished_file_says_nothing(session: Session, root: Path) -> None:
    a, b = write_photos(root / "in", range(2))
    scan(session)
    data_home = Path(os.environ["XDG_DATA_HOME"])
    trash(a, data_home)
    b.unlink()
    assert scan(session).labels == 1
    assert label_of(session, a) == ("delete", "trash")
    assert label_of(session, b) is None

    shutil.move(data_home / "Trash" / "files" / a.name, a)
    scan(session)
    assert label_of(session, a) is None, "brought back: the label is withdrawn"


def trash_as(path: Path, when: datetime | None = None) -> None:
    """Throw a file away; noted after the move, not before, so that a slow machine makes no difference."""
    data_home = Path(os.environ["XDG_DATA_HOME"])
    trash(path, data_home)
    note = data_home / "Trash" / "info" / f"{path.name}.trashinfo"
    at = (when or datetime.now()).isoformat(timespec="seconds")
    note.write_text(f"[Trash Info]\nPath={path}\nDeletionDate={at}\n")


def test_a_photo_that_was_renamed_and_thrown_away_since_the_last_scan(session: Session, root: Path) -> None:
    (photo,) = write_photos(root / "keep", range(1))
    scan(session)
    trash_as(photo.rename(root / "new name.jpg"))
    scan(session)
    assert label_of(session, photo) == ("delete", "trash")


def test_where_numbers_of_files_prove_nothing_the_trash_says_nothing_by_them(
    session: Session, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a new mount of a FAT disk another file may have the number that a photo had."""
    monkeypatch.setattr(scanning, "_keeps_inodes", lambda library: False)
    (photo,) = write_photos(root / "keep", range(1))
    scan(session)
    trash_as(photo.rename(root / "new name.jpg"))
    scan(session)
    assert label_of(session, photo) == ("keep", "folder")


def test_of_two_hard_links_one_was_thrown_away_and_the_other_moved_to_another_disk(
    session: Session, root: Path
) -> None:
    (photo,) = write_photos(root / "keep", range(1))
    (root / "in").mkdir()
    second = root / "in" / "second.jpg"
    second.hardlink_to(photo)
    scan(session)
    trash_as(second, datetime(2024, 1, 1))
    scan(session)
    assert labels.counts(session.catalog, "keep") == {"keep": 1}
    photo.unlink()
    scan(session)
    assert labels.counts(session.catalog, "keep") == {"keep": 1}


def test_a_scan_counts_from_its_beginning(session: Session, root: Path) -> None:
    """What happens during it, it may have missed."""
    write_photos(root / "in", range(1))
    heard: list[float] = []
    scan(replace(session, reporter=Reporter(progress=lambda _: heard.append(time.time()))))
    known = libraries.get(session.catalog, "camera")
    assert known is not None
    assert known.scanned_at is not None
    assert known.scanned_at <= heard[0]


@pytest.mark.parametrize("ending", ["missing", "empty"])
def test_a_root_that_went_away_is_offline_and_teaches_nothing(session: Session, root: Path, ending: str) -> None:
    write_photos(root / "keep", range(2))
    scan(session)
    shutil.rmtree(root)
    if ending == "empty":
        root.mkdir()
    result = scan(session)
    assert result.offline
    assert len(found(session)) == 2
    known = libraries.get(session.catalog, "camera")
    assert known is not None
    assert known.offline == result.offline
    write_photos(root / "keep", range(2))
    assert scan(session).offline is None
    assert labels.counts(session.catalog, "keep") == {"keep": 2}


def test_links_of_a_library_that_is_away_keep_their_labels(session: Session, root: Path, tmp_path: Path) -> None:
    (photo,) = write_photos(root / "in", range(1))
    link = root / "keep" / "0010_0.9_IMG.jpg"
    link.symlink_to(photo)
    other = tmp_path / "other"
    write_photos(other, range(50, 51))
    config = session.home.config_file
    add_library(config, {"name": "other", "root": str(other)})
    both = replace(session, config=load_config(config))
    for library in both.config.library:
        scan_library(both, library)
    assert label_of(both, photo) == ("keep", "move")
    away = root.rename(tmp_path / "unplugged")
    write_photos(other, range(51, 52))
    for library in both.config.library:
        scan_library(both, library)
    assert labels.counts(both.catalog, "keep") == {"keep": 1}
    away.rename(root)
    link.unlink()
    for library in both.config.library:
        scan_library(both, library)
    assert labels.counts(both.catalog, "keep") == {}


def test_a_library_may_move_to_another_disk(session: Session, root: Path, tmp_path: Path) -> None:
    write_photos(root / "keep", range(3))
    scan(session)
    shutil.copytree(root, tmp_path / "new disk")
    shutil.rmtree(root)
    text = session.home.config_file.read_text().replace(str(root), str(tmp_path / "new disk"))
    session.home.config_file.write_text(text)
    moved = replace(session, config=load_config(session.home.config_file))
    result = scan_library(moved, moved.config.library[0])
    assert (result.offline, result.new_photos, result.labels) == (None, 0, 0)
    assert labels.counts(moved.catalog, "keep") == {"keep": 3}


def test_a_hint_looks_at_its_part_only(session: Session, root: Path) -> None:
    write_photos(root / "a", range(2))
    scan(session)
    write_photos(root / "b", range(10, 12))
    (root / "a" / "IMG_0000.jpg").unlink()
    library = session.config.library[0]
    scan_part(session, library, paths=[str(root / "a" / "IMG_0000.jpg")], folders=[], quiet_s=0)
    assert found(session) == {"IMG_0001.jpg"}
    scan_part(session, library, paths=[], folders=[str(root / "b")], quiet_s=0)
    assert found(session) == {"IMG_0001.jpg", "IMG_0010.jpg", "IMG_0011.jpg"}
    shutil.rmtree(root / "b")
    scan_part(session, library, paths=[], folders=[str(root / "b")], quiet_s=0)
    assert found(session) == {"IMG_0001.jpg"}
