"""The train step on a real catalog: what is asked for, what is recorded, and that it is asked for only once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keeprate.catalog import heads, labels, models, out_of_fold, problems
from keeprate.catalog.embeddings import NewEmbedding, store
from keeprate.catalog.labels import Label
from keeprate.config.edit import add_library
from keeprate.errors import UsageError
from keeprate.pictures.signals import SIGNAL_NAMES, SIGNALS_VERSION
from keeprate.steps.exchange.exporting import clean
from keeprate.steps.heads.priors import parse_prior
from keeprate.steps.heads.scoring import head_of, score
from keeprate.steps.heads.training import _incumbent, train
from keeprate.steps.session import Session, open_session
from keeprate.steps.tasks import TrainTask, outcome_from, task_from, to_values
from support.catalogs import add_file
from support.synthetic_labels import draw

LABELLED = (60, 60)
UNLABELLED = (30, 270)
"""One keeper in ten among the photos that nobody has sorted; one in two among the labels."""


@pytest.fixture
def sorted_photos(session: Session) -> Session:
    """120 labelled photos and 300 others, with vectors from two clouds, and a model that is known."""
    catalog = session.catalog
    models.record_loaded(catalog, models.active(catalog), embed_dim=16, fingerprint="made up")
    taught, indices = draw(LABELLED, width=16, distance=2.5, seed=1)
    others, _ = draw(UNLABELLED, width=16, distance=2.5, seed=2)
    _put(session, np.concatenate([taught, others]))
    said = [Label(f"key{row:04d}", "keep", ("keep", "delete")[bucket], "csv", 1.0 + row, None)
            for row, bucket in enumerate(indices)]  # fmt: skip
    with catalog.db.atomic():
        labels.append(catalog, said)
    return session


def _put(session: Session, vectors: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    generator = np.random.default_rng(3)
    batch = []
    for row, vector in enumerate(vectors):
        add_file(session.catalog, f"/p/{row:04d}.jpg", f"key{row:04d}", inode=row + 1)
        measured = generator.normal(size=len(SIGNAL_NAMES)).astype(np.float32)
        hashed = int(generator.integers(-(2**62), 2**62))
        batch.append(NewEmbedding(f"key{row:04d}", vector, measured, hashed, "jpeg", 40, 30, None, None))
    with session.catalog.db.atomic():
        store(session.catalog, models.active(session.catalog).id, SIGNALS_VERSION, batch)


def test_everything_that_was_found_out_is_recorded(sorted_photos: Session) -> None:
    outcome = train(sorted_photos, TrainTask("keep"))
    assert outcome.promoted
    assert outcome.metrics is not None
    assert outcome.details is not None
    (version,) = heads.history(sorted_photos.catalog, "keep")
    assert next(one["chosen"] for one in version.candidates) is True
    assert len(version.candidates) > 1
    assert version.candidates == list(outcome.candidates)
    assert version.details == outcome.details
    assert outcome.details["groups"] == 120
    assert outcome.details["ungrouped_roc_auc"] == pytest.approx(outcome.metrics["roc_auc"])
    assert outcome.details["prior"]["source"] == "labels"
    rows = out_of_fold.load(sorted_photos.catalog, "keep", 1)
    assert len(rows) == 120
    assert sorted(set(rows.buckets)) == ["delete", "keep"]
    agree = np.mean([said == chosen for said, chosen in zip(rows.buckets, rows.chosen, strict=True)])
    assert agree == pytest.approx(outcome.metrics["accuracy"])
    assert outcome_from("train", to_values(outcome)) == outcome


def test_nothing_is_trained_twice_unless_settings_or_wishes_change(sorted_photos: Session) -> None:
    assert train(sorted_photos, TrainTask("keep")).trained
    assert not train(sorted_photos, TrainTask("keep")).trained
    settings = sorted_photos.config.training.model_copy(update={"keepers_lost": 0.05})
    changed = Session(
        sorted_photos.home, sorted_photos.config.model_copy(update={"training": settings}), sorted_photos.catalog
    )
    outcome = train(changed, TrainTask("keep"))
    assert outcome.trained
    assert outcome.details is not None
    assert outcome.details["reject_threshold"]["asked"] == 0.05
    assert not train(changed, TrainTask("keep")).trained


def test_the_threshold_that_costs_few_keepers_is_the_heads_own(sorted_photos: Session) -> None:
    outcome = train(sorted_photos, TrainTask("keep", keepers_lost=0.05))
    assert outcome.details is not None
    assert outcome.metrics is not None
    found = outcome.details["reject_threshold"]
    version = heads.in_use(sorted_photos.catalog, "keep")
    assert version is not None
    assert version.threshold == pytest.approx(found["threshold"])
    assert outcome.metrics["keepers_lost"] == pytest.approx(found["keepers_lost"])
    assert found["keepers_lost"] <= 0.05 <= found["interval"]["high"]
    assert "5" in outcome.reason


def test_probabilities_follow_the_prior_and_decisions_stay(sorted_photos: Session) -> None:
    train(sorted_photos, TrainTask("keep"))
    before = _head(sorted_photos)
    outcome = train(sorted_photos, TrainTask("keep", prior=0.1))
    after = _head(sorted_photos)
    vectors, indices = draw((500, 4500), width=16, distance=2.5, seed=5)
    measured = np.zeros((5000, len(SIGNAL_NAMES)), np.float32)
    now, then = after.probabilities(vectors, measured), before.probabilities(vectors, measured)
    # one keeper in ten: what is said must be that on average, and it was not before
    assert now[:, 0].mean() == pytest.approx(0.1, abs=0.03)
    assert then[:, 0].mean() > 0.17
    assert (after.choose(now) == before.choose(then)).all()
    assert (np.argsort(now[:, 0]) == np.argsort(then[:, 0])).all()
    assert outcome.metrics is not None
    assert outcome.metrics["threshold"] == pytest.approx(after.threshold)
    assert (after.choose(now) == indices).mean() > 0.8


def test_a_version_with_a_prior_of_its_own_is_judged_by_the_labels(sorted_photos: Session) -> None:
    train(sorted_photos, TrainTask("keep"))
    plain = _head(sorted_photos)
    train(sorted_photos, TrainTask("keep", prior=0.1))
    incumbent = _incumbent(sorted_photos, models.active(sorted_photos.catalog), "keep")
    assert incumbent is not None
    assert incumbent.head.version == 2
    assert incumbent.head.calibration.offsets == pytest.approx(plain.calibration.offsets)


def test_the_prior_is_estimated_from_photos_without_a_label(sorted_photos: Session) -> None:
    outcome = train(sorted_photos, TrainTask("keep", prior="estimate"))
    assert outcome.details is not None
    prior = outcome.details["prior"]
    assert prior["photos"] == 300
    assert prior["shares"][0] == pytest.approx(0.1, abs=0.06)
    assert prior["intervals"][0]["low"] < prior["shares"][0] < prior["intervals"][0]["high"]


@pytest.mark.parametrize("prior", ["labels", 0.1, "estimate"])
def test_a_threshold_by_hand_is_taken_as_it_is(sorted_photos: Session, prior: str | float) -> None:
    train(sorted_photos, TrainTask("keep", threshold=0.7, prior=prior))
    assert _head(sorted_photos).threshold == pytest.approx(0.7)


def test_a_lone_photo_is_learned_from_and_nothing_is_claimed(sorted_photos: Session) -> None:
    catalog = sorted_photos.catalog
    with catalog.db.atomic():
        labels.append(catalog, [Label(f"key{row:04d}", "keep", None, "csv", 500.0, None) for row in range(1, 60)])
    outcome = train(sorted_photos, TrainTask("keep", keepers_lost=0.01))
    assert outcome.trained
    assert outcome.promoted
    assert outcome.metrics is None
    assert heads.history(catalog, "keep")[0].metrics == {}
    assert len(out_of_fold.load(catalog, "keep", 1)) == 0
    probabilities = _head(sorted_photos).probabilities(
        *(np.zeros((1, width), np.float32) for width in (16, len(SIGNAL_NAMES)))
    )
    assert 0 < probabilities[0, 0] < 0.5


def test_the_head_for_other_programs_is_kept_and_cleaned_with_its_version(sorted_photos: Session) -> None:
    train(sorted_photos, TrainTask("keep"))
    folder = sorted_photos.home.heads_dir
    assert sorted(path.name for path in folder.iterdir()) == [
        "keep-0001.exchange.safetensors", "keep-0001.safetensors",
    ]  # fmt: skip
    clean(sorted_photos, "keep")
    assert list(folder.iterdir()) == []
    assert train(sorted_photos, TrainTask("keep")).promoted, "no label has changed, but there is no head"


@pytest.mark.parametrize("wish", [{"prior": 0.1}, {"keepers_lost": 0.05}, {"threshold": 0.7}])
def test_what_was_asked_by_hand_stands_until_a_label_changes(sorted_photos: Session, wish: dict[str, Any]) -> None:
    assert train(sorted_photos, TrainTask("keep", **wish)).because
    threshold = _head(sorted_photos).threshold
    assert not train(sorted_photos, TrainTask("keep")).trained
    assert _head(sorted_photos).threshold == threshold
    with sorted_photos.catalog.db.atomic():
        labels.append(sorted_photos.catalog, [Label("key0130", "keep", "delete", "csv", 900.0, None)])
    assert train(sorted_photos, TrainTask("keep")).trained


def test_labels_without_a_vector_count_neither_as_learned_nor_as_lost(sorted_photos: Session) -> None:
    catalog = sorted_photos.catalog
    for number in range(40):
        add_file(catalog, f"/p/broken{number}.jpg", f"broken{number}", inode=9000 + number)
    with catalog.db.atomic():
        broken = [Label(f"broken{number}", "keep", "delete", "csv", 2.0, None) for number in range(40)]
        labels.append(catalog, broken)
    train(sorted_photos, TrainTask("keep"))
    incumbent = _incumbent(sorted_photos, models.active(catalog), "keep")
    assert incumbent is not None
    assert len(incumbent.trained_on) == 120


def test_a_head_whose_file_is_damaged_is_replaced(sorted_photos: Session) -> None:
    train(sorted_photos, TrainTask("keep"))
    file = sorted_photos.home.heads_dir / "keep-0001.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    outcome = score(sorted_photos)
    assert outcome.scored == 0
    assert "keep-0001.safetensors cannot be read" in outcome.failed[0]
    assert [problem.step for problem in problems.latest(sorted_photos.catalog)] == ["score"]
    again = train(sorted_photos, TrainTask("keep"))
    assert again.promoted
    assert "cannot be read, so that it is replaced" in again.reason
    assert again.because == "the file of the version before it cannot be read"
    assert score(sorted_photos).scored == 420
    assert problems.latest(sorted_photos.catalog) == []


def test_the_library_that_a_prior_is_estimated_from_is_the_heads_own(sorted_photos: Session) -> None:
    add_library(sorted_photos.home.config_file, {
        "name": "food", "root": "/food", "heads": {"tasty": {"buckets": {"yes": "yes", "no": "no"}}},
    })  # fmt: skip
    with open_session(sorted_photos.home) as session:
        add_file(session.catalog, "/food/1.jpg", "food", library="food", inode=99_999)
        generator = np.random.default_rng(0)
        new = NewEmbedding("food", generator.normal(size=16).astype(np.float32),
                           np.zeros(len(SIGNAL_NAMES), np.float32), 0, "jpeg", 40, 30, None, None)  # fmt: skip
        with session.catalog.db.atomic():
            store(session.catalog, models.active(session.catalog).id, SIGNALS_VERSION, [new])
        outcome = train(session, TrainTask("keep", prior="estimate"))
    assert outcome.details is not None
    assert outcome.details["prior"]["photos"] == 300


def test_wishes_that_make_no_sense(sorted_photos: Session) -> None:
    with pytest.raises(UsageError, match="cannot both"):
        train(sorted_photos, TrainTask("keep", threshold=0.5, keepers_lost=0.01))
    for text in ("x", "0", "1", "1.5", "nan", "-0.1"):
        with pytest.raises(UsageError, match="prior"):
            parse_prior(text)
    assert (parse_prior("0.25"), parse_prior("estimate")) == (0.25, "estimate")
    assert task_from("train", to_values(TrainTask("keep", prior=0.25))) == TrainTask("keep", prior=0.25)


def _head(session: Session) -> Any:
    version = heads.in_use(session.catalog, "keep")
    assert version is not None
    return head_of(session, version)
