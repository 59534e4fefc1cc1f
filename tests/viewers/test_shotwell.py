"""Shotwell: stars inside JPEGs, in its database and on its screen."""

from __future__ import annotations

from pathlib import Path

from support.viewers.display import Display
from support.viewers.needed import needs
from support.viewers.screen import settled_order, wait_for
from support.viewers.shotwell import THUMBNAILS, Shotwell
from support.viewers.shown_library import by_stars, make_library

pytestmark = needs(Shotwell.program)


def test_stars_are_imported_and_no_photo_is_lost_while_it_is_open(display: Display, tmp_path: Path) -> None:
    """It shows most of the new stars, but not reliably all: docs/viewers/shotwell.md."""
    library = make_library(tmp_path, "shotwell", "--embed")
    first = library.stars()
    shotwell = Shotwell(display, library.root)
    shotwell.start()
    wait_for(lambda: shotwell.ratings() == first, 60)
    assert shotwell.ratings() == first
    assert by_stars(settled_order(display, THUMBNAILS), first)

    shown = settled_order(display, THUMBNAILS)
    library.change_taste()
    wait_for(lambda: settled_order(display, THUMBNAILS) != shown, 60)
    assert settled_order(display, THUMBNAILS) != shown, "it looks at what changed"
    assert set(shotwell.ratings()) == set(first), "none is missing to it, none bears another name"
    assert set(settled_order(display, THUMBNAILS)) == set(first)

    shotwell.end()
