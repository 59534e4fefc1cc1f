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


def shows_the_list(display: Display, library: ShownLibrary, box: Box | None) -> bool:
    return settled_order(display, box, timeout_s=10) == library.listed()


@needs(Gthumb.program)
def test_gthumb_fresh_and_after_a_reload(display: Display, tmp_path: Path) -> None:
    """It does not understand that links of an open folder got other names, until Ctrl+R (docs/viewers/gthumb.md)."""
    library = make_library(tmp_path, "gthumb")
    gthumb = Gthumb(display)
    gthumb.open(library.view)
    wait_until(lambda: shows_the_list(display, library, THUMBNAILS), 60, what="the order of the list is shown")

    library.change_taste()

    def followed() -> bool:
        gthumb.reload()
        return shows_the_list(display, library, THUMBNAILS)

    wait_until(followed, 60, what="the new order is shown after Ctrl+R")
    gthumb.end()


@needs(Gwenview.program)
def test_gwenview_fresh_and_while_it_is_open(display: Display, tmp_path: Path) -> None:
    library = make_library(tmp_path, "folder")
    gwenview = Gwenview(display, "Name", descending=False)
    gwenview.open(library.view)
    wait_until(lambda: shows_the_list(display, library, None), 60, what="the order of the list is shown")
    library.change_taste()
    wait_until(lambda: shows_the_list(display, library, None), 60, what="the new order is shown")
    gwenview.end()
