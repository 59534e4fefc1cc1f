"""A workspace as headmaster leaves it: its database, its vectors, its checkpoints."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np

TABLES = """
CREATE TABLE models (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, path TEXT NOT NULL, embed_dim INTEGER NOT NULL,
                     active INTEGER NOT NULL DEFAULT 0);
CREATE TABLE embeddings (hash TEXT NOT NULL, model_id INTEGER NOT NULL REFERENCES models(id), vector BLOB NOT NULL,
                         PRIMARY KEY (hash, model_id));
"""


def make_database(workspace: Path, models: list[tuple[str, str, int]]) -> Path:
    """`headmaster.db` with these models (name, path, dimension); the first is active."""
    path = workspace / "headmaster.db"
    with sqlite3.connect(path) as conn:
        conn.executescript(TABLES)
        conn.executemany(
            "INSERT INTO models (name, path, embed_dim, active) VALUES (?, ?, ?, ?)",
            [(*model, int(not number)) for number, model in enumerate(models)],
        )
    conn.close()
    return path


def cache(database: Path, picture: Path, vector: np.ndarray | bytes, model_id: int = 1) -> None:
    """Cache a vector for a picture, under the SHA-256 of its file."""
    blob = vector if isinstance(vector, bytes) else vector.astype("<f4").tobytes()
    hashed = hashlib.sha256(picture.read_bytes()).hexdigest()
    with sqlite3.connect(database) as conn:
        conn.execute("INSERT INTO embeddings VALUES (?, ?, ?)", (hashed, model_id, blob))
    conn.close()


def make_checkpoint(path: Path, input_dim: int, model: str, classes: tuple[str, ...], **changes: Any) -> Path:
    """A checkpoint with random weights, as headmaster saves it (its `classes` are sorted)."""
    import torch

    torch.manual_seed(0)
    outputs = 1 if len(classes) == 2 else len(classes)
    nn = torch.nn
    body = nn.Sequential(
        nn.Linear(input_dim, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(128, outputs),
    )  # fmt: skip
    values = {
        "type": "binary" if outputs == 1 else "multiclass",
        "input_dim": input_dim,
        "model": model,
        "model_state_dict": {f"classifier.{name}": tensor for name, tensor in body.state_dict().items()},
        "threshold": 0.42,
        "classes": list(classes),
        "sources": {one: [f"{path.stem}/{one}/1.jpg"] for one in classes},
        "metadata": {"head": path.stem, "created_at": "2026-02-17T10:00:00", "metrics": {"accuracy": 0.9}},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({**values, **changes}, path)
    return path
