from __future__ import annotations

import os
from pathlib import Path

import pytest

from keeprate.config.workspace import config_of
from keeprate.errors import ConfigError, UsageError
from keeprate.paths import locate_home
from support.commands import run


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "workspace"
    for bucket in (
        "hotdog/negative",
        "hotdog/positive",
        "weather/sunny",
        "weather/cloudy",
        "weather/rainy",
        "lone/one",
    ):
        (folder / "heads" / bucket).mkdir(parents=True)
    monkeypatch.setenv("KEEPRATE_WORKSPACE", str(folder))
    return folder


def test_heads_and_buckets_follow_from_the_folders(workspace: Path) -> None:
    (workspace / "heads" / ".hidden" / "a").mkdir(parents=True)
    (workspace / "heads" / "hotdog" / ".cache").mkdir()
    (workspace / "heads" / "notes.txt").write_text("no head")
    config = config_of(locate_home())
    assert config.heads() == {
        "hotdog": ("positive", "negative"),  # the first bucket is headmaster's index 1, which its sigmoid means
        "lone": ("one",),
        "weather": ("cloudy", "rainy", "sunny"),
    }
    (library,) = config.library
    assert (library.root, library.marks, library.forget_vanished) == (workspace / "heads", {}, True)


def test_everything_of_ours_lies_in_one_hidden_folder(workspace: Path) -> None:
    home = locate_home()
    assert {home.config_dir, home.data_dir, home.state_dir} == {workspace / ".keeprate"}
    assert home.checkpoints_dir == workspace / "out"
    assert home.test_dir("hotdog") == workspace / "test" / "hotdog"


def test_headmasters_variable_counts_and_ours_goes_before_it(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("HEADMASTER_WORKSPACE", str(other))
    assert locate_home().workspace == workspace
    monkeypatch.setenv("KEEPRATE_WORKSPACE", "")
    assert locate_home().workspace == other
    assert config_of(locate_home()).library == ()


def test_a_workspace_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEADMASTER_WORKSPACE", str(tmp_path / "gone"))
    with pytest.raises(UsageError, match="no such workspace") as caught:
        locate_home()
    assert caught.value.path == tmp_path / "gone"


@pytest.mark.parametrize("place", ["heads", "heads/hotdog"])
def test_a_folder_whose_name_is_no_text_is_named(workspace: Path, place: str) -> None:
    odd = workspace / place / os.fsdecode(b"caf\xe9")
    odd.mkdir()
    with pytest.raises(ConfigError, match="not UTF-8") as caught:
        config_of(locate_home())
    assert caught.value.path == odd
    done = run("--workspace", workspace, "status")
    assert (done.code, done.out) == (2, "")
    assert f"{place}/caf�" in done.err


def test_a_head_whose_files_would_have_too_long_names_is_refused(workspace: Path) -> None:
    (workspace / "heads" / ("ä" * 50)).mkdir()
    assert "ä" * 50 in config_of(locate_home()).heads()
    long = workspace / "heads" / ("ä" * 50 + "b")
    long.mkdir()
    with pytest.raises(ConfigError, match="longer than 100 bytes") as caught:
        config_of(locate_home())
    assert caught.value.path == long


def test_other_settings_may_be_given_but_no_library(workspace: Path) -> None:
    file = workspace / ".keeprate" / "config.toml"
    file.parent.mkdir()
    file.write_text("[training]\nseed = 7\n")
    assert config_of(locate_home()).training.seed == 7
    file.write_text('[[library]]\nname = "a"\nroot = "/a"\n')
    with pytest.raises(ConfigError, match=r"there can be no \[\[library\]\]"):
        config_of(locate_home())
