from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from keeprate.watching.exclusions import Exclusions
from keeprate.watching.reconcile import match_moves, reconcile
from keeprate.watching.signature import Signature, StoredSignature
from keeprate.watching.walk import FoundFolder, WalkProblem, walk_library
from support.trees import files_in, is_picture, make_files

A = Signature(size=10, mtime_ns=100, ctime_ns=100, inode=1)
B = Signature(size=20, mtime_ns=200, ctime_ns=200, inode=2)


def found(files: dict[str, Signature], *problems: str) -> Iterable[FoundFolder | WalkProblem]:
    for path, signature in files.items():
        yield FoundFolder(os.path.dirname(path), [(path, signature)])
    for path in problems:
        yield WalkProblem(path, "Permission denied")


def test_everything_is_as_it_was() -> None:
    rows: dict[str, StoredSignature] = {"/p/a.jpg": (10, 100, 100, 1), "/p/b.jpg": (20, 200, 200, 2)}
    outcome = reconcile(rows, found({"/p/a.jpg": A, "/p/b.jpg": B}))
    assert (outcome.appeared, outcome.changed, outcome.gone, outcome.problems) == ({}, {}, {}, ())
    assert outcome.unchanged_count == 2


def test_appeared_changed_and_gone() -> None:
    edited = A._replace(ctime_ns=999)
    outcome = reconcile({"/p/a.jpg": A, "/p/b.jpg": B}, found({"/p/a.jpg": edited, "/p/c.jpg": B}))
    assert outcome.appeared == {"/p/c.jpg": B}
    assert outcome.changed == {"/p/a.jpg": edited}
    assert outcome.gone == {"/p/b.jpg": B}
    assert outcome.unchanged_count == 0


@pytest.mark.parametrize("field", Signature._fields)
def test_each_part_of_a_signature_counts(field: str) -> None:
    other = A._replace(**{field: 7})
    assert reconcile({"/p/a.jpg": A}, found({"/p/a.jpg": other})).changed == {"/p/a.jpg": other}


@pytest.mark.parametrize(
    ("field", "is_change"), [("inode", False), ("size", True), ("mtime_ns", True), ("ctime_ns", True)]
)
def test_made_up_inodes_can_be_left_out(field: str, is_change: bool) -> None:
    outcome = reconcile({"/p/a.jpg": A}, found({"/p/a.jpg": A._replace(**{field: 7})}), inodes_last=False)
    assert bool(outcome.changed) is is_change
    assert outcome.unchanged_count == (0 if is_change else 1)


@pytest.mark.parametrize(
    ("problem", "path", "is_gone"),
    [
        ("/p/closed", "/p/closed/a.jpg", False),
        ("/p/closed", "/p/closed/deep/er/a.jpg", False),
        ("/p/closed", "/p/closed", False),
        ("/p/closed", "/p/closed too/a.jpg", True),
        ("/p/closed", "/p/a.jpg", True),
        ("/p", "/p/a.jpg", False),
        ("/", "/p/a.jpg", False),
        ("/p/link.jpg", "/p/link.jpg", False),
    ],
)
def test_what_could_not_be_looked_at_is_not_gone(problem: str, path: str, is_gone: bool) -> None:
    outcome = reconcile({path: A}, found({}, problem))
    assert outcome.gone == ({path: A} if is_gone else {})
    assert [part.path for part in outcome.problems] == [problem]


def test_what_was_known_is_left_as_it_is() -> None:
    known = {"/p/a.jpg": A}
    reconcile(known, found({"/p/a.jpg": A}))
    assert known == {"/p/a.jpg": A}


@pytest.mark.parametrize(
    ("now", "matches"),
    [
        (A._replace(ctime_ns=999), True),  # renaming sets the change time
        (A._replace(inode=2), False),
        (A._replace(size=11), False),
        (A._replace(mtime_ns=101), False),
    ],
)
def test_moves_are_recognised_by_inode_size_and_time(now: Signature, matches: bool) -> None:
    moves = match_moves({"/p/a.jpg": A}, {"/p/keep/a.jpg": now})
    assert moves == ({"/p/keep/a.jpg": "/p/a.jpg"} if matches else {})


def test_all_names_of_a_moved_file_are_matched() -> None:
    assert match_moves({"/p/a.jpg": A}, {"/p/b.jpg": A, "/p/c.jpg": A}) == {
        "/p/b.jpg": "/p/a.jpg",
        "/p/c.jpg": "/p/a.jpg",
    }


def test_real_moves_on_a_real_disk(tmp_path: Path) -> None:
    make_files(tmp_path, "a.jpg", "2019/b.jpg", "2019/c.jpg", "keep/", "d.jpg")

    def look() -> Iterable[FoundFolder | WalkProblem]:
        return walk_library(tmp_path, exclude=Exclusions(), is_picture=is_picture)

    known = files_in(look())
    (tmp_path / "a.jpg").rename(tmp_path / "keep" / "a.jpg")
    (tmp_path / "2019").rename(tmp_path / "2019 Rome")
    (tmp_path / "d.jpg").rename(tmp_path / "D.JPG")
    outcome = reconcile(known, look())
    assert match_moves(outcome.gone, outcome.appeared) == {
        f"{tmp_path}/keep/a.jpg": f"{tmp_path}/a.jpg",
        f"{tmp_path}/2019 Rome/b.jpg": f"{tmp_path}/2019/b.jpg",
        f"{tmp_path}/2019 Rome/c.jpg": f"{tmp_path}/2019/c.jpg",
        f"{tmp_path}/D.JPG": f"{tmp_path}/d.jpg",
    }
    assert outcome.changed == {}
