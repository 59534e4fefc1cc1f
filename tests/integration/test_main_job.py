"""The main job as a user does it: watch, sort some, find the rest in order."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
from pathlib import Path

import pytest

from support.commands import answer, keeprate, run
from support.photos import write_photos

pytestmark = pytest.mark.slow


def digest_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.jpg")
        if path.is_file()
    }


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Forty photos in an inbox: the even ones sharp, the odd ones blurred."""
    root = tmp_path / "Photos"
    write_photos(root / "inbox", range(0, 40, 2))
    write_photos(root / "inbox", range(1, 40, 2), sharp=False)
    keeprate("init", root)
    return root


def sort_some(root: Path, numbers: range) -> None:
    for number in numbers:
        bucket = "keep" if number % 2 == 0 else "delete"
        shutil.move(root / "inbox" / f"IMG_{number:04d}.jpg", root / bucket)


def test_from_a_folder_to_an_order(library: Path) -> None:
    before = sorted(digest_of(library).values())
    first = answer("sync")
    assert first["embed"]["embedded"] == 40
    assert "needs 2 more in 'keep'" in first["train"][0]["reason"]
    assert {photo["version"] for photo in answer("list")} == {0}  # a first guess

    sort_some(library, range(20))
    second = answer("sync")
    assert second["scan"]["libraries"][0]["moved"] == 20
    assert second["embed"]["embedded"] == 0, "a move costs no embedding"
    assert second["train"][0]["promoted"]
    assert second["write"]["written"] == 1

    listed = answer("list")
    assert set(listed[0]) == {
        "path", "score", "head", "probabilities", "content_key", "label", "version", "library", "other_files", "burst",
    }  # fmt: skip
    assert len(listed) == 20
    assert [photo["score"] for photo in listed] == sorted((photo["score"] for photo in listed), reverse=True)
    best = {int(Path(photo["path"]).stem[-4:]) % 2 for photo in listed[:10]}
    assert best == {0}, "the sharp ones come first"

    view = library.with_name("Photos by score")
    links = sorted(path for path in view.iterdir() if path.is_symlink())
    assert [os.path.realpath(link) for link in links] == [os.path.realpath(photo["path"]) for photo in listed]
    assert sorted(digest_of(library).values()) == before, "no photo was touched"

    third = answer("sync")
    assert third["scan"]["libraries"][0]["labels"] == 0, "our own view folder teaches nothing"
    assert not third["train"][0]["trained"]
    assert third["write"]["written"] == 0

    undone = answer("undo", "--all")
    assert (undone["restored"], undone["failed"]) == (1, 0)
    assert not view.exists()
    assert sorted(digest_of(library).values()) == before


def test_looking_at_the_result_in_every_form(library: Path, tmp_path: Path) -> None:
    sort_some(library, range(20))
    keeprate("sync", "--quiet")
    everything = answer("list", "--all")
    assert len(everything) == 40
    assert {photo["label"] for photo in everything} == {"keep", "delete", None}
    worst = answer("list", "--order", "asc", "--top", "3")
    assert [photo["path"] for photo in worst] == [photo["path"] for photo in answer("list")[::-1][:3]]

    rows = list(csv.DictReader(io.StringIO(keeprate("list", "--csv"))))
    assert [row["path"] for row in rows] == [photo["path"] for photo in answer("list")]
    keeprate("list", "--parquet", tmp_path / "list.parquet")
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(tmp_path / "list.parquet").num_rows == 20
    keeprate("list", "--top", "3", "--parquet", tmp_path / "list.parquet")
    assert parquet.read_table(tmp_path / "list.parquet").num_rows == 3
    photo = next(library.rglob("*.jpg"))
    before = photo.read_bytes()
    slip = run("list", "--parquet", photo)
    assert (slip.code, photo.read_bytes()) == (2, before)
    assert "There is something else at this place" in slip.err

    why = answer("why", everything[0]["path"])
    assert why["rank"] == 1
    assert {neighbour["bucket"] for neighbour in why["nearest"]} == {"keep", "delete"}
    assert why["signals"]["sharpness"] > 0

    status = answer("status")
    assert status["heads"][0]["labels"] == {"keep": 10, "delete": 10}
    assert 0.5 < status["heads"][0]["metrics"]["roc_auc"] <= 1
    assert status["problems"] == {"count": 0, "list": []}
    assert status["last_training"]["outcome"]
    assert len(answer("labels", "list")) == 20
    assert answer("heads", "history")[0]["in_use"]
    for human in (["status"], ["list"], ["why", everything[0]["path"]], ["heads", "list"], ["labels", "list"]):
        assert keeprate(*human).strip()


def test_dry_run_shows_and_changes_nothing(library: Path) -> None:
    sort_some(library, range(20))
    for step in ("scan", "embed", "train", "score"):
        keeprate(step, "--quiet")
    planned = answer("write", "--dry-run")
    assert len(planned["planned"]) == 1
    assert not library.with_name("Photos by score").exists()
    assert answer("write")["written"] == 1
    assert len(answer("undo", "--dry-run")["planned"]) == 1
    assert library.with_name("Photos by score").exists()


