from __future__ import annotations

import numpy as np
import pytest

from keeprate.catalog import Catalog, out_of_fold
from keeprate.catalog.out_of_fold import OutOfFoldRows
from support.catalogs import add_file

ROWS = OutOfFoldRows(("a", "b"), ("keep", "delete"), ("keep", "keep"), np.array([[0.9, 0.1], [0.6, 0.4]], np.float32))


def stored(catalog: Catalog, version: int, *, in_use: bool) -> None:
    with catalog.db.atomic():
        catalog.conn.execute(
            "INSERT INTO head_versions (head, version, trained_at, kind, buckets, label_counts, label_hash, "
            "fingerprint, metrics, in_use, reason) VALUES ('keep', ?, 0, 'logistic', '[]', '{}', '', '', '{}', ?, '')",
            (version, int(in_use)),
        )
        out_of_fold.store(catalog, "keep", version, ROWS)


def test_rows_come_back_and_only_those_of_use_are_kept(catalog: Catalog) -> None:
    for key in ("a", "b"):
        add_file(catalog, f"/p/{key}.jpg", key)
    for version in (1, 2, 3, 4):
        stored(catalog, version, in_use=version == 2)
    found = out_of_fold.load(catalog, "keep", 3)
    assert (found.content_keys, found.buckets, found.chosen) == (ROWS.content_keys, ROWS.buckets, ROWS.chosen)
    np.testing.assert_array_equal(found.probabilities, ROWS.probabilities)
    with catalog.db.atomic():
        out_of_fold.store(catalog, "keep", 4, ROWS)  # a second time replaces
        out_of_fold.prune(catalog, "keep")
    assert [len(out_of_fold.load(catalog, "keep", version)) for version in (1, 2, 3, 4)] == [0, 2, 0, 2]


def test_rows_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        OutOfFoldRows(("a",), ("keep", "delete"), ("keep",), np.zeros((1, 2), np.float32))
