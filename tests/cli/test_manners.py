"""How the commands speak: one clear message for every mistake, the right exit code, no traceback, no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.api import serving
from support.commands import answer, keeprate, run, without_privileges
from support.photos import write_photos


@pytest.fixture
def library(tmp_path: Path) -> Path:
    root = tmp_path / "Photos"
    write_photos(root, range(3))
    keeprate("init", root)
    return root


def fails(*arguments: str | Path, code: int, saying: str) -> None:
    done = run(*arguments)
    assert done.code == code, done.err
    assert saying in done.err.replace("\n", " ")
    assert "Traceback" not in done.err
    assert done.out == ""


def test_a_missing_folder(tmp_path: Path) -> None:
    fails("init", tmp_path / "nowhere", code=2, saying="There is no such folder.")


def test_a_folder_without_permission(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    done = run("init", tmp_path / "closed", before=without_privileges())
    assert (done.code, done.out) == (2, "")
    assert "The folder cannot be read." in done.err


def test_a_photo_without_permission_is_a_problem_until_it_may_be_read(library: Path) -> None:
    photo = library / "IMG_0000.jpg"
    photo.chmod(0)
    assert run("sync", "--quiet", before=without_privileges()).code == 0
    (problem,) = answer("status")["problems"]["list"]
    assert (problem["step"], problem["path"]) == ("read", str(photo))
    assert "Permission denied" in problem["reason"]
    photo.chmod(0o644)
    keeprate("sync", "--quiet")
    assert answer("status")["problems"]["count"] == 0
    assert answer("status")["libraries"][0]["photos"] == 3


def test_the_same_library_twice(library: Path) -> None:
    fails("init", library, code=2, saying="There is a library called 'Photos' already.")


def test_an_unknown_viewer_library_head_and_model(library: Path) -> None:
    fails("init", library, "--viewer", "picasa", code=2, saying="no profile for the viewer 'picasa'")
    fails("scan", "--library", "holidays", code=2, saying="There is no library called 'holidays'. ")
    fails("list", "--head", "beauty", code=2, saying="There is no head called 'beauty'.")
    fails("model", "activate", "clip", code=2, saying="There is no model called 'clip'.")
    fails("model", "add", "nonsense", code=2, saying="not a model that keeprate knows by name")
    fails("model", "add", "mine", "--path", "/nowhere", code=2, saying="There is no such folder.")
    fails("heads", "rollback", "--head", "keep", code=2, saying="no earlier version")


def test_a_model_folder_that_is_none(library: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    keeprate("model", "add", "empty", "--path", tmp_path / "empty")
    keeprate("model", "activate", "empty")
    keeprate("scan", "--quiet")
    fails("embed", "--quiet", code=1, saying=str(tmp_path / "empty"))


def test_no_library_yet() -> None:
    fails("sync", code=2, saying="There is no library yet.")
    assert "No library yet" in keeprate("status")
    assert answer("status")["libraries"] == []


def test_a_broken_config(library: Path, home: Path) -> None:
    config = home / "keeprate" / "config.toml"
    text = config.read_text()
    assert answer("config", "path") == {"path": str(config)}
    sound = {"path": str(config), "exists": True, "heads": ["keep"], "libraries": ["Photos"], "offline": []}
    assert answer("config", "check") == sound
    library.rename(library.with_name("elsewhere"))
    assert answer("config", "check") == {**sound, "offline": ["Photos"]}
    library.with_name("elsewhere").rename(library)
    config.write_text(text + "\n[trainig]\n")
    fails("status", code=2, saying="trainig is not a setting (did you mean 'training'?)")
    config.write_text(text.replace("view_folder", "veiw_folder"))
    fails("config", "check", code=2, saying="marks.order.veiw_folder is not a setting (did you mean 'view_folder'?)")
    config.write_text(text.replace("marks.order", "marks.odrer"))
    fails("config", "check", code=2, saying="not installed (did you mean 'order'?)")


def test_a_damaged_catalog(library: Path, home: Path) -> None:
    catalog = home / "keeprate" / "catalog.db"
    catalog.write_bytes(b"not a database at all, only its name is" * 200)
    fails("status", code=1, saying="The catalog is damaged.")
    fails("sync", code=1, saying=str(catalog))


def test_a_photo_of_no_library(library: Path, tmp_path: Path) -> None:
    (stranger,) = write_photos(tmp_path / "elsewhere", range(77, 78))
    fails("why", stranger, code=1, saying="This photo is in no library.")
    fails("why", tmp_path / "none.jpg", code=1, saying="cannot be read")


@pytest.mark.parametrize("arguments", [["train", "--threshold", "7"], ["list", "--order", "sideways"], ["frobnicate"]])
def test_usage_errors_are_two(arguments: list[str]) -> None:
    assert run(*arguments).code == 2


def test_every_read_command_answers_in_json(library: Path) -> None:
    for command in (
        ["status"], ["list"], ["heads", "list"], ["heads", "history"], ["labels", "list"], ["model", "list"],
        ["model", "list", "--known"], ["config", "show"], ["scan"], ["embed"], ["jobs", "list"],
    ):  # fmt: skip
        json.loads(keeprate(*command, "--json"))


def test_quiet_is_quiet(library: Path) -> None:
    done = run("sync", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_odd_names_are_printed_and_answered(library: Path) -> None:
    names = [b"latin-\xe9.jpg", b"new\nline.jpg", "漢字 🙂.jpg".encode(), b"x" * 240 + b".jpg"]
    for number, name in enumerate(names):
        (photo,) = write_photos(library / "odd", range(50 + number, 51 + number))
        os.rename(photo, os.fsencode(library / "odd") + b"/" + name)
    keeprate("sync")
    with_labels = library / "keep"
    for name in os.listdir(os.fsencode(library / "odd")):
        os.rename(os.fsencode(library / "odd") + b"/" + name, os.fsencode(with_labels) + b"/" + name)
    keeprate("sync")
    labels = answer("labels", "list")
    assert sorted(os.fsencode(label["path"]).rpartition(b"/")[2] for label in labels) == sorted(names)
    assert keeprate("labels", "list").count("keep") >= len(names)


HEAVY = {"torch", "transformers", "sklearn", "scipy", "pyexiv2", "rawpy", "pandas", "cleanlab", "matplotlib", "pyarrow"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["status"],
        ["list"],
        ["scan", "--quiet"],
        ["score", "--quiet"],
        ["config", "check"],
        ["labels", "list"],
        ["jobs", "list"],
        ["pause"],
        ["resume"],
    ],
)
def test_light_commands_load_nothing_heavy(library: Path, arguments: list[str]) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['keeprate', *{arguments!r}]\n"
        "from keeprate.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        f"loaded = {HEAVY!r} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_resident_daemon_loads_nothing_heavy() -> None:
    code = (
        "import sys, keeprate.service.daemon, keeprate.api.server, keeprate.web.page, keeprate.cli.log_output\n"
        f"loaded = {HEAVY!r} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("begun_anew", "others"), [(True, False), (False, True)])
def test_a_daemon_that_has_begun_anew_knows_no_command_but_its_own(begun_anew: bool, others: bool) -> None:
    code = (
        "import sys\n"
        "sys.argv = ['keeprate', 'run', '--help']\n"
        "from keeprate.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        f"assert ('keeprate.cli.labels' in sys.modules) is {others}\n"
    )
    environment = os.environ | ({"KEEPRATE_BEGAN_ANEW": "1"} if begun_anew else {})
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "SIGTERM" in done.stdout


def test_looking_beside_a_daemon_loads_nothing_of_its_server(library: Path) -> None:
    code = (
        "import sys\n"
        "sys.argv = ['keeprate', 'status']\n"
        "from keeprate.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        f"loaded = {HEAVY | {'fastapi', 'starlette', 'uvicorn', 'httpx2', 'apscheduler'}!r} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    with serving():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Idle." in done.stdout, "it was asked"
