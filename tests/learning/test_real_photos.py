"""On real photos with a real backbone: few labels are enough for a useful order, and its probabilities hold."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from keeprate.embedding.embedder import ModelSpec, load_embedder
from keeprate.learning.fitting import train
from keeprate.learning.heads import Head
from keeprate.learning.metrics import calibration_error, roc_auc
from keeprate.pictures.decoding import open_picture
from support.synthetic_labels import dataset_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_hundred_labels_tell_hot_dogs(shared_photos: Path, shared_models: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra `models`")
    vectors, indices = embedded(shared_photos / "hotdog", shared_models / "mobilenetv2-224")
    aucs, errors = [], []
    for draw in range(3):
        generator = np.random.default_rng(draw)
        chosen = np.concatenate([generator.permutation(np.flatnonzero(indices == side))[:50] for side in (0, 1)])
        rest = np.setdiff1d(np.arange(len(indices)), chosen)
        head = trained(vectors[chosen], indices[chosen])
        probabilities = head.probabilities(vectors[rest])
        aucs.append(roc_auc(probabilities[:, 0], indices[rest] == 0))
        errors.append(calibration_error(probabilities, indices[rest]))
    assert np.mean(aucs) >= 0.97
    assert np.mean(errors) <= 0.07


def embedded(folder: Path, model: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
    embedder = load_embedder(ModelSpec("mobilenetv2", str(model), None, None), device="cpu", threads=1)
    paths = sorted(folder.glob("*/*.jp*g"))
    assert len(paths) == 400
    vectors = []
    for start in range(0, len(paths), 8):  # more at once take memory so large that the system clears it each time
        images = [
            open_picture(path, shortest_edge=embedder.shortest_edge, max_pixels=10**8).image
            for path in paths[start : start + 8]
        ]
        vectors.append(embedder.embed([embedder.prepare(image) for image in images]))
    indices = np.array([path.parent.name != "hot_dog" for path in paths]).astype(np.intp)
    return np.concatenate(vectors), indices


def trained(vectors: npt.NDArray[np.float32], indices: npt.NDArray[np.intp]) -> Head:
    dataset = dataset_of(vectors, indices)
    at = datetime(2025, 1, 2, tzinfo=UTC)
    return train(dataset, head_name="keep", version=1, model_fingerprint="model1", trained_at=at, seed=0).head
