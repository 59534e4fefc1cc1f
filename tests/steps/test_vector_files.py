from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from keeprate.catalog import labels, scores
from keeprate.errors import KeeprateError, UsageError
from keeprate.steps.photos.scanning import scan
from keeprate.steps.photos.vector_files import export_vectors
from keeprate.steps.session import Session
from support.catalogs import add_vector
from support.photos import write_photos

arrow = pytest.importorskip("pyarrow")


def test_photos_come_with_vector_label_and_score(session: Session, root: Path, tmp_path: Path) -> None:
    from pyarrow import parquet

    write_photos(root / "keep", range(2))
    write_photos(root, range(2, 4))
    scan(session)
    with pytest.raises(KeeprateError, match="No photo has a vector"):
        export_vectors(session, tmp_path / "none.parquet")
    keys = [key for (key,) in session.catalog.conn.execute("SELECT content_key FROM photos ORDER BY 1")]
    vectors = {key: [float(number), -1.5, 2.0] for number, key in enumerate(keys[:3])}
    for key, vector in vectors.items():
        add_vector(session.catalog, key, vector)
    with session.catalog.db.atomic():
        scores.store(session.catalog, "keep", scores.FIRST_GUESS, keys[:1], np.array([[0.7, 0.3]]))
    target = tmp_path / "photos.parquet"
    assert export_vectors(session, target).photos == 3
    table = parquet.read_table(target)
    assert table.schema.field("embedding").type == arrow.list_(arrow.float32(), 3)
    said = labels.current(session.catalog, "keep")
    for row in table.to_pylist():
        assert row["embedding"] == vectors[row["content_key"]]
        assert Path(row["path"]).exists()
        assert row["label_keep"] == ("keep" if row["content_key"] in said else None)
        assert row["score_keep"] == (pytest.approx(0.7) if row["content_key"] == keys[0] else None)
    with pytest.raises(UsageError, match="already"):
        export_vectors(session, target)


def test_without_pyarrow_it_says_what_to_install(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(KeeprateError) as caught:
        export_vectors(session, tmp_path / "photos.parquet")
    assert "keeprate[parquet]" in caught.value.advice
