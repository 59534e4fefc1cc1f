"""How long it takes to bring the scores of a whole library up to date.

    python bench/scoring.py [--photos 100000] [--dimension 512] [--repeats 5] [--in FOLDER] [--json]

A catalog is filled with random unit vectors and signals, and a head is trained on some of them and put into use. Then
`keeprate.steps.heads.scoring` reads every vector from SQLite, scores it, and writes every score back: all of them new
(no photo was ever scored), and all of them old (a newer version of the head has come into use). The bar is two
seconds for each. Reading and computing alone, and writing alone, are shown beside.

Seconds by the clock count whatever else the machine does meanwhile, seconds of processor time do not: both are shown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeprate.catalog import embeddings, files, heads, models, scores
from keeprate.catalog.embeddings import NewEmbedding
from keeprate.catalog.files import SeenFile
from keeprate.catalog.heads import HeadVersion
from keeprate.learning.dataset import DataSet
from keeprate.learning.fitting import train
from keeprate.learning.heads import Head, save_head
from keeprate.paths import Home
from keeprate.pictures.signals import SIGNAL_NAMES, SIGNALS_VERSION
from keeprate.steps.heads.scoring import score
from keeprate.steps.session import Session
from measuring import Taken, expect, open_library, scratch_home, show, tell, time_of

LABELLED = 400
"""Photos that the head is trained on; how many makes no difference to how long it scores."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--in", dest="place", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with scratch_home(chosen.place) as scratch:
        root = scratch / "library"
        root.mkdir()
        home, session = open_library(root)
        with session:
            head = fill(session, chosen.photos, chosen.dimension)
            figures = measure(home, session, head, photos=chosen.photos, repeats=chosen.repeats)
    if chosen.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures, f"{chosen.photos:,} vectors of {chosen.dimension} components, {chosen.repeats} rounds, medians")


def fill(session: Session, photos: int, dimension: int) -> Head:
    """Photos with vectors and signals in the catalog, as a scan and an embedding leave them; a head that uses both."""
    tell(f"storing {photos:,} vectors …")
    catalog, random = session.catalog, np.random.default_rng(0)
    model = models.active(catalog)
    models.record_loaded(catalog, model, embed_dim=dimension, fingerprint="bench")
    keys = [f"jpeg1-{random.bytes(16).hex()}" for _ in range(photos)]
    first: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
    for start in range(0, photos, embeddings.READ_CHUNK):
        chunk = keys[start : start + embeddings.READ_CHUNK]
        vectors = random.normal(size=(len(chunk), dimension)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        signals = random.normal(size=(len(chunk), len(SIGNAL_NAMES))).astype(np.float32)
        first = first or (vectors, signals)
        with catalog.db.atomic():
            files.store(
                catalog,
                [
                    SeenFile(f"/p/{number}.jpg", "bench", (1, 1, 1, number), key, "/p")
                    for number, key in enumerate(chunk, start)
                ],
            )
            embeddings.store(
                catalog, model.id, SIGNALS_VERSION,
                [
                    NewEmbedding(key, vector, signal, 0, "jpeg", 4000, 3000, None, None)
                    for key, vector, signal in zip(chunk, vectors, signals, strict=True)
                ],
            )  # fmt: skip
    assert first is not None
    return _trained(keys[:LABELLED], first[0][:LABELLED], first[1][:LABELLED])


def _trained(keys: Sequence[str], vectors: NDArray[np.float32], signals: NDArray[np.float32]) -> Head:
    """A head that needs vectors and signals: what decides here is half the one and half the other."""
    order = (vectors[:, 0] / vectors[:, 0].std() + 2 * signals[:, 0]).argsort().argsort()
    dataset = DataSet(
        content_keys=tuple(keys),
        vectors=vectors,
        signals=signals,
        bucket_indices=(order < len(keys) // 2).astype(np.intp),
        buckets=("keep", "delete"),
        groups=np.arange(len(keys)),
    )
    result = train(
        dataset, head_name="keep", version=1, model_fingerprint="bench", trained_at=datetime.now(UTC), seed=0,
        signals_version=SIGNALS_VERSION,
    )  # fmt: skip
    expect(result.head.uses_signals, "the head was meant to use signals")
    return result.head


def measure(home: Home, session: Session, head: Head, *, photos: int, repeats: int) -> dict[str, float]:
    """Median seconds of each way, the ways taking turns."""
    home.heads_dir.mkdir(parents=True)
    new, old, read, write = ([] for _ in range(4))
    for turn in range(repeats):
        tell(f"round {turn + 1} of {repeats} …")
        with session.catalog.db.atomic():
            scores.forget_head(session.catalog, "keep")
        use(home, session, replace(head, version=2 * turn + 1))
        new.append(_time_score(session, photos))
        use(home, session, replace(head, version=2 * turn + 2))
        read.append(time_of(lambda: _read_and_compute(session, head, photos)))
        old.append(_time_score(session, photos))
        keys, probabilities = _scores(session)
        write.append(time_of(partial(_write, session, keys, probabilities)))
    return {
        "photos": photos,
        **_medians("score_new", new),
        **_medians("score_old", old),
        **_medians("read_and_compute", read),
        **_medians("write", write),
    }


def use(home: Home, session: Session, head: Head) -> None:
    """Put a version of the head into use, as a training does."""
    file = f"keep-{head.version:04d}.safetensors"
    save_head(head, home.heads_dir / file)
    heads.add(
        session.catalog,
        HeadVersion(
            head="keep", version=head.version, trained_at=time.time(), kind=head.kind, buckets=head.buckets,
            label_counts={}, label_hash=str(head.version), model_id=models.active(session.catalog).id,
            fingerprint=head.model_fingerprint, threshold=head.threshold, metrics={}, file=file, in_use=True,
            reason="Measured.",
        ),
    )  # fmt: skip


def _time_score(session: Session, photos: int) -> Taken:
    outcomes = []
    taken = time_of(lambda: outcomes.append(score(session)))
    expect(outcomes[0].scored == photos, f"{outcomes[0].scored} of {photos} photos were scored")
    return taken


def _read_and_compute(session: Session, head: Head, photos: int) -> None:
    chunks = embeddings.unscored(
        session.catalog, models.active(session.catalog).id, head="keep", version=1_000_000,
        signals_version=SIGNALS_VERSION,
    )  # fmt: skip
    done = sum(len(head.probabilities(chunk.vectors, chunk.signals)) for chunk in chunks)
    expect(done == photos, f"{done} of {photos} vectors were read")


def _scores(session: Session) -> tuple[list[str], NDArray[np.float64]]:
    rows = session.catalog.conn.execute("SELECT content_key, probabilities FROM scores ORDER BY rowid").fetchall()
    return [row[0] for row in rows], np.stack([np.frombuffer(row[1], "<f4") for row in rows]).astype(np.float64)


def _write(session: Session, keys: list[str], probabilities: NDArray[np.float64]) -> None:
    with session.catalog.db.atomic():
        scores.store(session.catalog, "keep", 1_000_000, keys, probabilities)


def _medians(name: str, taken: Sequence[Taken]) -> dict[str, float]:
    return {
        f"{name}_s": statistics.median(one.wall_s for one in taken),
        f"{name}_cpu_s": statistics.median(one.cpu_s for one in taken),
    }


if __name__ == "__main__":
    main()
