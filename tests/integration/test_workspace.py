"""A headmaster workspace as it stands: folders, `train`, and nothing else to say (H14–H19, H21, H31, H47)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.commands import answer, keeprate, run
from support.made_pictures import blurred, scene


def put(folder: Path, count: int, *, blur: float = 0, first_seed: int = 0) -> None:
    """Pictures of scenes that differ."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        image = scene(160, 120, seed=first_seed + number)
        (blurred(image, blur) if blur else image).save(folder / f"{number}.jpg")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The head `sharp` with twelve sharp and twelve blurred pictures."""
    folder = tmp_path / "workspace"
    put(folder / "heads" / "sharp" / "positive", 12)
    put(folder / "heads" / "sharp" / "negative", 12, blur=6, first_seed=100)
    monkeypatch.setenv("HEADMASTER_WORKSPACE", str(folder))
    return folder


def labels_of(head: str) -> dict[str, int]:
    (found,) = answer("status", "--head", head)["heads"]
    counts: dict[str, int] = found["labels"]
    return counts


def test_train_alone_does_everything_and_writes_nothing_elsewhere(workspace: Path) -> None:
    before = sorted(path for path in workspace.rglob("*") if path.is_file())
    keeprate("train", "--head", "sharp")
    assert labels_of("sharp") == {"positive": 12, "negative": 12}
    after = {path for path in workspace.rglob("*") if path.is_file()} - set(before)
    assert {path.relative_to(workspace).parts[0] for path in after} <= {".keeprate", "out"}
    assert all(path.exists() for path in before)


def test_folders_are_the_whole_truth(workspace: Path) -> None:
    (workspace / "heads" / "sharp" / "positive" / "deeper").mkdir()
    put(workspace / "heads" / "sharp" / "positive" / "deeper", 1, first_seed=50)  # lies in no bucket
    keeprate("embed")
    assert labels_of("sharp") == {"positive": 12, "negative": 12}
    (workspace / "heads" / "sharp" / "positive" / "0.jpg").unlink()
    same = workspace / "heads" / "sharp" / "positive" / "1.jpg"
    (workspace / "heads" / "sharp" / "negative" / "same.jpg").write_bytes(same.read_bytes())
    keeprate("embed", "--head", "sharp")
    assert labels_of("sharp") == {"positive": 10, "negative": 12}
    assert any("lies in" in problem["reason"] for problem in answer("status")["problems"]["list"])


def test_a_head_that_cannot_be_trained_is_named_and_the_others_are(workspace: Path) -> None:
    put(workspace / "heads" / "lone" / "only", 3, first_seed=200)
    (workspace / "heads" / "sharp" / "blank").mkdir()
    for head, said in (("lone", "only the bucket 'only'"), ("sharp", "no usable picture in 'blank'")):
        done = run("train", "--head", head)
        assert done.code == 2
        assert f"The head {head!r} has {said}" in done.err
        assert "Traceback" not in done.err
    (workspace / "heads" / "sharp" / "blank").rmdir()
    told = keeprate("train")
    assert "lone: Not trained" in told
    assert "sharp: " in told
    assert labels_of("sharp") == {"positive": 12, "negative": 12}


def test_a_bucket_of_nothing_but_broken_pictures_is_named(workspace: Path) -> None:
    bucket = workspace / "heads" / "sharp" / "blank"
    bucket.mkdir()
    for number in range(3):
        (bucket / f"{number}.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture %d" % number)
    done = run("train", "--head", "sharp")
    assert done.code == 2, done.out
    assert "The head 'sharp' has no picture that could be read in 'blank'" in done.err
    assert "“blank” has none" in keeprate("train")


def test_a_folder_that_was_not_looked_at_yet_counts_nothing(workspace: Path) -> None:
    for command in (("status",), ("status", "--head", "sharp")):
        told = keeprate(*command)
        assert "not looked at yet: `keeprate embed` or `keeprate train` does it" in told
        assert "needs 2 more" not in told
    keeprate("embed")
    assert "not looked at" not in keeprate("status") + keeprate("status", "--head", "sharp")


def test_a_workspace_without_heads_and_one_that_is_not_there(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    for command in (("train",), ("embed",), ("sync",)):
        done = run("--workspace", tmp_path / "bare", *command)
        assert done.code == 2
        assert "no head yet" in done.err
    done = run("--workspace", tmp_path / "gone", "status")
    assert done.code == 2
    assert "no such workspace" in done.err
    done = run("init", tmp_path)
    assert done.code == 2
    assert "needs no init" in done.err
