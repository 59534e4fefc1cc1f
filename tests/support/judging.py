"""A head in use without a training, and a worker without a process: for tests of what heads say about files."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from keeprate.catalog import embeddings, heads, models
from keeprate.catalog.heads import HeadVersion
from keeprate.learning.calibration import Calibration
from keeprate.learning.classifiers import LinearClassifier
from keeprate.learning.heads import save_head
from keeprate.steps.session import Reporter, Session
from keeprate.steps.tasks import LookAtOutcome, LookAtTask, Outcome, Task
from keeprate.steps.worker import perform
from keeprate.steps.worker_client import WorkerClient
from support.made_heads import made_head
from support.photos import write_photos


class WorkerWithoutProcess(WorkerClient):
    """Does the real work, here."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.tasks: list[Task] = []

    def run(self, task: Task, reporter: Reporter) -> Outcome:
        self.tasks.append(task)
        return perform(task, self._session, lambda subjects: None)


def put_head(
    session: Session,
    folder: Path,
    *,
    buckets: tuple[str, str] = ("keep", "delete"),
    threshold: float = 0.5,
    dimension: int | None = None,
    version: int = 1,
) -> HeadVersion:
    """Put a head into use whose first bucket is for sharp photos; made from four of each kind, written to `folder`."""
    sharp = write_photos(folder / "sharp", range(900, 904))
    blurred = write_photos(folder / "blurred", range(910, 914), sharp=False)
    outcome = WorkerWithoutProcess(session).run(LookAtTask(tuple(map(str, sharp + blurred))), Reporter())
    assert isinstance(outcome, LookAtOutcome)
    model = models.active(session.catalog)
    found = embeddings.vectors_of(session.catalog, model.id, outcome.content_keys)
    vectors = np.stack([found[key] for key in outcome.content_keys])
    first, second = vectors[:4].mean(axis=0), vectors[4:].mean(axis=0)
    between = first - second
    width = dimension or len(between)
    weights = np.zeros((width, 2), np.float32)
    weights[: len(between), 0] = (8 / (between @ between) * between)[:width]
    head = made_head(
        name="keep", buckets=buckets, mean=np.resize((first + second) / 2, width).astype(np.float32),
        scale=np.ones(width, np.float32), classifier=LinearClassifier(weights, np.zeros(2, np.float32)),
        calibration=Calibration(1.0, (0.0, 0.0)), threshold=threshold, dimension=width, signal_count=0,
        signals_version=None, model_fingerprint=model.fingerprint, version=version,
    )  # fmt: skip
    session.home.heads_dir.mkdir(parents=True, exist_ok=True)
    save_head(head, session.home.heads_dir / f"keep-{version}.safetensors")
    made = HeadVersion(
        head="keep", version=version, trained_at=time.time(), kind="logistic", buckets=buckets,
        label_counts=dict.fromkeys(buckets, 4), label_hash="", model_id=model.id,
        fingerprint=model.fingerprint or "", threshold=threshold, metrics={}, file=f"keep-{version}.safetensors",
        in_use=True, reason="made for a test",
    )  # fmt: skip
    heads.add(session.catalog, made)
    return made
