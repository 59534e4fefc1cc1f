"""Classifying a folder: every picture to its bucket, doubts aside, and a clear message for what makes no sense."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from keeprate.catalog import files, models
from keeprate.errors import KeeprateError, UsageError
from keeprate.paths import locate_home
from keeprate.steps.exchange.classifying import (
    ClassifyOutcome,
    choose_or_doubt,
    classify,
    folder_names,
    unreachable_buckets,
)
from keeprate.steps.labels.filed_copies import MANIFEST
from keeprate.steps.session import Session, open_session
from keeprate.steps.tasks import LookAtTask
from support.judging import WorkerWithoutProcess, put_head
from support.photos import write_photos
from support.shots import write_edit, write_shot


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three sharp photos (IMG_0000 …), three blurred ones (IMG_0010 …)."""
    write_photos(tmp_path / "unsorted", range(3))
    write_photos(tmp_path / "unsorted", range(10, 13), sharp=False)
    return tmp_path / "unsorted"


@pytest.fixture
def trained(session: Session, tmp_path: Path) -> Session:
    put_head(session, tmp_path / "samples")
    return session


def into(session: Session, source: Path, target: Path, *, dry_run: bool = False) -> ClassifyOutcome:
    return classify(session, WorkerWithoutProcess(session), "keep", source, target, dry_run=dry_run)


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST}


SORTED = {f"keep/IMG_000{number}.jpg" for number in range(3)} | {f"delete/IMG_001{number}.jpg" for number in range(3)}


