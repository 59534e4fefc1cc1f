"""Vectors with what is known of their photos, as Parquet: for notebooks and other programs."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from keeprate.catalog import embeddings, files, models, scores
from keeprate.errors import KeeprateError, UsageError
from keeprate.paths import expanded
from keeprate.safe_files import create_file
from keeprate.steps.labels.shots import said_of_shots
from keeprate.steps.session import Session

ROW_GROUP: Final = 4096


@dataclass(frozen=True, slots=True)
class VectorExport:
    file: str
    photos: int
    dimension: int
    model: str


def export_vectors(session: Session, file: Path, head: str | None = None) -> VectorExport:
    """Write every photo on disk that has a vector by the active model to a new Parquet file, once a photo.

    Columns: `path`, `content_key`, for each head `label_HEAD` and `score_HEAD` (null: none), and `embedding`, a
    fixed-size list of float32. The file is made in memory: as much as it has bytes, 3 kB a photo for 768 numbers.

    Raises:
        UsageError: there is no such head, or something stands at `file` already: it is left alone.
        KeeprateError: pyarrow is not installed, there is no vector yet, or the file cannot be written.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise KeeprateError("Writing Parquet needs pyarrow.", advice="pip install 'keeprate[parquet]'.") from error
    file = expanded(file).absolute()
    heads = list(session.heads(head))
    catalog = session.catalog
    model = models.active(catalog)
    places: dict[str, str] = {}
    for known in files.present(catalog):
        places.setdefault(known.content_key, known.path)
    said = {name: said_of_shots(session, name).of_photos() for name in heads}
    scored = {name: scores.of_photos(catalog, name) for name in heads}
    target = io.BytesIO()
    writer: Any = None
    photos = dimension = 0
    keys = list(places)
    for start in range(0, len(keys), ROW_GROUP):
        vectors = embeddings.vectors_of(catalog, model.id, keys[start : start + ROW_GROUP])
        if not vectors:
            continue
        chunk = [key for key in keys[start : start + ROW_GROUP] if key in vectors]
        matrix = np.stack([vectors[key] for key in chunk])
        dimension = matrix.shape[1]
        columns: dict[str, Any] = {
            "path": arrow.array([_text(places[key]) for key in chunk], arrow.string()),
            "content_key": arrow.array(chunk, arrow.string()),
        }
        for name in heads:
            buckets = [label.bucket if (label := said[name].get(key)) else None for key in chunk]
            columns[f"label_{name}"] = arrow.array(buckets, arrow.string())
            columns[f"score_{name}"] = arrow.array([scored[name].get(key) for key in chunk], arrow.float64())
        columns["embedding"] = arrow.FixedSizeListArray.from_arrays(arrow.array(matrix.ravel()), dimension)
        table = arrow.table(columns, metadata={"keeprate_model": model.name, "keeprate_model_path": model.path})
        writer = writer or parquet.ParquetWriter(target, table.schema)
        writer.write_table(table)
        photos += len(chunk)
    if writer is None:
        raise KeeprateError(f"No photo has a vector by {model.name} yet.", advice="`keeprate embed` makes them.")
    writer.close()
    try:
        create_file(file, target.getvalue())
    except FileExistsError as error:
        raise UsageError("There is a file already; it was left as it is.", path=file) from error
    except OSError as error:
        raise KeeprateError(f"The file cannot be written: {error.strerror or error}.", path=file) from error
    return VectorExport(str(file), photos, dimension, model.name)


def _text(path: str) -> str:
    """Parquet's text is UTF-8: bytes of a name that are not become �."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
