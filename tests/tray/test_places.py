"""What the menu opens is what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeprate.errors import KeeprateError
from keeprate.paths import locate_home
from keeprate.tray.places import notifications_wanted, open_with_desktop, places_of, run_keeprate

CONFIG = """
[[library]]
name = "camera"
root = "{root}"
[library.marks.order]
view_folder = "../by score"

[tray]
notifications = false
"""


def test_view_folders_and_the_settings_file_that_exist(tmp_path: Path) -> None:
    home = locate_home()
    assert places_of(home, running=True).settings is None
    assert notifications_wanted(home)
    (tmp_path / "photos").mkdir()
    home.config_dir.mkdir(parents=True)
    home.config_file.write_text(CONFIG.format(root=tmp_path / "photos"))
    assert places_of(home, running=True).view_folders == ()
    (tmp_path / "by score").mkdir()
    found = places_of(home, running=True)
    assert [(name, folder.resolve()) for name, folder in found.view_folders] == [("camera", tmp_path / "by score")]
    assert found.settings == home.config_file
    assert not notifications_wanted(home)


def test_a_config_that_makes_no_sense_leaves_its_file_to_open() -> None:
    home = locate_home()
    home.config_dir.mkdir(parents=True)
    home.config_file.write_text("[nonsense")
    found = places_of(home, running=True)
    assert found.settings == home.config_file
    assert found.view_folders == ()


def test_what_is_opened_goes_to_the_desktops_own_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KeeprateError, match="cannot be started"):
        open_with_desktop(tmp_path)


def test_a_command_that_fails_is_told_in_its_own_words() -> None:
    with pytest.raises(KeeprateError, match="nowhere"):
        run_keeprate("sync", "--library", "nowhere")
