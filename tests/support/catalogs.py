"""Filling a catalog with photos for tests."""

from __future__ import annotations

import os

import numpy as np

from keeprate.catalog import Catalog, embeddings, files, libraries
from keeprate.catalog.embeddings import NewEmbedding
from keeprate.catalog.files import SeenFile
from keeprate.catalog.looks import Look
from keeprate.pictures.technical import TECHNICAL_NAMES, TECHNICAL_VERSION


def add_file(catalog: Catalog, path: str, key: str | None, library: str = "camera", inode: int = 1) -> None:
    """A file with the content `key`, as a scan would note it."""
    if libraries.get(catalog, library) is None:
        libraries.set_online(catalog, library, "/p", device=1, inode=1)
    with catalog.db.atomic():
        files.store(catalog, [SeenFile(path, library, (10, 20, 30, inode), key, os.path.dirname(path))])


def add_vector(catalog: Catalog, key: str, vector: list[float], model_id: int = 1, signals_version: int = 1) -> None:
    """A vector, signals and a look for a photo that has a file already."""
    look = Look(TECHNICAL_VERSION, np.zeros(len(TECHNICAL_NAMES), np.float32), np.zeros((32, 32), np.uint8))
    new = NewEmbedding(
        key, np.array(vector, np.float32), np.zeros(3, np.float32), 0, "jpeg", 40, 30, None, None, look=look
    )
    with catalog.db.atomic():
        embeddings.store(catalog, model_id, signals_version, [new])
