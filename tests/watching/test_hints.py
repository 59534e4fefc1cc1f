from __future__ import annotations

from pathlib import Path

import pytest

from keeprate.watching.exclusions import VIEW_MARKER, Exclusions
from keeprate.watching.hints import Change, FullScan, Hint, Touched, WatchedRoot, digest
from support.trees import make_files

CAMERA = WatchedRoot("camera", Path("/photos"))
PHONE = WatchedRoot("phone", Path("/phone"), Exclusions(["Screenshots"]))


def file(path: str, root: WatchedRoot = CAMERA) -> Touched:
    return Touched(root, path, is_folder=False)


def folder(path: str, root: WatchedRoot = CAMERA) -> Touched:
    return Touched(root, path, is_folder=True)


@pytest.mark.parametrize(
    ("events", "changes"),
    [
        ([], []),
        ([file("/photos/a.jpg")], [Hint("camera", "/photos/a.jpg", False)]),
        ([file("/photos/a.jpg")] * 3, [Hint("camera", "/photos/a.jpg", False)]),
        ([file("/photos/.a.jpg"), file("/photos/@eaDir/a.jpg"), folder("/photos/@eaDir")], []),
        ([file("/phone/Screenshots/a.png", PHONE), folder("/phone/Screenshots", PHONE)], []),
        ([folder("/photos/2019")], [Hint("camera", "/photos/2019", True)]),
        (
            [
                file("/photos/2019/a.jpg"),
                folder("/photos/2019/rome"),
                folder("/photos/2019"),
                file("/photos/2019x.jpg"),
            ],
            [Hint("camera", "/photos/2019", True), Hint("camera", "/photos/2019x.jpg", False)],
        ),
        (
            [folder("/photos/2019"), file("/phone/2019/a.jpg", PHONE)],
            [Hint("camera", "/photos/2019", True), Hint("phone", "/phone/2019/a.jpg", False)],
        ),
        (
            [
                file("/photos/a.jpg"),
                FullScan("camera", "lost"),
                FullScan("camera", "again"),
                file("/phone/a.jpg", PHONE),
            ],
            [FullScan("camera", "lost"), Hint("phone", "/phone/a.jpg", False)],
        ),
        ([folder("/photos"), file("/photos/a.jpg")], [FullScan("camera", "its folder was moved or removed")]),
    ],
)
def test_what_events_come_down_to(events: list[Touched | FullScan], changes: list[Change]) -> None:
    assert digest(events) == changes


def test_nothing_comes_out_of_a_marked_view(tmp_path: Path) -> None:
    make_files(tmp_path, f"best/{VIEW_MARKER}", "best/001.jpg", "2019/a.jpg")
    root = WatchedRoot("camera", tmp_path)
    events = [
        file(f"{tmp_path}/best/001.jpg", root),
        folder(f"{tmp_path}/best", root),
        folder(f"{tmp_path}/2019", root),
    ]
    assert digest(events) == [Hint("camera", f"{tmp_path}/2019", True)]