def test_a_folder_is_sorted_by_copies(trained: Session, source: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    write_photos(source / "deeper", range(20, 21))
    (source / "notes.txt").write_text("no picture")
    (source / "IMG_0000.xmp").write_text("<sidecar/>")
    (source / "broken.jpg").write_bytes(b"no picture either")
    outcome = into(trained, source, tmp_path / "out")
    assert names(tmp_path / "out") == SORTED | {"keep/IMG_0000.xmp"}
    assert outcome.counts == {"keep": 3, "delete": 3, "uncertain": 0}
    assert (outcome.copied, outcome.along, outcome.subfolders, outcome.other_files) == (6, 1, 1, 1)
    ((broken, reason),) = ((one.path, one.reason) for one in outcome.unreadable)
    assert (Path(broken).name, "no picture" in reason) == ("broken.jpg", True)
    for one in outcome.pictures:
        assert one.copied_to is not None
        assert Path(one.copied_to).read_bytes() == before[Path(one.path).name]
        assert sum(one.probabilities.values()) == pytest.approx(1)
        assert one.score == one.probabilities["keep"]
    assert files.present(trained.catalog) == [], "nothing of it belongs to a library"


def test_files_of_one_shot_go_where_its_jpeg_goes(trained: Session, tmp_path: Path) -> None:
    source = tmp_path / "unsorted"
    write_shot(source, "A", 1)
    write_shot(source, "B", 2, sharp=False)
    write_edit(source / "A-edit.jpg", 1)
    (source / "A.MOV").write_bytes(b"film")
    (source / "B.NEF.xmp").write_bytes(b"sidecar")
    (source / "C.CR2").write_bytes((source / "B.JPG").read_bytes() + b"no RAW")
    (source / "C.jpg").write_bytes(b"cannot be read")
    outcome = into(trained, source, tmp_path / "out")
    assert outcome.counts == {"keep": 1, "delete": 2, "uncertain": 0}
    assert names(tmp_path / "out") == {
        "keep/A.JPG", "keep/A.NEF", "keep/A-edit.jpg", "keep/A.MOV",
        "delete/B.JPG", "delete/B.NEF", "delete/B.NEF.xmp", "delete/C.CR2", "delete/C.jpg",
    }  # fmt: skip
    assert (outcome.copied, outcome.unchanged, outcome.along, outcome.other_files) == (3, 0, 6, 0)
    again = into(trained, source, tmp_path / "out")
    assert (again.copied, again.unchanged, again.along, again.removed) == (0, 3, 6, 0)


def test_what_is_known_by_content_is_not_embedded_again(trained: Session, source: Path, tmp_path: Path) -> None:
    into(trained, source, tmp_path / "out")
    shutil.copytree(source, tmp_path / "renamed")
    worker = WorkerWithoutProcess(trained)
    outcome = worker.run(LookAtTask(tuple(str(path) for path in (tmp_path / "renamed").iterdir())), trained.reporter)
    assert getattr(outcome, "embedded", None) == 0


def test_the_second_run_follows_a_changed_head(trained: Session, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    into(trained, source, target)
    (target / "keep" / "mine.jpg").write_text("put here by hand")
    put_head(trained, tmp_path / "samples", buckets=("delete", "keep"), version=2)
    planned = into(trained, source, target, dry_run=True)
    assert (planned.removed, names(target)) == (6, SORTED | {"keep/mine.jpg"})
    outcome = into(trained, source, target)
    assert (outcome.copied, outcome.removed) == (6, 6)
    turned = {f"delete/IMG_000{number}.jpg" for number in range(3)} | {
        f"keep/IMG_001{number}.jpg" for number in range(3)
    }
    assert names(target) == turned | {"keep/mine.jpg"}
    assert not [path for path in target.rglob(".keeprate-*") if path.name != MANIFEST]


def test_a_dry_run_makes_nothing(trained: Session, source: Path, tmp_path: Path) -> None:
    outcome = into(trained, source, tmp_path / "out", dry_run=True)
    assert [one.bucket for one in outcome.pictures] == ["keep"] * 3 + ["delete"] * 3
    assert {one.copied_to for one in outcome.pictures} == {None}
    assert not (tmp_path / "out").exists()


def test_names_that_are_no_text(trained: Session, source: Path, tmp_path: Path) -> None:
    odd = os.fsencode(source) + b"/latin-\xe9.jpg"
    os.rename(source / "IMG_0000.jpg", odd)
    outcome = into(trained, source, tmp_path / "out")
    assert outcome.copied == 6
    assert os.path.exists(os.fsencode(tmp_path) + b"/out/keep/latin-\xe9.jpg")
    into(trained, source, tmp_path / "out")
    assert len(names(tmp_path / "out")) == 6


@pytest.mark.parametrize(
    ("pictures", "target", "saying"),
    [
        ("nowhere", "out", "no such folder"),
        ("unsorted/IMG_0000.jpg", "out", "a file, not a folder"),
        ("empty", "out", "no picture in this folder. Its 1 sub-folders"),
        ("unsorted", "unsorted", "within one another"),
        ("unsorted", "unsorted/sorted", "within one another"),
        ("unsorted", ".", "within one another"),
        ("link", "unsorted/sorted", "within one another"),
        ("unsorted", "unsorted/../unsorted/IMG_0000.jpg", "within one another"),
        ("unsorted", "file", "a file, not a folder"),
        ("unsorted", "camera", "library 'camera'"),
        ("unsorted", "camera/inside", "library 'camera'"),
        ("unsorted", "leads/into", "library 'camera'"),
        ("unsorted", "elsewhere", "library 'camera'"),
        ("unsorted", "leads/back", "within one another"),
        ("unsorted", "taken", "a file, not a folder"),
    ],
)
@pytest.mark.usefixtures("source")
def test_folders_that_make_no_sense(trained: Session, tmp_path: Path, pictures: str, target: str, saying: str) -> None:
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "unsorted")
    (tmp_path / "file").write_text("")
    (tmp_path / "camera" / "delete").rmdir()
    for link, leads_to in (
        ("leads/into/keep", "camera/keep"),
        ("leads/back/keep", "unsorted"),
        ("camera/delete", "elsewhere"),
    ):
        (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / link).symlink_to(tmp_path / leads_to)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "keep").write_text("")
    before = names(tmp_path)
    with pytest.raises(UsageError, match=saying):
        into(trained, tmp_path / pictures, tmp_path / target)
    assert names(tmp_path) == before


