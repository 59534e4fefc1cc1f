"""`doctor` as a command: what it ends with, also where everything is broken; and that it changes nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import keeprate, run
from support.photos import write_photos

HEAVY = {"torch", "transformers", "sklearn", "scipy", "pyexiv2", "rawpy", "pandas", "cleanlab", "matplotlib", "pyarrow"}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    root = tmp_path / "Photos"
    write_photos(root, range(3))
    keeprate("init", root)
    return root


def states(*arguments: str) -> dict[str, str]:
    done = run("doctor", "--no-speed", "--json", *arguments)
    told = json.loads(done.out)
    assert done.code == (0 if told["ok"] else 1)
    return {one["name"]: one["state"] for one in told["findings"]}


def test_all_is_well(library: Path) -> None:
    keeprate("sync", "--quiet")
    found = states()
    machine = {"memory", "disk", "inotify.watches", "inotify.instances", "library.room"}  # of whoever runs the tests
    assert {name for name, state in found.items() if state != "ok"} <= machine
    assert {"database.integrity", "library.folder", "daemon", "service", "tray", "model"} <= found.keys()
    done = run("doctor")
    assert (done.code, done.err) == (0, "")
    assert re.search(r"^[✓!] model    builtin embeds ", done.out, re.MULTILINE), "a busy machine is slow"
    assert re.fullmatch(r"All is well\.|\d warnings?: what to do is said below each\.", done.out.splitlines()[-1])


def test_before_anything_was_set_up() -> None:
    found = states()
    assert found["config"] == "warning"
    assert "error" not in found.values()
    assert "`keeprate init ~/Pictures` makes the first one." in run("doctor", "--no-speed").out


def test_a_broken_config_and_a_damaged_catalog_are_two_faults(library: Path, home: Path) -> None:
    keeprate("sync", "--quiet")
    folder = home / "keeprate"
    (folder / "config.toml").write_text("[trainig]\n")
    (folder / "catalog.db").write_bytes(b"not a database at all" * 500)
    found = states()
    assert {name for name, state in found.items() if state == "error"} == {"config", "database"}
    assert found["memory"] == found["packages.required"] == "ok"
    assert "inotify.watches" not in found, "nobody knows which folders"
    done = run("doctor", "--no-speed")
    assert "did you mean 'training'?" in done.out
    assert "Traceback" not in done.out + done.err


def test_nothing_is_changed(library: Path, home: Path) -> None:
    keeprate("sync", "--quiet")

    def everything() -> dict[str, tuple[int, bytes]]:
        return {
            str(file): (file.stat().st_mtime_ns, file.read_bytes())
            for folder in (library, home)
            for file in folder.rglob("*")
            if file.is_file() and not file.name.endswith(("-shm", "-wal"))  # SQLite's, made by reading
        }

    before = everything()
    assert run("doctor").code == 0
    assert everything() == before


def test_nothing_heavy_is_loaded(library: Path) -> None:
    code = (
        "import sys\nsys.argv = ['keeprate', 'doctor', '--no-speed']\nfrom keeprate.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"loaded = {HEAVY!r} & set(sys.modules)\nassert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
