"""KDE's stars through the whole of keeprate: written, changed by the user, learned from, taken back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from support.attributes import all_attributes, need_attributes
from support.commands import answer, daemon, keeprate, set_quick
from support.logs import comes_to_rest, told_of
from support.photos import write_photos
from support.waiting import wait_until

pytestmark = pytest.mark.slow

RATING = "user.baloo.rating"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Thirty photos, the even ones sharp; ten of each kind sorted, ten in the inbox; marked with stars."""
    need_attributes(tmp_path)
    root = tmp_path / "Photos"
    write_photos(root / "inbox", range(0, 30, 2))
    write_photos(root / "inbox", range(1, 30, 2), sharp=False)
    keeprate("init", root)
    for number in range(20):
        bucket = "keep" if number % 2 == 0 else "delete"
        shutil.move(root / "inbox" / f"IMG_{number:04d}.jpg", root / bucket)
    config = Path(os.environ["KEEPRATE_HOME"]) / "config.toml"
    config.write_text(config.read_text().partition("[library.marks")[0] + "[library.marks.kde]\n")
    return root


def stars_in(folder: Path) -> dict[str, str | None]:
    return {path.name: all_attributes(path).get(RATING, b"").decode() or None for path in sorted(folder.iterdir())}


def test_stars_are_written_learned_only_if_the_users_and_taken_back(library: Path) -> None:
    inbox = library / "inbox"
    times = {path: path.stat().st_mtime_ns for path in inbox.iterdir()}
    first = answer("sync")
    assert first["write"]["written"] == 10
    stars = stars_in(inbox)
    assert {"2", "8"} <= set(stars.values()) <= {"2", "4", "6", "8", "10"}
    assert set(stars_in(library / "keep").values()) == {None}, "decided: no stars of ours"

    again = answer("sync")
    assert again["write"]["written"] == 0
    assert len(answer("labels", "list")) == 20, "no star of keeprate's own is a label"

    loved, bad = inbox / "IMG_0021.jpg", inbox / "IMG_0022.jpg"
    os.setxattr(loved, RATING, b"9" if stars[loved.name] != "10" else b"7")
    os.setxattr(bad, RATING, b"1")
    kept = all_attributes(loved)[RATING], all_attributes(bad)[RATING]
    keeprate("sync")
    labels = {Path(label["path"]).name: label["bucket"] for label in answer("labels", "list")}
    assert (labels.get(loved.name), labels.get(bad.name)) == ("keep", "delete")
    assert (all_attributes(loved)[RATING], all_attributes(bad)[RATING]) == kept

    keeprate("undo", "--all")
    left = {path.name: all_attributes(path) for path in inbox.iterdir() if all_attributes(path)}
    assert left == {loved.name: {RATING: kept[0]}, bad.name: {RATING: kept[1]}}
    assert {path: path.stat().st_mtime_ns for path in inbox.iterdir()} == times


def test_the_daemon_notices_stars_while_it_runs(library: Path, tmp_path: Path, home: Path) -> None:
    inbox, log = library / "inbox", tmp_path / "log"
    set_quick(home)

    def labels() -> dict[str, str]:
        return {Path(label["path"]).name: label["bucket"] for label in answer("labels", "list")}

    with daemon(log):
        wait_until(lambda: None not in stars_in(inbox).values(), what="stars of ours everywhere")
        loved, bad = inbox / "IMG_0021.jpg", inbox / "IMG_0022.jpg"
        for photo, stars in ((loved, {b"10", b"9"}), (bad, {b"1", b"2"})):
            os.setxattr(photo, RATING, min(stars - {all_attributes(photo)[RATING]}))
            wait_until(lambda: photo.name in labels(), what=f"the star on {photo.name} is a label")  # noqa: B023
        assert (labels()[loved.name], labels()[bad.name]) == ("keep", "delete")
        os.removexattr(loved, RATING)
        wait_until(lambda: loved.name not in labels(), what="taken away")
        comes_to_rest(log)
    written = told_of(log, "marks.written")
    assert written >= 10
    assert told_of(log, "marks.read") <= 30 + 3 + 2 * written, "what keeprate writes itself is looked at once"
