from __future__ import annotations

import os
from pathlib import Path

import pytest

from keeprate.config.edit import add_library
from keeprate.errors import UsageError
from keeprate.paths import Home, close_to_others, expanded, locate_home, make_own_folder
from keeprate.steps.session import open_session
from support.commands import run


def test_a_home_is_put_in_for_its_sign() -> None:
    assert expanded("~/photos") == Path(os.environ["HOME"]) / "photos"
    assert expanded("photos") == Path("photos")


def test_the_home_of_nobody_is_a_mistake_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("KEEPRATE_WORKSPACE", "KEEPRATE_HOME"):
        with monkeypatch.context() as patch:
            patch.setenv(variable, "~nosuchuser/w")
            with pytest.raises(UsageError, match="home of a user that does not exist"):
                locate_home()


@pytest.mark.parametrize(
    "arguments",
    [
        ("model", "add", "x", "--path", "~nosuchuser/model"),
        ("--workspace", "~nosuchuser/w", "status"),
        ("import", "headmaster", "~nosuchuser/w"),
        ("init", "~nosuchuser/photos"),
    ],
)
def test_commands_say_so_in_one_sentence(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "a user that does not exist" in done.err
    assert "Traceback" not in done.err


@pytest.fixture
def usual_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEEPRATE_HOME")


@pytest.mark.usefixtures("usual_places")
@pytest.mark.parametrize("given", ["", "/nowhere/at/all", "relative", "a file", "a stranger's"])
def test_without_a_runtime_folder_of_the_system_it_is_our_own(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "stranger").mkdir()
    os.chown(tmp_path / "stranger", 12345, -1)
    given = {"a file": str(tmp_path / "file"), "a stranger's": str(tmp_path / "stranger")}.get(given, given)
    monkeypatch.setenv("XDG_RUNTIME_DIR", given)
    monkeypatch.setattr(os, "getuid", lambda: 54322)  # whose /run/user/54322 is not there
    assert locate_home().runtime_dir == locate_home().state_dir / "run"
    assert not locate_home().runtime_dir.exists()


@pytest.mark.usefixtures("usual_places")
def test_the_runtime_folder_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert locate_home().runtime_dir == tmp_path / "keeprate"


@pytest.mark.usefixtures("usual_places")
def test_others_cannot_look_into_what_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    home = locate_home()
    add_library(home.config_file, {"name": "camera", "root": str(tmp_path)})
    with open_session(home) as session:
        session.catalog.conn.execute("CREATE TABLE something (new) ")
        for name in ("catalog.db", "catalog.db-wal", "catalog.db-shm"):
            assert (home.data_dir / name).stat().st_mode & 0o777 == 0o600, name
    assert home.config_dir.stat().st_mode & 0o777 == 0o700
    assert home.data_dir.stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("usual_places")
def test_what_was_open_to_others_is_closed(tmp_path: Path) -> None:
    home = locate_home()
    for folder in (home.config_dir, home.data_dir, home.thumbnails_dir):
        folder.mkdir(parents=True)
        folder.chmod(0o755)
    elsewhere = tmp_path / "dotfiles"
    elsewhere.mkdir(mode=0o755)
    home.state_dir.parent.mkdir(parents=True)
    home.state_dir.symlink_to(elsewhere)
    home.catalog_file.touch(mode=0o644)
    add_library(home.config_file, {"name": "camera", "root": str(tmp_path)})
    open_session(home).catalog.close()
    modes = {folder: folder.stat().st_mode & 0o777 for folder in (home.config_dir, home.data_dir, home.thumbnails_dir)}
    assert set(modes.values()) == {0o700}
    assert home.catalog_file.stat().st_mode & 0o777 == 0o600
    assert elsewhere.stat().st_mode & 0o777 == 0o755, "a link leads to what may be more than ours"


def test_a_folder_that_does_not_bear_our_name_stays_as_it_is(tmp_path: Path) -> None:
    named, workspace = tmp_path / "disk", tmp_path / "work"
    for folder in (named, workspace / ".keeprate"):
        folder.mkdir(parents=True)
        folder.chmod(0o755)
    (named / "backups").mkdir(mode=0o755)
    close_to_others(Home(named, named, named, named / "cache", named / "run"))
    own = workspace / ".keeprate"
    close_to_others(Home(own, own, own, own / "cache", own / "run", workspace))
    assert named.stat().st_mode & 0o777 == 0o755
    assert (named / "backups").stat().st_mode & 0o777 == 0o700
    assert own.stat().st_mode & 0o777 == 0o700
    assert workspace.stat().st_mode & 0o777 == 0o755


def test_making_a_folder(tmp_path: Path) -> None:
    made = tmp_path / "a" / "b"
    make_own_folder(made)
    make_own_folder(made)
    assert [folder.stat().st_mode & 0o777 for folder in (made, made.parent)] == [0o700, 0o700]
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NotADirectoryError):
            make_own_folder(folder)
