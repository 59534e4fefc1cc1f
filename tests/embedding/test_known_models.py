"""The table of models."""

from __future__ import annotations

import pytest

from keeprate.embedding.known_models import KNOWN_MODELS, known_model

REQUIRED = [
    ("clip-vit-b", "openai/clip-vit-base-patch32", 512, 2),
    ("clip-vit-l", "openai/clip-vit-large-patch14", 768, 3),
    ("siglip-b", "google/siglip-base-patch16-224", 768, 3),
    ("siglip-so", "google/siglip-so400m-patch14-384", 1152, 4.5),
    ("dinov2-s", "facebook/dinov2-small", 384, 1.5),
    ("dinov2-b", "facebook/dinov2-base", 768, 3),
    ("dinov2-l", "facebook/dinov2-large", 1024, 4),
]


@pytest.mark.parametrize(("name", "path", "dimension", "cache_mb"), REQUIRED)
def test_the_reference_table(name: str, path: str, dimension: int, cache_mb: float) -> None:
    model = known_model(name)
    assert model is not None
    assert (model.path, model.dimension) == (path, dimension)
    assert model.cache_mb_per_1000 == pytest.approx(cache_mb, abs=0.2)


def test_names_and_paths_are_unique_and_rows_complete() -> None:
    assert len({model.name for model in KNOWN_MODELS}) == len({model.path for model in KNOWN_MODELS}) == 12
    assert all(model.download_mb > 0 and model.remark for model in KNOWN_MODELS)


def test_an_unknown_name_is_none() -> None:
    assert known_model("nonesuch") is None


def test_dimensions_are_those_of_the_published_configs() -> None:
    """The classes that load these models have the published numbers as defaults where the model is the default."""
    transformers = pytest.importorskip("transformers")
    defaults = {
        "clip-vit-b": transformers.CLIPVisionConfig().projection_dim,
        "siglip-b": transformers.SiglipVisionConfig().hidden_size,
        "dinov2-b": transformers.Dinov2Config().hidden_size,
        "dinov3-s": transformers.DINOv3ViTConfig().hidden_size,
        "vit-b": transformers.ViTConfig().hidden_size,
        "convnext-t": transformers.ConvNextConfig().hidden_sizes[-1],
    }
    for name, dimension in defaults.items():
        model = known_model(name)
        assert model is not None
        assert model.dimension == dimension, name
