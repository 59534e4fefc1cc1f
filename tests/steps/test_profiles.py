from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keeprate.cli.main import app
from keeprate.config.load import load_config
from keeprate.config.models import VIEWERS, Config, LibraryConfig
from keeprate.steps.marks.managers import check_marks, manager_names
from keeprate.steps.marks.profiles import PROFILES
from support.commands import keeprate, run
from support.photos import write_photos

EMBEDDING = [viewer for viewer, profile in PROFILES.items() if profile.inside]


def test_each_viewer_has_its_profile() -> None:
    assert tuple(PROFILES) == VIEWERS
    assert [viewer for viewer in VIEWERS if viewer not in run("init", "--help").out] == []


@pytest.mark.parametrize("viewer", VIEWERS)
def test_marks_are_settings_that_photo_managers_know(viewer: str, tmp_path: Path) -> None:
    profile = PROFILES[viewer]
    for embed in {False, bool(profile.inside)}:
        marks = profile.marks(tmp_path / "view", embed=embed)
        assert marks.keys() <= set(manager_names())
        check_marks(Config(library=(LibraryConfig(name="a", root=tmp_path, marks=marks),)))
        assert marks.get("xmp", {}).get("mode") != "embed" or embed  # only when asked for
        assert embed or not profile.inside or marks["order"]["view_folder"]


def test_stars_sidecars_and_attributes_are_where_viewers_read_them(tmp_path: Path) -> None:
    """docs/viewers; metadata that a viewer does not read only clutters folders."""
    marks = {viewer: PROFILES[viewer].marks(tmp_path / "view") for viewer in VIEWERS}
    assert [viewer for viewer in VIEWERS if "xmp" in marks[viewer]] == ["digikam", "darktable"]
    assert [viewer for viewer in VIEWERS if "kde" in marks[viewer]] == ["gwenview", "dolphin"]
    assert [viewer for viewer in VIEWERS if "finder" in marks[viewer]] == ["finder"]
    assert set(VIEWERS) - set(EMBEDDING) == {"folder", "gwenview", "dolphin", "finder"}


def in_process(*arguments: str | Path) -> str:
    """A command without a process of its own: there are many viewers."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, (arguments, done.output, done.exception)
    return done.stdout


@pytest.mark.parametrize("viewer", VIEWERS)
def test_init_and_profile_say_the_same(viewer: str, tmp_path: Path, home: Path) -> None:
    root = tmp_path / "Photos"
    write_photos(root, range(2))
    embed = ["--embed"] if viewer in EMBEDDING else []
    in_process("init", root, "--viewer", viewer, *embed)
    (library,) = load_config(home / "keeprate" / "config.toml").library
    assert library.viewer == viewer
    assert json.loads(in_process("profile", viewer, *embed, "--json"))["marks"] == library.marks
    assert json.loads(in_process("profile", viewer, *embed, "-l", "Photos", "--json"))["changed"] == []
    in_process("config", "check")
    in_process("write", "--dry-run")


def test_a_profile_is_written_into_a_config_of_the_users(tmp_path: Path, home: Path) -> None:
    root = tmp_path / "Photos"
    root.mkdir()
    keeprate("init", root, "--viewer", "digikam", "--view-folder", tmp_path / "mine")
    config = home / "keeprate" / "config.toml"
    config.write_text("# my own words\n" + config.read_text())

    before = config.read_text()
    shown = keeprate("profile", "geeqie", "-l", "Photos", "--dry-run")
    assert config.read_text() == before
    keeprate("profile", "geeqie", "-l", "Photos")
    assert "xmp] stays" in shown
    assert "mine" in shown
    (library,) = load_config(config).library
    assert library.marks["order"] == {"view_folder": str(tmp_path / "mine"), "geeqie_collection": "auto"}
    assert library.marks["xmp"]["stars"] is True
    assert config.read_text().startswith("# my own words\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("profile", "gimp"), "no profile for the viewer 'gimp'"),
        (("profile", "geeqie", "--library", "none"), "no library called 'none'"),
        (("profile", "gwenview", "--embed"), "can be embedded"),
        (("profile", "--library", "a"), "Which viewer?"),
    ],
)
def test_wrong_use_is_explained(arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert said in done.err


def test_what_is_printed_can_be_pasted(tmp_path: Path, home: Path) -> None:
    printed = keeprate("profile", "geeqie", "--embed").replace(
        "[library.", "[[library]]\nname='a'\nroot='/a'\n[library.", 1
    )
    config = home / "keeprate" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(printed)
    assert load_config(config).library[0].marks == PROFILES["geeqie"].marks(home / "Pictures by score", embed=True)
