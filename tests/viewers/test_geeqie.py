"""Geeqie: the view folder, the collection and, embedded, the stars."""

from __future__ import annotations

from pathlib import Path

from support.viewers.display import Display
from support.viewers.geeqie import RATING, Geeqie
from support.viewers.needed import needs
from support.viewers.shown_library import ShownLibrary, by_stars, make_library
from support.waiting import wait_until

pytestmark = needs(Geeqie.program)


def of_links(links: list[str]) -> list[str]:
    """Names of the photos that links of a view folder are for."""
    return [link.split("_", 2)[-1] for link in links]


def test_view_folder_and_collection_fresh_and_while_geeqie_is_open(display: Display, tmp_path: Path) -> None:
    library = make_library(tmp_path, "geeqie")
    geeqie = Geeqie(display)
    geeqie.open(library.view)
    wait_until(lambda: of_links(geeqie.walked(library.view)) == library.listed(), 30, what="Geeqie shows the order")
    assert geeqie.collection("keeprate-Photos") == library.listed()

    library.change_taste()
    assert geeqie.collection("keeprate-Photos") == library.listed()
    wait_until(lambda: of_links(geeqie.walked(library.view)) == library.listed(), 30, what="Geeqie follows the folder")
    geeqie.quit()


def test_stars_inside_jpegs_at_each_start(display: Display, tmp_path: Path) -> None:
    """While it is open it goes on with the ratings that it has read."""
    library = make_library(tmp_path, "geeqie", "--embed")
    for _ in ("fresh", "re-scored"):
        check_ratings(Geeqie(display, sort=RATING, ascending=False), library)
        library.change_taste()


def check_ratings(geeqie: Geeqie, library: ShownLibrary) -> None:
    geeqie.open(library.root)
    wait_until(lambda: by_stars(geeqie.walked(library.root), library.stars()), 30, what="Geeqie sorts by the stars")
    geeqie.quit()
