"""Gwenview: stars in KDE's file attributes, on its screen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.viewers.display import Display
from support.viewers.gwenview import Gwenview
from support.viewers.needed import needs
from support.viewers.screen import settled_order
from support.viewers.shown_library import by_stars, make_library
from support.waiting import wait_until

pytestmark = needs(Gwenview.program)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder on a disk that can hold attributes."""
    try:
        os.setxattr(tmp_path, "user.keeprate.test", b"1")
    except OSError as error:
        pytest.skip(f"{tmp_path} holds no extended attributes: {error.strerror}")
    return tmp_path


def test_stars_at_each_start(display: Display, place: Path) -> None:
    """While it is open it goes on with the stars that it has read, also after F5 (docs/viewers/gwenview.md)."""
    library = make_library(place, "gwenview")
    for _ in ("fresh", "re-scored"):
        gwenview = Gwenview(display, "Rating", descending=True)
        gwenview.open(library.root)
        wait_until(lambda: by_stars(settled_order(display), library.stars()), 40, what="the order of stars is shown")
        gwenview.end()
        library.change_taste()
