"""Stars that the user sets become labels; stars that keeprate sets never do, however they come back."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from keeprate_xmp.jpeg import splice
from support.commands import answer, daemon, keeprate, set_quick
from support.logs import comes_to_rest, told_of
from support.photos import jpeg, write_photos
from support.waiting import wait_until
from support.xmp import packet

pytestmark = pytest.mark.slow
DAY = 86_400


def stars(number: int) -> bytes:
    return packet(attributes=f'xmp:Rating="{number}"')


def rate(photo: Path, number: int, *, day: int, inside: bool = False) -> None:
    """What a viewer does, in the photo or in a sidecar."""
    place = photo if inside else photo.with_name(f"{photo.name}.xmp")
    place.write_bytes(splice(photo.read_bytes(), stars(number)) if inside else stars(number))
    os.utime(place, (day * DAY, day * DAY))


@pytest.fixture
def library(tmp_path: Path, home: Path) -> Path:
    """Sharp photos of which half have 5 stars, blurred ones of which half are rejected."""
    root = tmp_path / "Photos"
    write_photos(root / "in", range(0, 48, 2))
    write_photos(root / "in", range(1, 48, 2), sharp=False)
    for number in range(24):
        photo = root / "in" / f"IMG_{number:04d}.jpg"
        rate(photo, -1 if number % 2 else 5, day=number, inside=number % 4 < 2)
    keeprate("init", root)
    return root


def with_marks(home: Path, mode: str) -> None:
    config = home / "keeprate" / "config.toml"
    table = f'[library.marks.xmp]\nmode = "{mode}"\nstars = true\nminimum_age_s = 0\nminimum_change = 0\n'
    text = re.sub(r"\n\[library\.marks[^\[]*", "\n", config.read_text())
    config.write_text(f"{text}\n{table}")


def labelled() -> dict[str, tuple[str, str]]:
    return {Path(one["path"]).name: (one["bucket"], one["source"]) for one in answer("labels", "list")}


@pytest.mark.parametrize("mode", ["sidecar", "embed"])
def test_the_users_stars_teach_and_ours_never_do(library: Path, home: Path, mode: str) -> None:
    with_marks(home, mode)
    first = answer("sync")
    assert (first["marks"]["read"], first["marks"]["labels"], first["marks"]["held"]) == (48, 24, 0)
    assert first["write"]["written"] >= 24, "stars for those without"
    theirs = labelled()
    assert len(theirs) == 24
    assert set(theirs.values()) == {("keep", "rating"), ("delete", "rating")}
    shutil.move(library / "in" / "IMG_0030.jpg", library / "keep")  # more labels, another head, other stars
    answer("train", "--force")
    again = answer("sync")
    assert again["write"]["written"] > 0
    for after in (again, answer("scan")):  # the second reads what the first has written
        assert (after["marks"]["labels"], after["marks"]["held"]) == (0, 0)
    assert answer("scan")["marks"]["read"] == 0
    assert {name: said for name, said in labelled().items() if said[1] == "rating"} == theirs
    assert "marked in a viewer: 5 stars" in keeprate("why", library / "in" / "IMG_0000.jpg")


def test_a_viewer_that_writes_our_stars_back_teaches_nothing(library: Path, home: Path) -> None:
    with_marks(home, "sidecar")
    answer("sync")
    theirs = labelled()
    photo = library / "in" / "IMG_0030.jpg"
    sidecar = photo.with_name(f"{photo.name}.xmp")
    (given,) = re.findall(r'Rating="?(\d)', sidecar.read_text().replace("xmp:Rating>", 'Rating="'))[:1]
    sidecar.unlink()
    photo.write_bytes(splice(photo.read_bytes(), stars(int(given))))  # from its own database, our block gone
    copy = shutil.copy(photo, library / "in" / "IMG_0030 copy.jpg")
    assert answer("sync")["marks"]["labels"] == 0
    assert labelled() == theirs
    held = answer("labels", "held")
    assert all(group["why"] == "echo" for group in held)
    other = 5 if given != "5" else 1
    Path(copy).write_bytes(splice(jpeg(30), stars(other)))
    photo.write_bytes(splice(jpeg(30), stars(other)))
    assert answer("sync")["marks"]["labels"] == 1, "another value is the user's"


def test_the_daemon_notices_a_sidecar_and_reads_its_own_only_once(library: Path, home: Path, tmp_path: Path) -> None:
    set_quick(home)
    with_marks(home, "sidecar")
    log = tmp_path / "log"
    with daemon(log):
        wait_until(lambda: len(labelled()) == 24, what="what was there before")
        wait_until(lambda: len(list((library / "in").glob("*.xmp"))) == 48, what="marks are written")
        wait_until(lambda: "marks of" in log.read_text().split("marks written")[-1], what="ours are read")

        # the contrary of what keeprate gave: its own value, repeated, says nothing
        rate(library / "in" / "IMG_0040.jpg", 1, day=100, inside=True)
        wait_until(lambda: labelled().get("IMG_0040.jpg") == ("delete", "rating"), what="in a photo")
        sidecar = library / "in" / "IMG_0041.jpg.xmp"
        sidecar.write_bytes(stars(5))
        wait_until(lambda: labelled().get("IMG_0041.jpg") == ("keep", "rating"), what="in a sidecar")

        for number in (43, 45):  # enough to train anew, and to write other stars
            rate(library / "in" / f"IMG_{number:04d}.jpg", 5, day=100 + number)
        wait_until(lambda: answer("status")["work"]["label_changes"] == 0, what="trained anew")

        comes_to_rest(log)
    written = told_of(log, "marks.written")
    assert written >= 24
    assert told_of(log, "marks.read") <= 48 + 4 + 2 * written, log.read_text()
    assert not answer("status")["problems"]["list"]
    assert sum(said[1] == "rating" for said in labelled().values()) == 28