def test_what_is_in_the_way_is_named(trained: Session, source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "keep").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError) as refused:
        into(trained, source, tmp_path / "out")
    assert refused.value.path == tmp_path / "out" / "keep"


@pytest.mark.parametrize("target", ["heads/other", "test/keep", "test"])
def test_the_folders_of_a_workspace(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    """Copies in its test set would be taken for the truth by the next evaluation."""
    workspace = tmp_path / "workspace"
    for bucket in ("keep", "delete"):
        (workspace / "heads" / "keep" / bucket).mkdir(parents=True)
    monkeypatch.setenv("KEEPRATE_WORKSPACE", str(workspace))
    with open_session(locate_home()) as session:
        put_head(session, tmp_path / "samples")
        with pytest.raises(UsageError, match="be taken for decisions of yours"):
            into(session, source, workspace / target)
        assert into(session, source, workspace / "classified").copied == 6


def test_only_broken_pictures(trained: Session, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_bytes(b"")
    os.mkfifo(tmp_path / "bad" / "b.jpg")
    outcome = into(trained, tmp_path / "bad", tmp_path / "out")
    assert (outcome.pictures, len(outcome.unreadable)) == ((), 2)
    assert not (tmp_path / "out").exists()


def test_a_head_that_cannot_judge(session: Session, source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'keep' is not trained yet"):
        into(session, source, tmp_path / "out")
    with pytest.raises(UsageError, match="no head called 'beauty'"):
        classify(session, WorkerWithoutProcess(session), "beauty", source, tmp_path / "out")
    put_head(session, tmp_path / "samples", dimension=5)
    with pytest.raises(KeeprateError, match="made for vectors of 5 numbers, but the model 'builtin' gives"):
        into(session, source, tmp_path / "out")
    models.add(session.catalog, "other", "/nowhere", embed_dim=5, revision=None)
    models.activate(session.catalog, "other")
    with pytest.raises(UsageError, match="learned on the model 'builtin', but 'other' is active") as refused:
        into(session, source, tmp_path / "out")
    assert "model activate builtin" in refused.value.advice
    models.activate(session.catalog, "builtin")
    session.catalog.conn.execute("UPDATE models SET fingerprint = 'changed'")
    with pytest.raises(UsageError, match="gives other vectors now"):
        into(session, source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_doubts() -> None:
    two = np.array([[0.3, 0.7], [0.41, 0.59], [0.6, 0.4], [0.59, 0.41], [0.9, 0.1]])
    assert choose_or_doubt(two, 0.5, 0.1) == [1, 2, 2, 2, 0]
    assert choose_or_doubt(two, 0.5, 0.0) == [1, 1, 0, 0, 0]
    three = np.array([[0.4, 0.3, 0.3], [0.1, 0.4, 0.5], [0.8, 0.1, 0.1]])
    assert choose_or_doubt(three, None, 0.1) == [3, 2, 0]
    assert choose_or_doubt(np.empty((0, 3)), None, 0.1) == []
    assert unreachable_buckets(("keep", "delete"), 0.05, 0.1) == ("delete",)
    assert unreachable_buckets(("keep", "delete"), 0.95, 0.1) == ("keep",)
    assert unreachable_buckets(("keep", "delete"), 0.5, 0.1) == ()


def test_folders_never_collide_or_lead_out() -> None:
    assert folder_names(("keep", "delete")) == ("keep", "delete", "uncertain")
    assert folder_names(("Uncertain", "sure")) == ("Uncertain", "sure", "uncertain (2)")
    assert folder_names(("..", "../../etc", "", ".", "A", "a")) == (
        "_..", "_.._.._etc", "_", "_.", "A", "a (2)", "uncertain",
    )  # fmt: skip
