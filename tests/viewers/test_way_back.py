"""What a person sets in a viewer becomes a label, and what keeprate wrote there does not."""

from __future__ import annotations

from pathlib import Path

from support.commands import answer
from support.viewers.darktable import Darktable
from support.viewers.display import Display
from support.viewers.needed import needs
from support.viewers.shown_library import make_library


def labels_of(root: Path) -> dict[str, str]:
    """Name -> bucket of the labels that came from marks."""
    return {
        Path(label["path"]).name: label["bucket"]
        for label in answer("labels", "list")
        if label["source"] == "rating" and Path(label["path"]).parent == root
    }


@needs(Darktable.program)
def test_darktable_writes_stars_and_rejects_into_its_sidecars(display: Display, tmp_path: Path) -> None:
    library = make_library(tmp_path, "darktable")
    best, *_, worst = library.listed()
    darktable = Darktable(display, library.root, sets={best: -1, worst: 5})
    darktable.start()
    shown = dict(darktable.shown())
    darktable.end()
    assert (shown[best], shown[worst]) == (-1, 5)

    answer("sync")
    assert labels_of(library.root) == {best: "delete", worst: "keep"}