def test_labels_outlive_their_files_and_are_withdrawn_by_moving_out(library: Path) -> None:
    sort_some(library, range(10))
    keeprate("sync", "--quiet")
    shutil.rmtree(library / "delete")
    (library / "keep" / "IMG_0000.jpg").rename(library / "inbox" / "IMG_0000.jpg")
    keeprate("sync", "--quiet")
    assert answer("status")["heads"][0]["labels"] == {"keep": 4, "delete": 5}


def test_links_sorted_in_the_view_folder_count_as_their_photos(library: Path) -> None:
    sort_some(library, range(20))
    keeprate("sync", "--quiet")
    view = library.with_name("Photos by score")
    links = sorted(path for path in view.iterdir() if path.is_symlink())
    links[0].rename(library / "keep" / links[0].name)
    links[-1].rename(library / "delete" / links[-1].name)
    keeprate("sync", "--quiet")
    assert answer("status")["heads"][0]["labels"] == {"keep": 11, "delete": 11}
    assert len(answer("list")) == 18
    assert len([path for path in view.iterdir() if path.is_symlink()]) == 18

    (library / "keep" / links[0].name).unlink()
    keeprate("sync", "--quiet")
    assert answer("status")["heads"][0]["labels"] == {"keep": 10, "delete": 11}, "taken out again"


def test_links_with_relative_paths_count_as_well(library: Path, home: Path) -> None:
    config = home / "keeprate" / "config.toml"
    config.write_text(config.read_text().replace("[library.marks.order]", '[library.marks.order]\nlinks = "relative"'))
    sort_some(library, range(20))
    keeprate("sync", "--quiet")
    view = library.with_name("Photos by score")
    link = min(path for path in view.iterdir() if path.is_symlink())
    assert not link.readlink().is_absolute()
    link.rename(library / "keep" / link.name)
    keeprate("sync", "--quiet")
    assert answer("status")["heads"][0]["labels"] == {"keep": 11, "delete": 10}


def test_undo_leaves_the_marks_of_an_unplugged_disk_for_later(library: Path, home: Path) -> None:
    config = home / "keeprate" / "config.toml"
    config.write_text(config.read_text() + "[library.marks.xmp]\nstars = true\nminimum_age_s = 0\n")
    sort_some(library, range(20))
    keeprate("sync", "--quiet")
    assert len(list(library.rglob("*.xmp"))) == 40
    away = library.rename(library.with_name("unplugged"))
    early = run("undo", "--all", "--json")
    assert early.code == 1
    assert json.loads(early.out)["failed"] == 40
    away.rename(library)
    assert answer("undo", "--all")["restored"] == 40
    assert list(library.rglob("*.xmp")) == []


def test_taking_an_older_run_back_takes_back_what_stands_on_it(library: Path, home: Path) -> None:
    config = home / "keeprate" / "config.toml"
    marks = "touch_mtime = true\nreviewed = true\nbest_first = {}\n"
    text = config.read_text()
    config.write_text(text + marks.format("true"))
    before = {path.name: path.stat().st_mtime_ns for path in library.rglob("*.jpg")}
    sort_some(library, range(20))
    first = answer("sync")["write"]["run"]
    config.write_text(text + marks.format("false"))
    assert answer("write")["written"] > 20
    assert {path.name: path.stat().st_mtime_ns for path in library.rglob("*.jpg")} != before
    assert answer("undo", "--run", str(first))["failed"] == 0
    assert {path.name: path.stat().st_mtime_ns for path in library.rglob("*.jpg")} == before


def test_photos_of_an_unplugged_disk_are_embedded_when_it_is_back(library: Path) -> None:
    keeprate("scan", "--quiet")
    away = library.rename(library.with_name("unplugged"))
    gone = answer("sync")["embed"]
    assert (gone["embedded"], gone["failed"]) == (0, 0)
    away.rename(library)
    outcome = answer("sync")
    assert (outcome["embed"]["embedded"], outcome["embed"]["failed"]) == (40, 0)
    assert answer("status")["problems"]["count"] == 0


def test_a_folder_of_photos_renamed_costs_nothing(library: Path) -> None:
    keeprate("sync", "--quiet")
    (library / "inbox").rename(library / "2026 November")
    again = answer("sync")
    assert again["scan"]["libraries"][0]["moved"] == 40
    assert again["embed"]["embedded"] == 0


def test_the_same_seed_gives_the_same_scores(library: Path) -> None:
    sort_some(library, range(20))
    keeprate("sync", "--quiet")
    first = answer("list")
    keeprate("train", "--force", "--quiet")
    keeprate("score", "--quiet")
    assert answer("heads", "history")[0]["version"] == 2
    keeprate("heads", "rollback", "--head", "keep", "--version", "2")
    assert [photo["score"] for photo in answer("list")] == [photo["score"] for photo in first]


def test_a_model_of_the_wrong_dimension_is_refused_by_both_numbers(library: Path, shared_models: Path) -> None:
    keeprate("model", "add", "wrong", "--path", shared_models / "mobilenetv1-128", "--dim", "999")
    keeprate("model", "activate", "wrong")
    refused = run("sync")
    assert refused.code == 1
    assert "999" in refused.err
    assert "256" in refused.err
    assert "Traceback" not in refused.err
    keeprate("model", "remove", "wrong")
    assert answer("sync")["embed"]["embedded"] == 40
