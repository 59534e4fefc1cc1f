from __future__ import annotations

from pathlib import Path

import pytest

from keeprate.catalog import companions, scores
from keeprate.config.models import HeadConfig
from keeprate.steps.heads.scoring import score
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.photos.scanning import scan
from keeprate.steps.session import Session
from support.commands import answer, keeprate, run
from support.judging import WorkerWithoutProcess
from support.photos import draw, write_photos
from support.shots import write_shot


@pytest.fixture
def unsorted(tmp_path: Path) -> Path:
    """A library with six sharp photos, blurred copies of three of them, and no label."""
    root = tmp_path / "camera"
    write_photos(root, range(6))
    for seed in range(3):
        draw(seed, sharp=False).save(root / f"IMG_{seed:04d}-blurred.jpg")
    keeprate("init", root)
    return root


def test_there_is_an_order_without_any_label_and_learning_replaces_it(unsorted: Path) -> None:
    assert "9 photos ordered by a first guess" in keeprate("sync")
    listed = answer("list")
    assert len(listed) == 9
    assert {photo["version"] for photo in listed} == {0}
    assert {Path(photo["path"]).name for photo in listed[-3:]} == {f"IMG_{seed:04d}-blurred.jpg" for seed in range(3)}
    assert all(0.2 <= photo["score"] <= 0.8 for photo in listed)
    assert "first guess" in run("list").err
    assert "first guess from sharpness" in keeprate("status")
    worst = listed[-1]["path"]
    assert (answer("why", worst)["version"], answer("why", worst)["rank"]) == (0, 9)
    assert "first guess" in keeprate("why", worst)
    assert answer("labels", "list") == []
    assert answer("write", "--dry-run")["planned"] == []

    write_photos(unsorted / "keep", range(100, 108))
    write_photos(unsorted / "delete", range(200, 208), sharp=False)
    keeprate("sync")
    listed = answer("list")
    assert {photo["version"] for photo in listed} == {1}
    assert "first guess from sharpness" not in run("list").err + keeprate("status")


def test_a_head_about_something_else_gets_no_guess(tmp_path: Path, home: Path) -> None:
    from keeprate.config.edit import add_library
    from keeprate.paths import locate_home
    from keeprate.steps.heads.first_guessing import kept_bucket
    from keeprate.steps.session import open_session

    def buckets(**folders: list[str]) -> dict[str, HeadConfig]:
        return {"buckets": folders}  # type: ignore[dict-item]

    heads = {
        "animal": buckets(cat=["cat"], dog=["dog"]),
        "keep": buckets(keep=["keep"], delete=["delete"]),
        "cull": buckets(Rejected=["r"], fine=["f"]),
        "trash": buckets(blue=["blue"], red=["red", "trash:"]),
        "three": buckets(keep=["k"], delete=["d"], later=["l"]),
    }
    (tmp_path / "camera").mkdir()
    found = locate_home()
    add_library(found.config_file, {"name": "camera", "root": str(tmp_path / "camera"), "heads": heads})
    with open_session(found) as session:
        assert {head: kept_bucket(session, head) for head in heads} == {
            "animal": None, "keep": 0, "cull": 1, "trash": 0, "three": None,
        }  # fmt: skip


def test_a_guess_follows_the_buckets_of_the_config(unsorted: Path, home: Path) -> None:
    keeprate("sync")
    best = answer("list")[0]
    assert best["probabilities"]["keep"] > 0.5
    config = home / "keeprate" / "config.toml"
    before = config.read_text()
    buckets = 'keep = "keep"\ndelete = ["delete", "trash:"]\n'
    assert buckets in before

    config.write_text(before.replace(buckets, 'delete = ["delete", "trash:"]\nkeep = "keep"\n'))
    keeprate("score")
    worst_last = answer("list", "--order", "asc")
    assert worst_last[0]["path"] == best["path"], "delete comes first now, and the sharpest are deleted least"
    assert worst_last[0]["probabilities"]["keep"] == pytest.approx(best["probabilities"]["keep"], abs=1e-6)

    config.write_text(before.replace(buckets, f'{buckets}later = "later"\n'))
    assert len(answer("list")) == 9, "before anybody has looked at the new bucket"
    keeprate("score")
    assert answer("list") == []


def test_a_raw_and_its_jpeg_do_not_compete(session: Session, root: Path) -> None:
    for number in range(3):
        write_shot(root, f"IMG_{number}", number)
    alone = root / "alone"
    write_shot(alone, "IMG_9", 0)[1].unlink()
    scan(session)
    embed_all(session, WorkerWithoutProcess(session))
    assert score(session).guessed == 6  # the JPEG that lies there twice is one photo
    guesses = scores.of_photos(session.catalog, "keep")
    pairs = companions.load(session.catalog).members.values()
    assert [len({guesses[key] for key in keys}) for keys in pairs] == [1, 1, 1]
    assert min(guesses.values()) > 0.5
    assert score(session).guessed == 0
