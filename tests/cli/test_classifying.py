"""`classify` and `evaluate` as commands: exit codes, files they are asked for, what they leave alone."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from keeprate.config.edit import add_library
from keeprate.paths import locate_home
from keeprate.steps.session import open_session
from support.commands import answer, keeprate, run, without_privileges
from support.judging import put_head
from support.photos import write_photos


@pytest.fixture
def head(tmp_path: Path) -> str:
    """A head in use, `keep`, whose first bucket is for sharp photos."""
    home = locate_home()
    (tmp_path / "camera").mkdir()
    add_library(home.config_file, {"name": "camera", "root": str(tmp_path / "camera")})
    with open_session(home) as session:
        put_head(session, tmp_path / "samples")
    return "keep"


@pytest.fixture
def unsorted(tmp_path: Path) -> Path:
    write_photos(tmp_path / "unsorted", range(2))
    write_photos(tmp_path / "unsorted", range(10, 12), sharp=False)
    return tmp_path / "unsorted"


def test_classify_from_the_shell(head: str, unsorted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (unsorted / "broken.jpg").write_bytes(b"broken")
    done = run("classify", "--head", head, "--src", "unsorted", "--csv", "said.csv")
    assert done.code == 0, done.err
    assert "4 pictures classified" in done.out
    assert "broken.jpg" in done.err
    assert sorted(path.name for path in (tmp_path / "classified" / "keep" / "keep").iterdir()) == [
        "IMG_0000.jpg",
        "IMG_0001.jpg",
    ]
    with (tmp_path / "said.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["bucket"] for row in rows] == ["keep", "keep", "delete", "delete"]
    assert float(rows[0]["p_keep"]) + float(rows[0]["p_delete"]) == pytest.approx(1, abs=1e-5)

    again = answer("classify", "--head", head, "--src", unsorted, "--csv", "said.csv")
    assert (again["copied"], again["unchanged"], again["removed"]) == (0, 4, 0)
    assert set(again["pictures"][0]) == {
        "path", "bucket", "score", "probabilities", "copied_to", "along",
    }  # fmt: skip

    for name in os.listdir(unsorted):
        (unsorted / name).write_bytes(b"broken")
    none_worked = run("classify", "--head", head, "--src", unsorted, "--dest", "other", "--json")
    assert (none_worked.code, len(json.loads(none_worked.out)["unreadable"])) == (1, 5)


def test_copies_in_a_library_of_another_home_teach_it_nothing(head: str, unsorted: Path, tmp_path: Path) -> None:
    keeprate("classify", "--head", head, "--src", unsorted, "--dest", tmp_path / "theirs")
    other = str(tmp_path / "other-home")
    write_photos(tmp_path / "theirs" / "keep", range(20, 21))
    assert run("init", tmp_path / "theirs", KEEPRATE_HOME=other).code == 0
    assert run("scan", KEEPRATE_HOME=other).code == 0
    listed = json.loads(run("labels", "list", "--json", KEEPRATE_HOME=other).out)
    assert [Path(one["path"]).name for one in listed] == ["IMG_0020.jpg"]


def test_what_cannot_be_written_is_said_first(head: str, unsorted: Path, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    done = run("classify", "--head", head, "--src", unsorted, "--dest", tmp_path / "closed" / "out",
               before=without_privileges())  # fmt: skip
    assert (done.code, done.out) == (2, "")
    assert "cannot be written to" in done.err
    photo = unsorted / "IMG_0000.jpg"
    before = photo.read_bytes()
    commands: list[list[str | Path]] = [
        ["classify", "--src", unsorted, "--dest", tmp_path / "out", "--csv", photo],
        ["evaluate", "--test-dir", unsorted, "--csv", photo],
        ["evaluate", "--test-dir", unsorted, "--plot", photo],
    ]
    for command in commands:
        done = run(*command, "--head", head)
        assert (done.code, photo.read_bytes()) == (2, before)
        assert "and it stays" in done.err
    assert run("classify", "--head", head, "--src", unsorted, "--margin", "0.7").code == 2


def test_evaluate_from_the_shell(head: str, tmp_path: Path) -> None:
    write_photos(tmp_path / "test" / "keep", range(3))
    write_photos(tmp_path / "test" / "delete", range(10, 12), sharp=False)
    write_photos(tmp_path / "test" / "delete", range(20, 21))
    told = keeprate("confusion-matrix", "--head", head, "--test-dir", tmp_path / "test", "--extended")
    assert "  Accuracy: 5/6 (83.3%)" in told.splitlines()
    assert told.count("[CORRECT]") == 5
    (wrong,) = [line for line in told.splitlines() if "[WRONG]" in line]
    assert wrong.endswith("/test/delete/IMG_0020.jpg")

    target = tmp_path / "said.csv"
    found = answer("evaluate", "--head", head, "--test-dir", tmp_path / "test", "--csv", target)
    assert (found["correct"], found["matrix"]) == (5, [[2, 1], [0, 3]])
    with target.open(newline="") as file:
        assert [row["correct"] for row in csv.DictReader(file)].count("false") == 1


def test_the_plot_is_written_again_over_itself(head: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_photos(tmp_path / "test" / "keep", range(3))
    write_photos(tmp_path / "test" / "delete", range(10, 12), sharp=False)
    for _ in range(2):
        keeprate("evaluate", "--head", head, "--test-dir", tmp_path / "test", "--plot", tmp_path / "plot.png", "-q")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_the_parent_stays_light(head: str, unsorted: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['keeprate', 'classify', '--head', {head!r}, '--src', {str(unsorted)!r}, "
        f"'--dest', {str(tmp_path / 'out')!r}]\n"
        "from keeprate.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "loaded = {'torch', 'transformers', 'sklearn', 'scipy', 'matplotlib', 'pyexiv2'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
