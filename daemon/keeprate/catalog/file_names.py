"""Vectors that hold the words of a file's name: they go when the photo is renamed, and its scores with them."""

from __future__ import annotations

import os
from collections.abc import Callable

from keeprate.catalog.connection import Catalog

Words = Callable[[str], str]
"""path → the words of the file's name that are part of the vector."""

_RENAMED = """
    SELECT content_key FROM embeddings
    WHERE model_id = ?
      AND EXISTS (SELECT 1 FROM files WHERE files.content_key = embeddings.content_key AND gone_at IS NULL)
      AND embeddings.file_name NOT IN (SELECT file_words(CAST(path AS BLOB)) FROM files
                                       WHERE files.content_key = embeddings.content_key AND gone_at IS NULL)
"""


def drop_renamed(catalog: Catalog, model_id: int, words: Words) -> int:
    """Drop the vectors of photos of which no file bears the name any more that is part of the vector; returns how many.

    A photo of which no file is left keeps its vector: it goes on teaching by the name that it had. Call within a
    transaction.
    """
    catalog.conn.create_function("file_words", 1, lambda path: words(os.fsdecode(path)), deterministic=True)
    renamed = catalog.conn.execute(_RENAMED, (model_id,)).fetchall()
    catalog.conn.executemany(
        "DELETE FROM embeddings WHERE content_key = ? AND model_id = ?", [(key, model_id) for (key,) in renamed]
    )
    catalog.conn.executemany("DELETE FROM scores WHERE content_key = ?", renamed)
    return len(renamed)
