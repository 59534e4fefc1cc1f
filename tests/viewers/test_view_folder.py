"""Viewers that have nothing but names: the view folder in gThumb and Gwenview."""

from __future__ import annotations

from pathlib import Path

from support.viewers.display import Display
from support.viewers.gthumb import THUMBNAILS, Gthumb
from support.viewers.gwenview import Gwenview
from support.viewers.needed import needs
from support.viewers.screen import Box, settled_order
from support.viewers.shown_library import ShownLibrary, make_library
from support.waiting import wait_until


def check(display: Display, library: ShownLibrary, box: Box | None) -> None:
    """The screen shows the order of the list, and the new one after a re-score without being told to look."""
    wait_until(lambda: settled_order(display, box) == library.listed(), 40, what="the order of the list is shown")
    library.change_taste()
    wait_until(lambda: settled_order(display, box) == library.listed(), 40, what="the new order is shown")


@needs(Gthumb.program)
def test_gthumb(display: Display, tmp_path: Path) -> None:
    library = make_library(tmp_path, "gthumb")
    gthumb = Gthumb(display)
    gthumb.open(library.view)
    check(display, library, THUMBNAILS)
    gthumb.end()


@needs(Gwenview.program)
def test_gwenview(display: Display, tmp_path: Path) -> None:
    library = make_library(tmp_path, "folder")
    gwenview = Gwenview(display, "Name", descending=False)
    gwenview.open(library.view)
    check(display, library, None)
    gwenview.end()
