"""Copies that are sorted into folders: what is ours follows the head, what is somebody's stays as it is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from keeprate.errors import KeeprateError
from keeprate.safe_files import copy_file, digest_file
from keeprate.steps.labels.filed_copies import MANIFEST, Filed, FiledCopies, Filing


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.jpg").write_bytes(name.encode() * 100)
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def file(target: Path, source: Path, *, head: str = "keep", **folders: str) -> dict[str, Filed]:
    """File NAME.jpg of the source into the folder that is given for NAME."""
    copies = FiledCopies(target, head, source)
    filings = [Filing(str(source / f"{name}.jpg"), folder) for name, folder in folders.items()]
    return {Path(one.source).stem: one for one in copies.file(filings)}


def tree(target: Path) -> dict[str, str]:
    """path → first letter of the content, of everything but the record."""
    return {
        str(path.relative_to(target)): path.read_text()[:1]
        for path in sorted(target.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


def test_copies_follow_the_head_and_keep_their_times(source: Path, target: Path) -> None:
    os.utime(source / "a.jpg", ns=(0, 1_500_000_000_123_456_789))
    (source / "a.jpg").chmod(0o640)
    first = file(target, source, a="x", b="x", c="y")
    assert all(one.copied for one in first.values())
    assert tree(target) == {"x/a.jpg": "a", "x/b.jpg": "b", "y/c.jpg": "c"}
    copied = (target / "x" / "a.jpg").stat()
    assert (copied.st_mtime_ns, copied.st_mode & 0o777) == (1_500_000_000_123_456_789, 0o640)

    again = file(target, source, a="x", b="x", c="y")
    assert not any(one.copied for one in again.values())
    file(target, source, a="y", b="y", c="y")
    assert tree(target) == {"y/a.jpg": "a", "y/b.jpg": "b", "y/c.jpg": "c"}
    assert not (target / "x").exists(), "emptied by us"


def test_what_somebody_else_put_there_stays(source: Path, target: Path) -> None:
    (target / "x").mkdir(parents=True)
    (target / "x" / "a.jpg").write_text("other picture of that name")
    (target / "x" / "b.jpg").write_bytes((source / "b.jpg").read_bytes())
    filed = file(target, source, a="x", b="x", c="x")
    assert (filed["a"].path, filed["b"].copied) == ("x/a (2).jpg", False)
    (target / "x" / "c.jpg").write_text("edited since")
    file(target, source, a="y", b="y", c="y")
    assert tree(target) == {
        "x/a.jpg": "o", "x/b.jpg": "b", "x/c.jpg": "e", "y/a.jpg": "a", "y/b.jpg": "b", "y/c.jpg": "c",
    }  # fmt: skip


def test_a_card_that_is_used_again_costs_no_copy(source: Path, target: Path) -> None:
    """The earlier copies may be the only ones: what is gone stays, and a new photo of the same name gets a number."""
    file(target, source, a="x", b="x", c="x")
    (source / "a.jpg").write_text("new photo, same bucket")
    (source / "b.jpg").write_text("new photo, other bucket")
    (source / "c.jpg").unlink()
    filings = [Filing(str(source / "a.jpg"), "x"), Filing(str(source / "b.jpg"), "y")]
    foreseen = FiledCopies(target, "keep", source)
    foreseen.foresee(filings)
    assert (foreseen.removed, foreseen.orphaned) == (0, 3)
    for _ in range(2):
        copies = FiledCopies(target, "keep", source)
        assert all(one.path for one in copies.file(filings))
        assert (copies.removed, copies.orphaned) == (0, 3)
        assert tree(target) == {"x/a.jpg": "a", "x/a (2).jpg": "n", "x/b.jpg": "b", "x/c.jpg": "c", "y/b.jpg": "n"}
    filings[1] = Filing(str(source / "b.jpg"), "x")
    copies = FiledCopies(target, "keep", source)
    list(copies.file(filings))
    assert (copies.removed, copies.orphaned) == (1, 3)
    assert "y/b.jpg" not in tree(target)


def test_a_copy_goes_only_once_its_successor_is_there(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file(target, source, a="x", b="x")

    def fail(one: Path, to: Path) -> str:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("keeprate.steps.labels.filed_copies.copy_file", fail)
    assert file(target, source, a="y", b="y")["a"].path is None
    monkeypatch.undo()
    assert tree(target) == {"x/a.jpg": "a", "x/b.jpg": "b"}
    (target / "y").rmdir()
    (target / "y").symlink_to("x")  # one folder with two names
    file(target, source, a="y")
    assert tree(target)["x/a.jpg"] == "a"


def test_a_source_that_cannot_be_read_now_keeps_its_copy(source: Path, target: Path) -> None:
    file(target, source, a="x", b="x")
    file(target, source, a="x")  # b.jpg lies there and could not be judged
    assert tree(target) == {"x/a.jpg": "a", "x/b.jpg": "b"}


def test_other_heads_and_other_folders_are_left_alone(source: Path, target: Path, tmp_path: Path) -> None:
    file(target, source, a="x")
    file(target, source, head="beauty", b="x")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.jpg").write_text("same name, other picture")
    file(target, elsewhere, a="x")
    assert tree(target) == {"x/a.jpg": "a", "x/a (2).jpg": "s", "x/b.jpg": "b"}
    file(target, elsewhere, a="y")
    file(target, source, a="y")
    assert tree(target) == {"y/a.jpg": "s", "y/a (2).jpg": "a", "x/b.jpg": "b"}


def test_what_was_killed_is_cleared_by_the_next_run(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def copy_and_die(one: Path, to: Path) -> str:
        copy_file(one, to)
        raise KilledError

    monkeypatch.setattr("keeprate.steps.labels.filed_copies.copy_file", copy_and_die)
    with pytest.raises(KilledError):
        file(target, source, a="x", b="x")
    monkeypatch.undo()
    assert tree(target) == {"x/a.jpg": "a"}
    (target / "x" / ".keeprate-0123456789abcdef.tmp").write_text("half of b")
    file(target, source, a="y", b="x")
    assert tree(target) == {"y/a.jpg": "a", "x/b.jpg": "b"}


def test_a_failing_copy_leaves_nothing_behind(source: Path, target: Path) -> None:
    (source / "d.jpg").symlink_to(source / "nothing")
    filed = file(target, source, a="x", d="x")
    assert filed["d"].path is None
    assert "No such file" in filed["d"].reason
    assert tree(target) == {"x/a.jpg": "a"}


def test_a_record_cannot_make_us_delete_elsewhere(source: Path, target: Path) -> None:
    file(target, source, a="x")
    record = json.loads((target / MANIFEST).read_text())
    for path in ("../source/b.jpg", str(source / "b.jpg"), "link/b.jpg"):
        record["copies"].append(
            {"head": "keep", "source": str(source / "gone.jpg"), "path": path,
             "sha256": digest_file(source / "b.jpg")}
        )  # fmt: skip
    (target / "link").symlink_to(source)
    (target / MANIFEST).write_text(json.dumps(record))
    file(target, source, a="x")
    assert (source / "b.jpg").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99, "copies": []}', '{"format": 1, "copies": [{"a": 1}]}'])
def test_a_damaged_record_is_said_and_nothing_is_done(source: Path, target: Path, text: str) -> None:
    target.mkdir()
    (target / MANIFEST).write_text(text)
    with pytest.raises(KeeprateError, match="record of what was copied"):
        file(target, source, a="x")
    assert tree(target) == {}


class TestTogether:
    """A picture and what goes along with it."""

    def file_with(self, target: Path, source: Path, folder: str, *along: str) -> FiledCopies:
        copies = FiledCopies(target, "keep", source)
        list(copies.file([Filing(str(source / "a.jpg"), folder, tuple(str(source / name) for name in along))]))
        return copies

    def test_they_share_a_number_where_one_of_the_names_is_taken(self, source: Path, target: Path) -> None:
        for name in ("a.CR2", "a.jpg.xmp", "a-edit.jpg", "IMG_E1.jpg"):
            (source / name).write_text(name)
        (target / "x").mkdir(parents=True)
        (target / "x" / "a.CR2").write_text("somebody's")
        self.file_with(target, source, "x", "a.CR2", "a.jpg.xmp", "a-edit.jpg", "IMG_E1.jpg")
        assert set(tree(target)) == {
            "x/a.CR2", "x/a (2).jpg", "x/a (2).CR2", "x/a (2).jpg.xmp", "x/a (2)-edit.jpg", "x/IMG_E1 (2).jpg",
        }  # fmt: skip
        assert (target / "x" / "a.CR2").read_text() == "somebody's"

    def test_they_move_together(self, source: Path, target: Path) -> None:
        (source / "a.CR2").write_text("raw")
        self.file_with(target, source, "x", "a.CR2")
        copies = self.file_with(target, source, "y", "a.CR2")
        assert set(tree(target)) == {"y/a.jpg", "y/a.CR2"}
        assert (copies.removed, copies.orphaned) == (2, 0)

    def test_one_that_cannot_be_read_holds_up_none(self, source: Path, target: Path) -> None:
        (source / "a.CR2").mkdir()
        self.file_with(target, source, "x", "a.CR2", "b.jpg")
        assert set(tree(target)) == {"x/a.jpg", "x/b.jpg"}
