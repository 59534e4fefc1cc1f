"""keeprate's plugin in a real darktable: installed as the how-to says, its buttons' actions called, its database read.

`tests/plugins/test_darktable_behaviour.py` tries the rules one by one without darktable.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.commands import answer, daemon
from support.viewers.display import Display
from support.viewers.shown_library import ShownLibrary, make_library
from viewers.darktable_with_plugin import DarktableWithPlugin

pytestmark = pytest.mark.skipif(shutil.which("darktable") is None, reason="needs darktable (Debian: darktable)")


@pytest.fixture
def library(tmp_path: Path) -> ShownLibrary:
    return make_library(tmp_path, "folder")


@contextmanager
def running(display: Display, library: ShownLibrary, *, sidecars: bool) -> Iterator[DarktableWithPlugin]:
    """darktable that has imported the library."""
    darktable = DarktableWithPlugin(display, display.home / "darktable", sidecars=sidecars)
    darktable.start()
    try:
        darktable.ask("while not keeprate.ready do dt.control.sleep(50) end")
        darktable.ask(f'dt.database.import("{library.root}")')
        darktable.ask(f"while #dt.database < {len(library.photos())} do dt.control.sleep(50) end")  # it goes on
        yield darktable
    finally:
        darktable.end()


def listed_with_stars(library: ShownLibrary) -> dict[str, int]:
    """Name → stars by the place in the whole list, best first."""
    names = [Path(photo["path"]).name for photo in answer("list", "--all", "--library", library.root.name)]
    places = {name: 1 - place / (len(names) - 1) for place, name in enumerate(names)}
    return {name: 1 + sum(place >= least for least in (0.25, 0.5, 0.75, 0.9)) for name, place in places.items()}


def test_stars_follow_the_scores_and_the_users_word_goes_back(display: Display, library: ShownLibrary) -> None:
    first = listed_with_stars(library)
    best, _, third, fourth, *_, worst = first
    user = {third: 1, worst: -1, fourth: -1}
    with running(display, library, sidecars=True) as darktable:
        darktable.rate(user)
        text = darktable.ask("return keeprate.read_scores()")
        assert text == "10 of 10 images have a score, 10 changed\n3 keep the stars that they had"
        assert darktable.ratings() == first | user
        assert darktable.describe(best).partition(", ")[2].startswith("number 1 of 10\nkeep: keep ")
        assert darktable.ask("return dt.gui.libs.keeprate.visible") == "true"

        assert darktable.ask("return keeprate.hand_rejects_back()").startswith("handed back: 2 labels imported")
        answer("sync")  # reads darktable's sidecars, in which stand the user's stars and keeprate's own
        said = {Path(label["path"]).name: label["bucket"] for label in answer("labels", "list") if label["path"]}
        ours = {name: bucket for name, bucket in said.items() if name in first}
        assert ours == {worst: "delete", fourth: "delete", third: "delete"}  # one star means delete by default

        library.change_taste()
        second = listed_with_stars(library)
        darktable.ask("return keeprate.read_scores()")
        assert darktable.ratings() == second | user
        assert next(iter(second)) != best

        assert darktable.ask("return keeprate.take_back()").startswith("taken back from 10 images")
        assert darktable.ratings() == dict.fromkeys(first, 0) | user
        assert darktable.tags() == []


def test_rejects_are_handed_back_while_the_daemon_runs(display: Display, library: ShownLibrary, tmp_path: Path) -> None:
    with running(display, library, sidecars=False) as darktable, daemon(tmp_path / "daemon.log"):
        darktable.rate({library.photos()[0].name: -1})
        text = darktable.ask("return keeprate.hand_rejects_back()")
    assert text.startswith("handed back: 1 labels imported"), text
