"""Files of ours among the user's: written once, brought up to date, and nothing taken from anybody."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from keeprate.errors import KeeprateError
from keeprate.installation.own_files import OwnFile, look, remove, write

TEXT = "# keeprate-written: @STAMP@\n[Service]\nExecStart=/bin/keeprate run\n"


@pytest.fixture
def wanted(tmp_path: Path) -> OwnFile:
    return OwnFile(tmp_path / "new" / "folder" / "keeprate.service", TEXT)


def changed(wanted: OwnFile) -> OwnFile:
    return dataclasses.replace(wanted, text=TEXT.replace("/bin", "/opt/bin"))


def test_writing_twice_changes_nothing(wanted: OwnFile) -> None:
    assert look(wanted).kind == "missing"
    assert write(wanted).endswith("was written.")
    before = wanted.path.stat()
    assert look(wanted).kind == "current"
    assert write(wanted) == ""
    assert wanted.path.stat() == before


def test_another_version_alone_makes_no_file_outdated(wanted: OwnFile) -> None:
    write(wanted)
    text = wanted.path.read_text()
    stamped = text.split("keeprate-written: keeprate ")[1].split(",")[0]
    wanted.path.write_text(text.replace(f"keeprate {stamped},", "keeprate 0.0.9,"))
    assert look(wanted).kind == "current"
    assert look(wanted).written_by == "0.0.9"


def test_an_outdated_file_is_written_anew(wanted: OwnFile) -> None:
    write(wanted)
    assert look(changed(wanted)).kind == "outdated"
    assert write(changed(wanted)).endswith("was brought up to date.")
    assert "/opt/bin" in wanted.path.read_text()
    assert list(wanted.path.parent.iterdir()) == [wanted.path]


def test_a_change_by_hand_is_kept_beside_it(wanted: OwnFile) -> None:
    write(wanted)
    by_hand = wanted.path.read_text() + "Nice=19\n"
    wanted.path.write_text(by_hand)
    assert look(wanted).kind == "edited"
    copy = wanted.path.with_name("keeprate.service.bak")
    assert str(copy) in write(wanted)
    assert copy.read_text() == by_hand
    assert look(wanted).kind == "current"

    wanted.path.write_text(by_hand + "Nice=18\n")
    write(wanted)
    assert copy.read_text() == by_hand  # the first copy is not written over
    assert wanted.path.with_name("keeprate.service.bak2").read_text() == by_hand + "Nice=18\n"


def test_a_file_of_somebody_else_is_kept_beside_ours(wanted: OwnFile) -> None:
    wanted.path.parent.mkdir(parents=True)
    wanted.path.write_bytes(b"[Service]\nExecStart=/caf\xe9\n")
    assert look(wanted).kind == "foreign"
    assert "was not keeprate's" in write(wanted)
    assert wanted.path.with_name("keeprate.service.bak").read_bytes() == b"[Service]\nExecStart=/caf\xe9\n"


def test_a_link_is_left_alone(wanted: OwnFile) -> None:
    wanted.path.parent.mkdir(parents=True)
    wanted.path.symlink_to("/dev/null")  # as `systemctl mask` makes it
    assert look(wanted).kind == "foreign"
    with pytest.raises(KeeprateError, match="A link stands"):
        write(wanted)
    assert "left alone" in remove(wanted)
    assert wanted.path.is_symlink()


def test_removing_takes_only_what_is_ours(wanted: OwnFile) -> None:
    assert remove(wanted) == ""
    write(changed(wanted))
    assert remove(wanted).endswith("was removed.")  # an older one of ours as well
    assert list(wanted.path.parent.iterdir()) == []

    wanted.path.write_text("[Service]\nExecStart=/bin/other\n")
    assert "left alone" in remove(wanted)
    assert wanted.path.exists()


def test_removing_keeps_a_copy_of_changes_by_hand(wanted: OwnFile) -> None:
    write(wanted)
    by_hand = wanted.path.read_text() + "Nice=19\n"
    wanted.path.write_text(by_hand)
    assert "a copy is kept" in remove(wanted)
    assert [path.name for path in wanted.path.parent.iterdir()] == ["keeprate.service.bak"]
    assert wanted.path.with_name("keeprate.service.bak").read_text() == by_hand


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    wanted = OwnFile(tmp_path / "keeprate.service", TEXT)
    wanted.path.mkdir()
    with pytest.raises(KeeprateError) as caught:
        look(wanted)
    assert caught.value.path == wanted.path
