from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from keeprate.catalog import given_scores, labels
from keeprate.errors import UsageError
from keeprate.paths import locate_home
from keeprate.steps.labels.label_files import export_labels, import_labels
from keeprate.steps.labels.labelling import update_labels
from keeprate.steps.photos.scanning import scan
from keeprate.steps.session import Session
from support.photos import write_photos


@pytest.fixture
def scanned(session: Session, root: Path) -> Session:
    """Eight photos IMG_0000.jpg … in `root`, none in a bucket."""
    write_photos(root, range(8))
    scan(session)
    return session


def name(number: int) -> str:
    return f"IMG_{number:04d}.jpg"


def said(session: Session, head: str = "keep") -> dict[str, str | None]:
    """File name → bucket."""
    return {Path(label.path or "").name: label.bucket for label in labels.current(session.catalog, head).values()}


def written(folder: Path, text: str | bytes, file: str = "labels.csv") -> Path:
    path = folder / file
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_good_lines_count_and_bad_ones_are_named(scanned: Session, root: Path, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        f"image,label\n{name(0)},keep\n{root}/{name(1)},Delete\ncamera/{name(2)},keep\nnobody.jpg,keep\n"
        f"{name(3)},maybe\n{name(4)},keep\n{root}/{name(4)},delete\n{name(5)},\n,keep\n\n{name(0)},keep\n",
    )
    dry = import_labels(scanned, file, dry_run=True)
    assert said(scanned) == {}
    outcome = import_labels(scanned, file)
    assert (outcome.imported, outcome.problems) == (dry.imported, dry.problems)
    assert said(scanned) == {name(0): "keep", name(1): "delete", name(2): "keep"}
    assert (outcome.imported, outcome.unchanged, outcome.blank) == ({"keep": 3}, 0, 1)
    assert [problem.line for problem in outcome.problems] == [5, 6, 8, 10]
    for part, problem in zip(("no library", "no bucket", "line 7 says", "no photo"), outcome.problems, strict=True):
        assert part in problem.what
    assert import_labels(scanned, file).unchanged == 3


def test_a_later_move_counts_more_and_standing_still_does_not(scanned: Session, root: Path, tmp_path: Path) -> None:
    (root / name(0)).rename(root / "keep" / name(0))
    (root / name(1)).rename(root / "keep" / name(1))
    scan(scanned)
    import_labels(scanned, written(tmp_path, f"image,label\nkeep/{name(0)},delete\nkeep/{name(1)},delete\n"))
    assert set(said(scanned).values()) == {"delete"}
    update_labels(scanned)
    assert set(said(scanned).values()) == {"delete"}
    (root / "keep" / name(0)).rename(root / name(0))
    (root / "keep" / name(1)).rename(root / "delete" / name(1))
    scan(scanned)
    assert said(scanned) == {name(0): "delete", name(1): "delete"}
    by_source = {
        Path(label.path or "").parent.name: label.source for label in labels.current(scanned.catalog, "keep").values()
    }
    assert by_source == {"keep": "csv", "delete": "move"}


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfimage,label\r\nIMG_0000.jpg,keep\r\n",
        b"image;label\nIMG_0000.jpg;keep\n",
        b"Path\tlabel\tnote\nIMG_0000.jpg\tkeep\tany\n",
        "image,label\nIMG_0000.jpg,keep\n".encode("utf-16"),
        b'label,image\n"keep","IMG_0000.jpg"',
    ],
    ids=["byte-order-mark", "semicolons", "tabs", "utf-16", "quotes-no-last-newline"],
)
def test_spreadsheets_write_csv_in_many_ways(scanned: Session, tmp_path: Path, data: bytes) -> None:
    assert import_labels(scanned, written(tmp_path, data)).imported == {"keep": 1}


