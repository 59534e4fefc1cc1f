"""Both photo managers on one photo: neither takes the other's stars for the user's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from keeprate.plugin_api import LibraryPlace, MarkRequest
from keeprate_kde import KdeManager, KdeSettings
from support.attributes import all_attributes, need_attributes
from support.ordered import Journal
from support.xmp import EVERYTHING, Core, jpeg


@pytest.mark.parametrize("kde_first", [True, False])
def test_stars_in_both_places_and_the_users_in_neither(tmp_path: Path, kde_first: bool) -> None:
    need_attributes(tmp_path)
    photo = tmp_path / "a.jpg"
    photo.write_bytes(jpeg())
    xmp, journal = Core(tmp_path, EVERYTHING), Journal(LibraryPlace("test", tmp_path))
    kde = KdeManager(LibraryPlace("test", tmp_path), KdeSettings())

    def kde_marks(score: float) -> None:
        request: MarkRequest = xmp.request({photo: score})
        journal.run(kde, request.photos)

    for score, halves in ((0.95, b"10"), (0.3, b"4")):
        if kde_first:
            kde_marks(score)
        assert f"{int(halves) // 2} star" in xmp.plan_one(photo, score).summary
        xmp.mark(photo, score)
        kde_marks(score)
        assert all_attributes(photo)["user.baloo.rating"] == halves
    os.setxattr(photo, "user.baloo.rating", b"7")
    assert "yours: rating" in xmp.plan_one(photo, 0.95).summary
