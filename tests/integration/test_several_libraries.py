"""Several libraries, several heads, buckets of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.commands import answer, keeprate, run
from support.photos import write_photos

pytestmark = pytest.mark.slow

CONFIG = """
[[library]]
name = "camera"
root = "{root}/camera"
exclude = ["private", "*-draft.jpg"]
[library.heads.keep]
buckets = {{ keep = "**/keep", delete = ["delete", "trash:"] }}
[library.heads.kind]
buckets = {{ people = "sorted/people", places = "sorted/places", things = "sorted/things" }}
[library.marks.order]
view_folder = "{root}/camera/by score"
links = "relative"

[[library]]
name = "phone"
root = "{root}/phone"
[library.heads.keep]
buckets = {{ keep = "best", delete = "worst" }}
"""


def test_libraries_share_heads_and_keep_their_own_buckets(tmp_path: Path, home: Path) -> None:
    camera, phone = tmp_path / "camera", tmp_path / "phone"
    write_photos(camera / "2026" / "trip" / "keep", range(6))
    write_photos(camera / "delete", range(100, 106), sharp=False)
    write_photos(phone / "best", range(6, 12))
    write_photos(phone / "worst", range(106, 112), sharp=False)
    for number, kind in enumerate(("people", "places", "things")):
        write_photos(camera / "sorted" / kind, range(200 + 10 * number, 204 + 10 * number))
    write_photos(camera / "private", range(300, 303))
    write_photos(camera / "@eaDir", range(310, 313))
    write_photos(camera / "new", range(400, 404))
    (camera / "new" / "IMG_0400.jpg").rename(camera / "new" / "IMG-draft.jpg")
    config = home / "keeprate" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(CONFIG.format(root=tmp_path))
    keeprate("config", "check")

    outcome = answer("sync")
    assert [library["files"] for library in outcome["scan"]["libraries"]] == [27, 12]
    heads = {head["name"]: head for head in answer("status")["heads"]}
    assert heads["keep"]["labels"] == {"keep": 12, "delete": 12}, "both libraries teach the head that they share"
    assert heads["kind"]["labels"] == {"people": 4, "places": 4, "things": 4}
    assert heads["keep"]["version"] == 1

    listed = answer("list", "--head", "keep", "--library", "camera")
    assert all(Path(photo["path"]).is_relative_to(camera) for photo in listed)
    if heads["kind"]["version"] is not None:
        several = answer("list", "--head", "kind", "--all")[0]
        assert set(several["probabilities"]) == {"people", "places", "things"}
        assert sum(several["probabilities"].values()) == pytest.approx(1)
    links = [path for path in (camera / "by score").iterdir() if path.is_symlink()]
    assert len(links) == len(listed)
    assert all(not path.readlink().is_absolute() and path.exists() for path in links)
    assert [library["files"] for library in answer("scan")["libraries"]] == [27, 12], "the view folder is not walked"

    assert run("scan", "--library", "phone").code == 0
    assert answer("embed", "--head", "kind")["embedded"] == 0