def test_names_in_other_spellings_are_found(session: Session, root: Path, tmp_path: Path) -> None:
    (photo,) = write_photos(root, range(1))
    photo.rename(root / "Möwe.jpg")
    (other,) = write_photos(root, range(1, 2))
    os.rename(os.fsencode(other), os.fsencode(root) + b"/M\xf6we2.jpg")
    scan(session)
    lines = b"image,label\n" + "Mo\u0308we.jpg,keep\n".encode() + b"M\xf6we2.jpg,delete\n"
    assert import_labels(session, written(tmp_path, lines)).problems == ()
    latin = written(tmp_path, "image,label\nMöwe.jpg,delete\n".encode("cp1252"), "latin.csv")
    assert import_labels(session, latin).imported == {"keep": 1}


@pytest.mark.parametrize(
    "text",
    ["", "photo,label\na,b\n", "image,stars\na,5\n", "[1, 2]", '{"a": '],
    ids=["empty", "no-image", "no-head", "json-list", "cut-json"],
)
def test_files_that_are_something_else_are_refused(scanned: Session, tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError):
        import_labels(scanned, written(tmp_path, text, "labels.json" if text[:1] in ("[", "{") else "labels.csv"))
    assert import_labels(scanned, written(tmp_path, "image,label\n\x00,keep\n", "nul.csv")).problems[0].line == 2
    assert said(scanned) == {}


def test_a_column_for_each_head_and_a_head_for_each_line(root: Path, tmp_path: Path) -> None:
    from keeprate.config.edit import add_library
    from keeprate.steps.session import open_session

    write_photos(root, range(3))
    heads = {
        "presence": {"buckets": {"clear": ["a"], "none": ["b"]}},
        "closure": {"buckets": {"closed": ["c"], "na": ["d"]}},
    }
    home = locate_home()
    add_library(home.config_file, {"name": "camera", "root": str(root), "heads": heads})
    with open_session(home) as session:
        scan(session)
        table = f"image,presence,closure,colour\n{name(0)},clear,closed,red\n{name(1)},none,,\n"
        outcome = import_labels(session, written(tmp_path, table))
        assert outcome.imported == {"presence": 2, "closure": 1}
        assert (outcome.blank, [problem.line for problem in outcome.problems]) == (1, [1])
        lines = f"image,head,label\n{name(2)},closure,na\n{name(2)},presence,none\n{name(2)},nothing,x\n"
        outcome = import_labels(session, written(tmp_path, lines), head="closure")
        assert (outcome.imported, len(outcome.problems)) == ({"closure": 1}, 1)
        with pytest.raises(UsageError, match="which head"):
            import_labels(session, written(tmp_path, f"image,label\n{name(2)},na\n"))


def test_what_is_exported_comes_back(scanned: Session, root: Path, tmp_path: Path) -> None:
    import_labels(scanned, written(tmp_path, f"image,label\n{name(0)},keep\n{name(1)},delete\n"))
    (root / name(1)).unlink()
    scan(scanned)
    before = said(scanned)
    target = tmp_path / "export.csv"
    assert export_labels(scanned, target).labels == 2
    with pytest.raises(UsageError, match="already"):
        export_labels(scanned, target)
    scanned.catalog.conn.execute("DELETE FROM labels")
    scanned.catalog.conn.commit()
    assert import_labels(scanned, target).imported == {"keep": 2}
    assert said(scanned) == before


def test_scores_are_kept_beside_the_labels(scanned: Session, tmp_path: Path) -> None:
    entries = {
        f"camera/{name(0)}": 1.25, f"camera/{name(1)}": -0.5, f"camera/{name(2)}": 0, "nobody.png": 1.0,
        f"camera/{name(3)}": "high", "#meta#": {"evaluations": 3},
    }  # fmt: skip
    file = written(tmp_path, json.dumps(entries), "score.json")
    outcome = import_labels(scanned, file)
    assert (outcome.kind, outcome.imported, outcome.blank) == ("scores", {"keep": 2}, 1)
    assert [problem.line for problem in outcome.problems] == [4, 5]
    found = given_scores.current(scanned.catalog, "keep")
    assert sorted(given.score for given in found.values()) == [-0.5, 1.25]
    assert said(scanned) == {}
    assert import_labels(scanned, file).unchanged == 2
