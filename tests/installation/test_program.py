"""Which command a service has to start, and with what in its environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from keeprate.installation.program import Program, names_of, this_program
from keeprate.paths import locate_home


def test_this_installation_starts_itself() -> None:
    program = this_program(locate_home())
    assert program.file.is_absolute()
    done = subprocess.run([*program.command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("keeprate ")
    assert program.file.is_relative_to(sys.prefix)


def test_a_home_of_its_own_goes_along(home: Path) -> None:
    assert this_program(locate_home()).environment == (("KEEPRATE_HOME", str(home / "keeprate")),)


def test_a_workspace_goes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADMASTER_WORKSPACE", str(tmp_path))
    assert this_program(locate_home()).environment == (("KEEPRATE_WORKSPACE", str(tmp_path)),)


def test_of_the_usual_home_only_what_the_shell_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KEEPRATE_HOME")
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name)
    assert this_program(locate_home()).environment == ()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HOME", "/models")
    assert this_program(locate_home()).environment == (("XDG_DATA_HOME", str(tmp_path)), ("HF_HOME", "/models"))


def test_the_usual_service_has_the_usual_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEEPRATE_HOME")
    names = names_of(locate_home())
    assert (names.unit, names.agent, names.tray_entry) == (
        "keeprate.service",
        "keeprate.daemon",
        "keeprate-tray.desktop",
    )


def test_every_home_has_a_service_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    units = set()
    for folder in ("a/Photos 2024!", "b/Photos 2024!", "ünïcode", "c"):
        monkeypatch.setenv("KEEPRATE_HOME", str(tmp_path / folder))
        unit = names_of(locate_home()).unit
        assert unit.removeprefix("keeprate-").removesuffix(".service").replace("-", "").isalnum()
        assert unit.isascii()
        units.add(unit)
    assert len(units) == 4


@pytest.mark.parametrize(
    ("path", "passing"),
    [
        ("/home/ana/.local/bin/keeprate", False),
        ("/home/ana/.local/share/pipx/venvs/keeprate/bin/keeprate", False),
        ("/home/ana/.cache/uv/archive-v0/x/bin/keeprate", True),
        ("/Users/ana/Library/Caches/uv/x/bin/keeprate", True),
    ],
)
def test_a_program_that_will_be_cleaned_up_is_known(path: str, passing: bool) -> None:
    assert Program((path,), ()).passing == passing


def test_without_a_script_the_interpreter_is_started(tmp_path: Path) -> None:
    """As from a bare source tree: no package is installed that could have a script."""
    paths = [str(Path(__file__).resolve().parents[2] / "daemon"), *site_packages_without(tmp_path)]
    code = f"import sys; sys.path[:0] = {paths!r}; from keeprate.installation import program; print(program._command())"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str((sys.executable, "-P", "-m", "keeprate"))


def site_packages_without(folder: Path) -> list[str]:
    """The installed packages, keeprate left out, as links in a folder."""
    import platformdirs

    for found in Path(platformdirs.__file__).parents[1].iterdir():
        if not found.name.startswith(("keeprate", "_keeprate", "__editable__")) and found.suffix != ".pth":
            (folder / found.name).symlink_to(found)
    return [str(folder)]
