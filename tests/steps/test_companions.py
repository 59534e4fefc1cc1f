"""Which photos of a library are of one shot: found by scans and pictures, remembered when files part, never forced."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from keeprate.catalog import companions, files
from keeprate.steps.labels.forgetting import forget
from keeprate.steps.labels.shots import said_of_shots
from keeprate.steps.photos.companions import look_for_companions
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.photos.scanning import scan
from keeprate.steps.session import Session
from support.judging import WorkerWithoutProcess
from support.shots import RAW_TIME, write_edit, write_shot


def shots(session: Session) -> list[list[str]]:
    """Names of the files that are there of each shot, the leader's first."""
    known = companions.load(session.catalog)
    named = [
        [Path(file.path).name for key in keys for file in files.of_photo(session.catalog, key)]
        for keys in known.members.values()
    ]
    return sorted(named)


def look_at_pictures(session: Session) -> None:
    embed_all(session, WorkerWithoutProcess(session))


def test_a_raw_joins_its_jpeg_whenever_it_comes(session: Session, root: Path) -> None:
    _, raw = write_shot(root, "IMG_1", 1)
    later = raw.rename(root.parent / raw.name)
    write_shot(root / "deeper", "IMG_1", 2)  # the same names in another folder are another shot
    scan(session)
    assert shots(session) == [["IMG_1.JPG", "IMG_1.NEF"]]
    later.rename(raw)
    write_edit(root / "IMG_1-edit.jpg", 1)
    scan(session)
    found = [["IMG_1.JPG", "IMG_1-edit.jpg", "IMG_1.NEF"], ["IMG_1.JPG", "IMG_1.NEF"]]
    assert [set(shot) for shot in shots(session)] == [set(shot) for shot in found]
    look_at_pictures(session)
    assert len(shots(session)) == 2
    assert {shot[0] for shot in shots(session)} == {"IMG_1.JPG"}
    assert look_for_companions(session) == 0


def test_a_jpeg_that_comes_later_leads(session: Session, root: Path) -> None:
    jpeg, _ = write_shot(root, "IMG_1", 1)
    later = jpeg.rename(root.parent / jpeg.name)
    write_edit(root / "IMG_1-edit.jpg", 1)
    scan(session)
    assert shots(session) == [["IMG_1.NEF", "IMG_1-edit.jpg"]]
    later.rename(jpeg)
    scan(session)
    assert [shot[0] for shot in shots(session)] == ["IMG_1.JPG"]
    assert len(shots(session)[0]) == 3


def test_parted_files_stay_one_shot(session: Session, root: Path) -> None:
    jpeg, raw = write_shot(root, "IMG_1", 1)
    scan(session)
    look_at_pictures(session)
    shutil.move(jpeg, root / "keep")
    scan(session)
    assert shots(session) == [["IMG_1.JPG", "IMG_1.NEF"]]
    raw.unlink()
    scan(session)
    assert shots(session) == [["IMG_1.JPG"]]


def test_a_counter_that_rolled_over_makes_no_pair(session: Session, root: Path) -> None:
    write_shot(root, "IMG_1", 1, taken_at="2024:01:01 10:00:00")  # the RAW is of 2021
    write_shot(root, "IMG_2", 2, taken_at=RAW_TIME)
    scan(session)
    assert len(shots(session)) == 2  # nothing but their names is known yet
    look_at_pictures(session)
    assert shots(session) == [["IMG_2.JPG", "IMG_2.NEF"]]


def test_pictures_that_look_different_are_no_pair(session: Session, root: Path) -> None:
    jpeg, _ = write_shot(root, "IMG_1", 1, taken_at=None)
    write_shot(root, "IMG_2", 2, taken_at=None)
    write_edit(jpeg, 7, taken_at=None)
    scan(session)
    look_at_pictures(session)
    assert shots(session) == [["IMG_2.JPG", "IMG_2.NEF"]]


def test_a_jpeg_edited_in_its_place_goes_on_leading(session: Session, root: Path) -> None:
    jpeg, _ = write_shot(root, "IMG_1", 1)
    scan(session)
    look_at_pictures(session)
    write_edit(jpeg, 1)
    scan(session)
    look_at_pictures(session)
    assert shots(session) == [["IMG_1.JPG", "IMG_1.NEF"]]
    key = files.content_keys_at(session.catalog, [str(jpeg)])[str(jpeg)]
    assert companions.load(session.catalog).shot(key) == key


def test_one_raw_beside_copies_of_two_edits_is_one_shot_for_good(session: Session, root: Path) -> None:
    _, raw = write_shot(root, "IMG_1", 1)
    (root / "other").mkdir()
    shutil.copy(raw, root / "other")
    write_edit(root / "other" / "IMG_1.JPG", 1)
    scan(session)
    look_at_pictures(session)
    (together,) = companions.load(session.catalog).members.values()
    assert len(together) == 3
    (root / "IMG_9.jpg").write_bytes(b"")
    scan(session)
    assert list(companions.load(session.catalog).members.values()) == [together]


@pytest.mark.parametrize("which", ["IMG_1.JPG", "IMG_1-edit.jpg"])
def test_forgetting_one_leaves_the_others_together(session: Session, root: Path, which: str) -> None:
    write_shot(root, "IMG_1", 1)
    write_edit(root / "IMG_1-edit.jpg", 1)
    scan(session)
    place = str(root / which)
    key = files.content_keys_at(session.catalog, [place])[place]
    (root / which).unlink()
    scan(session)
    forget(session, [key])
    (left,) = companions.load(session.catalog).members.values()
    assert key not in left
    assert len(left) == 2
    forget(session, [left[0]])
    assert companions.load(session.catalog).members == {}


def test_a_kill_between_scan_and_look_is_made_up_for(session: Session, root: Path) -> None:
    write_shot(root, "IMG_1", 1)
    scan(session)
    with session.catalog.db.atomic():
        session.catalog.conn.execute("DELETE FROM companions")
        session.catalog.conn.execute("UPDATE companions_looked SET seen_at = 0")
    assert look_for_companions(session) == 1
    assert shots(session) == [["IMG_1.JPG", "IMG_1.NEF"]]


def test_an_unplugged_disk_parts_nothing(session: Session, root: Path) -> None:
    jpeg, _ = write_shot(root, "IMG_1", 1)
    scan(session)
    jpeg.rename(root / "keep" / "IMG_1.JPG")
    scan(session)
    root.rename(root.with_name("unplugged"))
    assert scan(session).libraries[0].offline
    look_at_pictures(session)
    assert shots(session) == [["IMG_1.JPG", "IMG_1.NEF"]]
    assert {label.bucket for label in said_of_shots(session, "keep").of_photos().values()} == {"keep"}
