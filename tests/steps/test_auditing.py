from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from keeprate.catalog import labels, out_of_fold
from keeprate.catalog.out_of_fold import OutOfFoldRows
from keeprate.steps.labels.auditing import audit
from keeprate.steps.photos.scanning import scan
from keeprate.steps.session import Session
from support.catalogs import add_vector
from support.commands import keeprate, run
from support.photos import write_photos

pytest.importorskip("cleanlab")


@pytest.fixture
def trained(session: Session, root: Path) -> Session:
    """24 photos in keep/ and 24 in delete/, a training that doubts the first of each, vectors that say so too."""
    for bucket, seeds in (("keep", range(24)), ("delete", range(100, 124))):
        write_photos(root / bucket, seeds)
    scan(session)
    said = labels.current(session.catalog, "keep")
    sure, doubted = 0.95, 0.03
    probabilities = []
    for key, label in said.items():
        first = Path(label.path or "").name in ("IMG_0000.jpg", "IMG_0100.jpg")
        of_said = doubted if first else sure
        probabilities.append([of_said, 1 - of_said] if label.bucket == "keep" else [1 - of_said, of_said])
        add_vector(session.catalog, key, [probabilities[-1][0], 1 - probabilities[-1][0]])
    rows = OutOfFoldRows(
        tuple(said), tuple(str(label.bucket) for label in said.values()),
        tuple("keep" if row[0] > 0.5 else "delete" for row in probabilities), np.array(probabilities, np.float32),
    )  # fmt: skip
    with session.catalog.db.atomic():
        session.catalog.conn.execute(
            "INSERT INTO head_versions (head, version, trained_at, kind, buckets, label_counts, label_hash, model_id, "
            "fingerprint, metrics, in_use, reason) "
            "VALUES ('keep', 1, 0, 'logistic', '[\"keep\", \"delete\"]', '{}', '', 1, '', '{}', 1, '')"
        )
        out_of_fold.store(session.catalog, "keep", 1, rows)
    return session


def test_slips_come_with_their_evidence_and_nothing_changes(trained: Session, root: Path) -> None:
    before = (trained.catalog.conn.total_changes, sorted(os.walk(root)))
    (outcome,) = audit(trained)
    assert (outcome.photos, outcome.likely, outcome.remark) == (48, 2, "")
    assert {suspect.paths[0] for suspect in outcome.suspects} == {
        str(root / "keep" / "IMG_0000.jpg"), str(root / "delete" / "IMG_0100.jpg"),
    }  # fmt: skip
    slip = next(suspect for suspect in outcome.suspects if suspect.said == "keep")
    assert (slip.source, slip.instead, slip.likely) == ("folder", "delete", True)
    assert slip.probabilities["delete"] == pytest.approx(0.97)
    assert [neighbour.bucket for neighbour in slip.nearest].count("delete") == 2
    assert all(Path(neighbour.path).exists() for neighbour in slip.nearest)
    assert slip.paths[0] not in {neighbour.path for neighbour in slip.nearest}
    assert len(audit(trained, top=5)[0].suspects) == 5
    assert (trained.catalog.conn.total_changes, sorted(os.walk(root))) == before


def test_who_has_been_moved_since_is_no_suspect_any_more(trained: Session, root: Path) -> None:
    (root / "keep" / "IMG_0000.jpg").rename(root / "delete" / "IMG_0000.jpg")
    scan(trained)
    (outcome,) = audit(trained)
    assert outcome.photos == 47
    assert [suspect.said for suspect in outcome.suspects] == ["delete"]


@pytest.mark.parametrize(("lowest_auc", "log_loss", "likely"), [(0.6, 0.5, 2), (0.49, 0.5, 0), (0.6, 0.7, 0)])
def test_a_head_that_knows_nothing_accuses_nobody(
    trained: Session, lowest_auc: float, log_loss: float, likely: int
) -> None:
    metrics = {"roc_auc_interval": {"low": lowest_auc, "high": 0.9}, "log_loss": log_loss, "base_log_loss": 0.693}
    with trained.catalog.db.atomic():
        trained.catalog.conn.execute("UPDATE head_versions SET metrics = ?", (json.dumps(metrics),))
    (outcome,) = audit(trained)
    assert (outcome.likely, len(outcome.suspects)) == (likely, likely)
    assert ("cannot tell the buckets apart" in outcome.remark) == (likely == 0)
    (listed,) = audit(trained, top=3)
    assert [suspect.likely for suspect in listed.suspects] == [place < likely for place in range(3)]


def test_the_command_shows_writes_csv_and_says_what_is_missing(trained: Session, tmp_path: Path, root: Path) -> None:
    shown = keeprate("labels", "audit")
    assert "of 48 labels, 2 are probably wrong" in shown
    assert "like delete" in shown
    assert "Nothing was changed" in shown
    target = tmp_path / "audit.csv"
    keeprate("labels", "audit", "--csv", target)
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["likely"] for row in rows] == ["yes", "yes"]
    assert run("labels", "audit", "--csv", target).code == 2
    assert len(json.loads(keeprate("labels", "audit", "--json"))[0]["suspects"]) == 2
    trained.catalog.conn.execute("DELETE FROM out_of_fold")
    trained.catalog.conn.commit()
    assert "train --force" in keeprate("labels", "audit")
    trained.catalog.conn.execute("DELETE FROM head_versions")
    trained.catalog.conn.commit()
    assert "not been trained" in keeprate("labels", "audit")
