"""The unit and the desktop entry, read by those who will read them: systemd's analysis, GLib, systemd's generator."""

from __future__ import annotations

import os
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from keeprate.installation.own_files import OwnFile
from keeprate.installation.program import Names, Program
from keeprate.installation.systemd import UserUnit
from keeprate.installation.tools import Tools
from support.waiting import wait_until

ODD = """it's "100%" $HOME; & <more> `x` #1 \\n é"""
EXPOSURE = 65
"""Tenths of what `systemd-analyze security` may find (100: no hardening at all); measured 64, without ours 96."""


def installed(file: OwnFile) -> Path:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.path.write_text(file.stamped)
    return file.path


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A program in a place that is hard to quote, which notes its arguments and its home."""
    file = tmp_path / ODD / "keeprate"
    file.parent.mkdir()
    file.write_text(f'#!/bin/sh\nprintf "%s\\n" "$KEEPRATE_HOME" "$@" > "{tmp_path}/started.part"\n'
                    f'mv "{tmp_path}/started.part" "{tmp_path}/started"\n')  # fmt: skip
    file.chmod(0o755)
    return Program((str(file),), (("KEEPRATE_HOME", f"/photos/{ODD}"),))


@pytest.fixture
def unit() -> UserUnit:
    return UserUnit(Names("", "keeprate"), Tools())


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_systemd_has_nothing_against_the_unit(unit: UserUnit, program: Program) -> None:
    file = installed(unit.service_file(program))
    done = subprocess.run(
        [tool("systemd-analyze"), "--user", "verify", file], capture_output=True, text=True, check=False
    )
    # it ends with 0 whatever it finds: what counts is that it says nothing
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_the_check_by_systemd_can_fail(unit: UserUnit, program: Program) -> None:
    file = installed(unit.service_file(program))
    file.write_text(file.read_text().replace("OOMPolicy=continue", "OOMPolicy=perhaps"))
    done = subprocess.run(
        [tool("systemd-analyze"), "--user", "verify", file], capture_output=True, text=True, check=False
    )
    assert "OOM policy" in done.stderr


def test_little_is_exposed(unit: UserUnit, program: Program) -> None:
    file = installed(unit.service_file(program))
    command = [
        tool("systemd-analyze"),
        "security",
        "--offline=true",
        f"--threshold={EXPOSURE}",
        "--no-pager",
        str(file),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1:]


def test_every_hardening_says_why(unit: UserUnit, program: Program) -> None:
    """A line of the unit, or the block that it stands in, begins with a comment."""
    section = unit.service_file(program).text.split("# ---- when it fails")[1].split("[Install]")[0]
    explained = False
    for line in section.splitlines():
        if line.startswith("#") and not line.startswith("# ----"):
            explained = True
        elif not line or line.startswith("# ----"):
            explained = line.startswith("# ---- never in your way")  # its title says it
        elif "=" in line:
            assert explained, line


def test_torch_would_break_with_these(unit: UserUnit, program: Program) -> None:
    keys = {line.partition("=")[0] for line in unit.service_file(program).text.splitlines() if not line.startswith("#")}
    assert not keys & {
        "MemoryDenyWriteExecute",
        "PrivateUsers",
        "PrivateDevices",
        "ProtectClock",
        "ProtectHome",
        "UMask",
    }


def test_the_desktop_starts_the_tray(unit: UserUnit, program: Program, tmp_path: Path) -> None:
    """GLib reads the entry as GNOME, Xfce and others do."""
    entry = installed(unit.tray_entry(program))
    environment = {name: value for name, value in os.environ.items() if name != "KEEPRATE_HOME"}
    done = subprocess.run([tool("gio"), "launch", entry], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    started = tmp_path / "started"
    wait_until(started.exists, what="the program was started")
    assert started.read_text().splitlines() == [f"/photos/{ODD}", "tray", "--wait", "60"]


def test_the_entry_follows_the_specification(unit: UserUnit, program: Program) -> None:
    entry = installed(unit.tray_entry(program))
    read = ConfigParser(interpolation=None, comment_prefixes=("#",), delimiters=("=",))
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read(entry)
    values = dict(read["Desktop Entry"])
    assert (values["Type"], values["Terminal"]) == ("Application", "false")
    assert values["Name"]
    assert values["TryExec"].replace("\\\\", "\\") == program.command[0]
    if shutil.which("desktop-file-validate"):
        done = subprocess.run(["desktop-file-validate", entry], capture_output=True, text=True, check=False)
        assert (done.stdout, done.returncode) == ("", 0)


def test_systemd_starts_the_tray_where_it_does_the_autostart(unit: UserUnit, tmp_path: Path) -> None:
    """KDE and newer GNOME leave autostart to systemd's generator."""
    generator = Path("/lib/systemd/user-generators/systemd-xdg-autostart-generator")
    if not generator.exists():
        pytest.skip("systemd's generator for autostart entries is not installed")
    program = tmp_path / "keep rate"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    installed(unit.tray_entry(Program((str(program),), (("KEEPRATE_HOME", f"/photos/{ODD}"),))))
    out = tmp_path / "generated"
    out.mkdir()
    subprocess.run([generator, out, out, out], check=True, capture_output=True)
    made = next(path for path in out.glob("*.service") if "keeprate" in path.name)
    text = made.read_text()
    assert unit.program_in(text).endswith("/env")
    assert f'"{program}"' in text
