"""digiKam: stars in sidecars and inside JPEGs, in its database and on its screen."""

from __future__ import annotations

from pathlib import Path

from support.viewers.digikam import Digikam
from support.viewers.display import Display
from support.viewers.needed import needs
from support.viewers.screen import settled_order
from support.viewers.shown_library import by_stars, make_library

pytestmark = needs(Digikam.program)


def shown(display: Display, digikam: Digikam) -> list[str]:
    digikam.show_album()
    return settled_order(display)


def test_stars_in_sidecars_fresh_and_after_a_scan(display: Display, tmp_path: Path) -> None:
    library = make_library(tmp_path, "digikam")
    digikam = Digikam(display, library.root, sidecars=True)
    for _ in ("fresh", "re-scored"):
        digikam.start()  # it scans when it starts
        assert digikam.scanned(library.stars()) == library.stars()
        assert by_stars(shown(display, digikam), library.stars())
        digikam.end()
        library.change_taste()


def test_stars_inside_jpegs_fresh_and_when_it_reads_them_again(display: Display, tmp_path: Path) -> None:
    """A file of the same size whose time is but a second later is the same to digiKam's scan: hence two seconds."""
    library = make_library(tmp_path, "digikam", "--embed")
    digikam = Digikam(display, library.root, sidecars=False)
    digikam.start()
    assert digikam.scanned(library.stars()) == library.stars()
    digikam.end()

    library.change_taste()
    digikam.start()
    assert digikam.scanned(library.stars()) == library.stars()
    assert by_stars(shown(display, digikam), library.stars())
    digikam.end()


def test_sidecars_count_for_nothing_until_they_are_switched_on(display: Display, tmp_path: Path) -> None:
    library = make_library(tmp_path, "digikam")
    digikam = Digikam(display, library.root, sidecars=False)
    digikam.start()
    unrated = dict.fromkeys(library.stars(), -1)
    assert digikam.scanned(unrated) == unrated
    digikam.end()
