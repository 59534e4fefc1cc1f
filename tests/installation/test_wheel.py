"""The wheel carries what the service needs, and finds the right program in every way of installing it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.installed import build_wheel, install_wheel

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def would_install(*command: str | Path) -> str:
    done = subprocess.run([*command, "service", "install", "--dry-run"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_virtual_environment_starts_its_own_program(wheel: Path, tmp_path: Path) -> None:
    program = install_wheel(wheel, tmp_path / "My tools 100%")
    assert f'\nExecStart="{str(program).replace("%", "%%")}" run\n' in would_install(program)
    # even where PATH has another one, or none, and it is called by way of its interpreter
    assert f'"{str(program).replace("%", "%%")}" run' in would_install(program.with_name("python"), "-m", "keeprate")


def test_pipx_and_uv_install_the_program_behind_their_link(wheel: Path, home: Path) -> None:
    program = install_wheel(wheel, home / ".local/share/pipx/venvs/keeprate")
    link = home / ".local/bin/keeprate"
    link.parent.mkdir(parents=True)
    link.symlink_to(program)
    said = would_install(link)
    assert f"\nExecStart={program} run\n" in said
    assert f"\nTryExec={program}\n" in said or "tray" not in said


def test_what_is_run_from_a_cache_is_warned_of(wheel: Path, home: Path) -> None:
    program = install_wheel(wheel, home / ".cache/uv/archive-v0/x")
    assert "cleaned up at times" in would_install(program)


def test_the_wheel_has_every_template(wheel: Path, tmp_path: Path) -> None:
    program = install_wheel(wheel, tmp_path / "env")
    code = (
        "from keeprate.installation import templates\n"
        "for name in ('systemd/keeprate.service', 'xdg/keeprate-tray.desktop', 'launchd/keeprate.daemon.plist',"
        " 'launchd/keeprate.tray.plist'): assert '@STAMP@' in templates.template(name)\n"
        "print(templates.__file__)"
    )
    done = subprocess.run(
        [program.with_name("python"), "-P", "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(tmp_path), "the wheel's own code was asked, not the checkout's"
    assert sys.prefix not in done.stdout
