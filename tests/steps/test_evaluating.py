"""Evaluating a head: figures that can be counted by hand, and what is wrong with a test set."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from keeprate.catalog import heads, labels, out_of_fold
from keeprate.catalog.labels import Label
from keeprate.catalog.out_of_fold import OutOfFoldRows
from keeprate.cli.evaluating import confusion_matrix
from keeprate.config.edit import add_library
from keeprate.errors import UsageError
from keeprate.paths import locate_home
from keeprate.pictures.content_key import content_key
from keeprate.steps.exchange.classifying import classify
from keeprate.steps.heads.evaluating import Evaluation, evaluate
from keeprate.steps.session import Session, open_session
from support.catalogs import add_file
from support.judging import WorkerWithoutProcess, put_head
from support.photos import write_photos


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A session with the head `keep`, whose buckets are called as in headmaster's examples."""
    home = locate_home()
    (tmp_path / "camera").mkdir()
    heads = {"keep": {"buckets": {"positive": "positive", "negative": "negative"}}}
    add_library(home.config_file, {"name": "camera", "root": str(tmp_path / "camera"), "heads": heads})
    with open_session(home) as opened:
        yield opened


@pytest.fixture
def trained(session: Session, tmp_path: Path) -> Session:
    put_head(session, tmp_path / "samples", buckets=("positive", "negative"), threshold=0.42)
    return session


@pytest.fixture
def test_set(tmp_path: Path) -> Path:
    """Four sharp photos and one blurred in `positive`, three blurred and two sharp in `negative`."""
    folder = tmp_path / "test"
    write_photos(folder / "positive", range(4))
    write_photos(folder / "positive", range(10, 11), sharp=False)
    write_photos(folder / "negative", range(20, 23), sharp=False)
    write_photos(folder / "negative", range(30, 32))
    return folder


def on(session: Session, folder: Path | None) -> Evaluation:
    return evaluate(session, WorkerWithoutProcess(session), "keep", folder)


def test_a_test_set(trained: Session, test_set: Path) -> None:
    found = on(trained, test_set)
    assert (found.buckets, found.matrix) == (("negative", "positive"), ((3, 2), (1, 4)))
    assert (found.correct, found.total, found.accuracy) == (7, 10, 0.7)
    assert found.balanced_accuracy == pytest.approx(0.7)
    assert found.keepers_lost == pytest.approx(0.2)
    assert [(one.bucket, one.precision, one.recall) for one in found.per_bucket] == [
        ("negative", 3 / 4, 3 / 5),
        ("positive", 4 / 6, 4 / 5),
    ]
    assert found.roc_auc is not None
    assert found.roc_auc_interval is not None
    assert found.roc_auc_interval.low <= found.roc_auc <= found.roc_auc_interval.high
    assert (found.trained_on, found.notes, found.unreadable) == (0, (), ())
    wrong = {Path(one.path).name for one in found.pictures if not one.correct}
    assert wrong == {"IMG_0010.jpg", "IMG_0030.jpg", "IMG_0031.jpg"}


def test_what_was_trained_on_is_counted(trained: Session, test_set: Path) -> None:
    key = content_key(test_set / "positive" / "IMG_0000.jpg")
    on(trained, test_set)
    with trained.catalog.db.atomic():
        labels.append(trained.catalog, [Label(key, "keep", "positive", "move", 1.0, None)])
    shutil.copy(test_set / "positive" / "IMG_0001.jpg", test_set / "negative" / "again.jpg")
    (test_set / "negative" / "broken.jpg").write_bytes(b"")
    found = on(trained, test_set)
    assert (found.trained_on, found.total, len(found.unreadable)) == (1, 11, 1)
    assert [Path(one.path).name for one in found.pictures if one.trained_on] == ["IMG_0000.jpg"]
    assert any(note.startswith("1 of these pictures were trained on") for note in found.notes)
    assert any("more than once" in note for note in found.notes)


def test_a_test_set_that_classify_made_is_said(trained: Session, tmp_path: Path) -> None:
    write_photos(tmp_path / "unsorted", range(3))
    made = tmp_path / "classified"
    classify(trained, WorkerWithoutProcess(trained), "keep", tmp_path / "unsorted", made, margin=0)
    for bucket in ("positive", "negative"):
        write_photos(made / bucket, range(40, 41))
    found = on(trained, made)
    assert found.total == 5
    assert found.notes[0].startswith("3 of these pictures lie where `classify` put them")


def test_a_missing_class_is_a_note(trained: Session, test_set: Path) -> None:
    shutil.rmtree(test_set / "negative")
    found = on(trained, test_set)
    assert found.notes == ("there is no picture for 'negative'",)
    assert (found.roc_auc, found.roc_auc_interval, found.average_precision) == (None, None, None)
    assert found.balanced_accuracy == pytest.approx(0.8)


