"""`model` in our spelling and in headmaster's (H5–H12)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.commands import answer, keeprate, run
from support.made_pictures import scene


def test_headmasters_quick_start_is_understood_word_for_word() -> None:
    keeprate("model-add", "--name", "clip-vit-l", "--path", "openai/clip-vit-large-patch14", "--dim", "768")
    keeprate("model", "add", "dinov2-s")
    keeprate("model-activate", "--name", "clip-vit-l")
    found = {model["name"]: (model["path"], model["embed_dim"], model["active"]) for model in answer("model", "list")}
    assert found["clip-vit-l"] == ("openai/clip-vit-large-patch14", 768, True)
    assert found["dinov2-s"] == ("facebook/dinov2-small", 384, False)
    assert "clip-vit-l" in keeprate("model-list")
    keeprate("model-remove", "--name", "clip-vit-l")
    assert [model["name"] for model in answer("model", "list")] == ["builtin", "dinov2-s"]
    assert "model-add" not in keeprate("--help")
    assert run("model", "activate").code == 2
    assert run("model", "activate", "dinov2-s", "--name", "builtin").code == 2


def test_the_known_models_are_headmasters_table() -> None:
    known = {one["name"]: one for one in answer("model", "list", "--known")}
    expected = {
        "clip-vit-b": ("openai/clip-vit-base-patch32", 512, 2.0),
        "clip-vit-l": ("openai/clip-vit-large-patch14", 768, 3.1),
        "siglip-b": ("google/siglip-base-patch16-224", 768, 3.1),
        "siglip-so": ("google/siglip-so400m-patch14-384", 1152, 4.6),
        "dinov2-s": ("facebook/dinov2-small", 384, 1.5),
        "dinov2-b": ("facebook/dinov2-base", 768, 3.1),
        "dinov2-l": ("facebook/dinov2-large", 1024, 4.1),
    }
    for name, (path, dimension, cache) in expected.items():
        one = known[name]
        assert (one["path"], one["dimension"], round(one["cache_mb_per_1000"], 1)) == (path, dimension, cache)
        assert one["download_mb"] > 0
        assert one["remark"]
    assert "Cache/1k photos" in keeprate("model", "list", "--known")


def test_a_model_of_another_length_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from support.tiny_models import save_tiny

    model = save_tiny("siglip2", tmp_path / "tiny")
    bucket = tmp_path / "workspace" / "heads" / "h" / "a"
    bucket.mkdir(parents=True)
    scene(64, 64).save(bucket / "1.jpg")
    within = ("--workspace", tmp_path / "workspace")
    keeprate(*within, "model", "add", "tiny", "--path", model, "--dim", "512")
    keeprate(*within, "model", "activate", "tiny")
    done = run(*within, "embed")
    assert done.code == 1
    assert "tiny" in done.err
    assert "48 numbers" in done.err
    assert "registered with 512" in done.err
    assert "Traceback" not in done.err
