"""The embedder that needs nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from keeprate.embedding.builtin import BuiltinEmbedder
from keeprate.embedding.embedder import ModelSpec, load_embedder
from keeprate.embedding.preprocessing import synthetic_picture
from keeprate.errors import ModelError

Vector = NDArray[np.float32]


def vector(image: Image.Image) -> Vector:
    embedder = BuiltinEmbedder()
    row: Vector = embedder.embed([embedder.prepare(image)])[0]
    return row


def cosine(first: Vector, second: Vector) -> float:
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_it_is_loaded_by_its_path_and_checked_like_any_other() -> None:
    embedder = load_embedder(ModelSpec("builtin", "builtin", embed_dim=901))
    assert (embedder.dimension, embedder.device, embedder.precision, embedder.concurrent) == (
        901,
        "cpu",
        "float32",
        True,
    )
    with pytest.raises(ModelError, match=r"901 numbers.* with 512"):
        load_embedder(ModelSpec("builtin", "builtin", embed_dim=512))


def test_neither_torch_nor_transformers_nor_scikit_learn_is_imported() -> None:
    script = (
        "import sys, numpy; from PIL import Image;"
        "import keeprate.embedding.pipeline, keeprate.embedding.transformers_backend, keeprate.embedding.known_models;"
        "from keeprate.embedding.embedder import *;"
        "embedder = load_embedder(ModelSpec('builtin', 'builtin'));"
        "embedder.embed([embedder.prepare(Image.new('RGB', (300, 200)))]);"
        "print(*{'torch', 'transformers', 'sklearn', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_vectors_are_the_same_in_every_process_and_batch() -> None:
    """A change of these numbers needs a new `_VERSION`: vectors in people's catalogs would no longer compare."""
    embedder = BuiltinEmbedder()
    pictures = [embedder.prepare(synthetic_picture(200, 150, seed)) for seed in range(3)]
    together = embedder.embed(pictures)
    assert together.dtype == np.float32
    for row, picture in zip(together, pictures, strict=True):
        np.testing.assert_array_equal(embedder.embed([picture])[0], row)
    assert embedder.fingerprint == FINGERPRINT
    np.testing.assert_allclose(together[0][[0, 100, 400, 500, 641, 700, 780, 830, 900]], NUMBERS, atol=2e-4)


FINGERPRINT = "cf31c96a253f4115"
NUMBERS = [0.03788, 0.03882, 0.05225, 0.05081, 0.087, 0.0, 0.11583, 0.01639, 0.10381]


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGB", (64, 64)),
        Image.new("RGB", (64, 64), "white"),
        Image.new("L", (1, 1)),
        Image.new("RGB", (4000, 2)),
    ],
)
def test_flat_and_odd_pictures_give_finite_vectors(image: Image.Image) -> None:
    assert np.isfinite(vector(image)).all()


def test_no_block_outweighs_the_others() -> None:
    lengths = [
        np.linalg.norm(block) for block in np.split(vector(synthetic_picture(400, 300, 1)), [384, 640, 768, 827])
    ]
    assert all(0.2 < length < 3 for length in lengths), lengths


# a change that is to be seen, by more than re-encoding and resizing are
CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(6)),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.3),
    "upside down": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "flat contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.3),
    "another hue": lambda image: Image.merge("RGB", image.split()[::-1]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_it_sees_what_changes_a_photo_and_hardly_what_does_not(name: str) -> None:
    photo = synthetic_picture(900, 700, 3)
    original = vector(photo)
    smaller = vector(photo.resize((450, 350), Image.Resampling.LANCZOS))
    assert cosine(original, smaller) > 0.99
    assert cosine(original, vector(CHANGES[name](photo))) < cosine(original, smaller) - 0.005


@pytest.mark.slow
def test_it_beats_a_colour_histogram_on_real_photos(shared_photos: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    embedder = BuiltinEmbedder()
    vectors: list[Vector] = []
    histograms: list[Vector] = []
    labels: list[str] = []
    for path in sorted((shared_photos / "hotdog").glob("*/*.jpg"))[::2]:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        vectors.append(embedder.embed([embedder.prepare(image)])[0])
        hsv = np.asarray(image.resize((128, 128)).convert("HSV")).reshape(-1, 3)
        counts, _ = np.histogramdd(hsv, bins=(8, 4, 4), range=((0, 256),) * 3)
        histograms.append(np.sqrt(counts.ravel() / len(hsv)).astype(np.float32))
        labels.append(path.parent.name)
    assert len(labels) == 200

    def accuracy(features: list[Vector]) -> float:
        model = LogisticRegression(C=10, max_iter=2000)
        return float(cross_val_score(model, np.array(features), labels, cv=5).mean())

    assert accuracy(vectors) > accuracy(histograms) + 0.03
