"""darktable: stars in sidecars, in the order of its lighttable; the stars that a person sets there."""

from __future__ import annotations

from pathlib import Path

from support.viewers.darktable import Darktable
from support.viewers.display import Display
from support.viewers.needed import needs
from support.viewers.shown_library import by_stars, make_library

pytestmark = needs(Darktable.program)


def test_stars_fresh_and_when_the_folder_is_imported_again(display: Display, tmp_path: Path) -> None:
    library = make_library(tmp_path, "darktable")
    darktable = Darktable(display, library.root)
    for _ in ("fresh", "re-scored"):
        darktable.start()
        shown = darktable.shown()
        darktable.end()
        assert dict(shown) == library.stars()
        assert by_stars([name for name, _ in shown], library.stars())
        library.change_taste()
