from __future__ import annotations

import os
from pathlib import PurePath

import numpy as np

from keeprate.catalog import Catalog, embeddings, files, scores
from keeprate.catalog.embeddings import NewEmbedding
from keeprate.catalog.file_names import drop_renamed
from support.catalogs import add_file


def words(path: str) -> str:
    return os.fsencode(PurePath(path).stem).decode("utf-8", "replace")


def test_a_vector_goes_with_the_name_that_is_part_of_it(catalog: Catalog) -> None:
    odd = os.fsdecode(b"/p/\xff.jpg")
    for key, path in (("same", "/p/a.jpg"), ("renamed", "/p/b.jpg"), ("gone", "/p/c.jpg"), ("odd", odd)):
        add_file(catalog, path, key)
        new = NewEmbedding(
            key, np.ones(3, np.float32), np.zeros(3, np.float32), 0, "jpeg", 4, 3, None, None, words(path)
        )
        with catalog.db.atomic():
            embeddings.store(catalog, 1, 1, [new])
            scores.store(catalog, "keep", 0, [key], np.array([[0.5, 0.5]]))
    add_file(catalog, "/p/copy.jpg", "same")
    add_file(catalog, "/p/new name.jpg", "renamed")
    with catalog.db.atomic():
        files.mark_gone(catalog, ["/p/b.jpg", "/p/c.jpg"])
        assert drop_renamed(catalog, 1, words) == 1
    assert [key for key, *_ in embeddings.wanted(catalog, 1, 1)] == ["renamed"]
    assert set(embeddings.vectors_of(catalog, 1, ["same", "renamed", "gone", "odd"])) == {"same", "gone", "odd"}
    assert catalog.conn.execute("SELECT count(*) FROM scores").fetchone() == (3,)
