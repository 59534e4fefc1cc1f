"""Shotwell: stars inside JPEGs, in its database and on its screen."""

from __future__ import annotations

from pathlib import Path

from support.viewers.display import Display
from support.viewers.needed import needs
from support.viewers.screen import settled_order, wait_for
from support.viewers.shotwell import THUMBNAILS, Shotwell
from support.viewers.shown_library import by_stars, make_library
from support.waiting import wait_until

pytestmark = needs(Shotwell.program)


def test_stars_are_imported_and_followed_while_it_is_open(display: Display, tmp_path: Path) -> None:
    """What it shows after its next start is another matter: docs/viewers/shotwell.md."""
    library = make_library(tmp_path, "shotwell", "--embed")
    first = library.stars()
    shotwell = Shotwell(display, library.root)
    shotwell.start()
    wait_for(lambda: shotwell.ratings() == first, 60)
    assert shotwell.ratings() == first
    assert by_stars(settled_order(display, THUMBNAILS), first)

    library.change_taste()
    changed = library.stars()
    wait_until(lambda: by_stars(settled_order(display, THUMBNAILS), changed), 90, what="its screen follows")

    shotwell.end()