def test_without_a_test_set_the_training_answers(trained: Session) -> None:
    with pytest.raises(UsageError, match="no test set for the head 'keep'"):
        on(trained, None)
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]], np.float32)
    rows = OutOfFoldRows(
        ("a", "b", "c", "d"), ("positive", "positive", "negative", "negative"),
        ("positive", "positive", "negative", "negative"), probabilities,
    )  # fmt: skip
    for key in rows.content_keys:
        add_file(trained.catalog, f"/p/{key}.jpg", key)
    with trained.catalog.db.atomic():
        labels.append(trained.catalog, [
            Label(key, "keep", bucket, "move", 1.0, None)
            for key, bucket in zip(rows.content_keys, rows.buckets, strict=True)
        ])  # fmt: skip
        out_of_fold.store(trained.catalog, "keep", 1, rows)
    found = on(trained, None)
    assert (found.test_set, found.correct, found.roc_auc) == (None, 4, 1.0)
    assert found.pictures[1].path == "/p/b.jpg"
    assert found.pictures[1].predicted == "positive", "as its own fold's threshold chose"

    with trained.catalog.db.atomic():  # the person withdraws one label and turns another round
        labels.append(trained.catalog, [
            Label("a", "keep", None, "move", 2.0, None), Label("d", "keep", "positive", "move", 2.0, None)
        ])  # fmt: skip
    found = on(trained, None)
    assert [one.path for one in found.pictures] == ["/p/b.jpg", "/p/c.jpg"]
    assert found.notes == ("2 of the 4 labels that it learned from were changed or withdrawn since: they are left out",)
    with trained.catalog.db.atomic():
        labels.append(trained.catalog, [Label(key, "keep", None, "move", 3.0, None) for key in "bc"])
    with pytest.raises(UsageError, match="None of the 4 labels"):
        on(trained, None)


def test_probabilities_of_the_training_are_moved_with_the_threshold(trained: Session) -> None:
    """Trained at 1:1 for a library of which one in ten is positive: 0.5 has become 0.1, the threshold with it."""
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4], [0.4, 0.6], [0.4, 0.6]], np.float32)
    told = ("positive", "positive", "negative", "negative")
    prior = {"source": "given", "label_shares": [0.5, 0.5], "shares": [0.1, 0.9], "intervals": [], "photos": 0}
    for key in "abcd":
        add_file(trained.catalog, f"/p/{key}.jpg", key)
    with trained.catalog.db.atomic():
        labels.append(trained.catalog, [
            Label(key, "keep", bucket, "move", 1.0, None) for key, bucket in zip("abcd", told, strict=True)
        ])  # fmt: skip
        out_of_fold.store(trained.catalog, "keep", 1, OutOfFoldRows(tuple("abcd"), told, told, probabilities))
    by_labels = on(trained, None)
    heads.set_details(trained.catalog, "keep", 1, {"prior": prior})
    trained.catalog.conn.execute("UPDATE head_versions SET threshold = 0.1")
    trained.catalog.conn.commit()
    found = on(trained, None)
    assert found.pictures[0].probabilities["positive"] == pytest.approx(0.06 / (0.06 + 0.36))
    assert [one.probabilities["positive"] >= 0.1 for one in found.pictures] == [
        one.predicted == "positive" for one in found.pictures
    ]
    assert found.calibration_error == by_labels.calibration_error
    assert len(found.notes) == 1
    assert found.notes[0].startswith(
        "probabilities and threshold are for photos of which 10.0% are 'positive', not 50.0%"
    )


@pytest.mark.parametrize(
    ("folder", "saying"),
    [
        ("nowhere", "no such folder"),
        ("test/positive/IMG_0000.jpg", "a file, not a folder"),
        ("test/positive", r"\(none\) must be called as the buckets of the head 'keep' \(negative, positive\)"),
        ("other", r"\(negative, neutral\) must be called as the buckets"),
        ("empty", "no picture in the sub-folders"),
        ("broken", "None of the 1 pictures could be read"),
    ],
)
@pytest.mark.usefixtures("test_set")
def test_test_sets_that_make_no_sense(trained: Session, tmp_path: Path, folder: str, saying: str) -> None:
    for name in ("other/negative", "other/neutral", "empty/positive", "broken/positive"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "broken" / "positive" / "a.jpg").write_bytes(b"?")
    with pytest.raises(UsageError, match=saying):
        on(trained, tmp_path / folder)


def test_an_untrained_head(session: Session, test_set: Path) -> None:
    for folder in (None, test_set):
        with pytest.raises(UsageError, match="not trained yet"):
            on(session, folder)


def test_the_table_is_that_of_headmaster() -> None:
    """To the letter, from headmaster's README."""
    evaluation = Evaluation(
        head="hotdog", version=1, test_set="/t", buckets=("negative", "positive"), matrix=((29, 3), (2, 41)),
        first_bucket="positive", threshold=0.42, correct=70, total=75, accuracy=70 / 75, balanced_accuracy=0.9,
        roc_auc=None, roc_auc_interval=None, average_precision=None, calibration_error=0.1, keepers_lost=None,
        per_bucket=(), trained_on=0, notes=(), pictures=(), unreadable=(),
    )  # fmt: skip
    assert "\n".join(confusion_matrix(evaluation)) == (
        "  hotdog\n"
        "                  Pred negative  Pred positive   Total\n"
        "------------------------------------------------------\n"
        "Actual negative             29              3      32\n"
        "Actual positive              2             41      43\n"
        "------------------------------------------------------\n"
        "  Accuracy: 70/75 (93.3%)"
    )
