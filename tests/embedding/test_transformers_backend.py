"""Every model family through the real files and the real loading code."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from keeprate.embedding.embedder import Embedder, ModelSpec, Vectors, load_embedder
from keeprate.embedding.preprocessing import synthetic_picture
from keeprate.errors import ModelError
from support.tiny_models import FAMILIES, save_tiny

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

DIMENSIONS = {
    "clip": 24,  # the projection, not the 48 of the layers
    "siglip": 48,
    "siglip2": 48,
    "dinov2": 48,
    "dinov3": 48,
    "vit": 48,
    "vit-classifier": 48,
    "convnext": 48,
    "convnext-uncropped": 48,  # pictures of many shapes
    "mobilenet-v2": 1280,
    "resnet": 48,
    "efficientnet": 320,
    "swin": 48,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one saved model per family."""
    folder = tmp_path_factory.mktemp("models")
    for family in FAMILIES:
        save_tiny(family, folder / family)
    return folder


def load(folder: Path, *, precision: str = "float32", embed_dim: int | None = None) -> Embedder:
    return load_embedder(ModelSpec("tiny", str(folder), embed_dim), device="cpu", precision=precision)


def embedded(embedder: Embedder, count: int = 5) -> Vectors:
    pictures = [synthetic_picture(80 + 20 * seed, 90, seed) for seed in range(count)]
    return embedder.embed([embedder.prepare(picture) for picture in pictures])


@pytest.mark.parametrize("family", DIMENSIONS)
def test_each_family_gives_vectors_that_depend_on_the_picture_alone(models: Path, family: str) -> None:
    embedder = load(models / family)
    together = embedded(embedder)
    assert together.shape == (5, embedder.dimension) == (5, DIMENSIONS[family])
    assert together.dtype == np.float32
    alone = np.concatenate(
        [embedder.embed([embedder.prepare(synthetic_picture(80 + 20 * seed, 90, seed))]) for seed in range(5)]
    )
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    again = load(models / family)
    np.testing.assert_array_equal(together, embedded(again))
    assert again.fingerprint == embedder.fingerprint


# the tiny EfficientNet answers nothing but zeros, DINOv3's processor needs torchvision when used by hand
@pytest.mark.parametrize("family", sorted(DIMENSIONS.keys() - {"efficientnet", "dinov3"}))
def test_vectors_are_those_of_the_library_used_by_hand(models: Path, family: str) -> None:
    processor = transformers.AutoImageProcessor.from_pretrained(models / family, backend="pil")
    picture = synthetic_picture(75, 60, seed=7)  # small enough that nothing is reduced on the way
    inputs = processor(images=picture, return_tensors="pt")
    if family in ("clip", "siglip", "siglip2"):
        model = transformers.AutoModel.from_pretrained(models / family).eval()
        with torch.inference_mode():
            expected = model.get_image_features(**inputs).pooler_output
    else:
        model = transformers.AutoModel.from_pretrained(models / family).eval()
        with torch.inference_mode():
            output = model(**inputs)
        expected = output.last_hidden_state[:, 0] if family == "vit-classifier" else output.pooler_output.flatten(1)
    embedder = load(models / family)
    actual = embedder.embed([embedder.prepare(picture)])
    np.testing.assert_allclose(actual, expected.numpy(), rtol=0.05, atol=0.02)


def test_the_vectors_of_different_pictures_differ(models: Path) -> None:
    vectors = embedded(load(models / "dinov2"))
    differences = np.abs(vectors[:, None] - vectors[None]).max(axis=2)
    assert (differences[~np.eye(5, dtype=bool)] > 1e-3).all()


def test_only_the_vision_half_of_clip_is_loaded(models: Path) -> None:
    from keeprate.embedding.model_loading import load_vision_model

    names = [name for name, _ in load_vision_model(ModelSpec("clip", str(models / "clip"))).network.named_parameters()]
    assert names
    assert not [name for name in names if "text" in name]


def test_a_checkpoint_without_pooler_never_uses_random_weights(models: Path) -> None:
    """google/vit-base-patch16-224 is one: its vectors would change with every start."""
    first, second = load(models / "vit-classifier"), load(models / "vit-classifier")
    np.testing.assert_array_equal(embedded(first), embedded(second))
    assert first.fingerprint == second.fingerprint != load(models / "vit").fingerprint


def test_fingerprint_follows_weights_and_preprocessing_but_not_the_place(models: Path, tmp_path: Path) -> None:
    original = load(models / "vit").fingerprint
    assert len(original) == 16
    moved = tmp_path / "moved"
    shutil.copytree(models / "vit", moved)
    assert load(moved).fingerprint == original
    assert load(moved, precision="bfloat16").fingerprint == original

    description = moved / "preprocessor_config.json"
    text = description.read_text()
    description.write_text(json.dumps(json.loads(text) | {"image_mean": [0.4, 0.4, 0.4]}))
    assert load(moved).fingerprint != original

    description.write_text(text)
    model = transformers.ViTModel.from_pretrained(moved)
    with torch.no_grad():
        next(iter(model.parameters())).mul_(1.01)
    model.save_pretrained(moved)
    assert load(moved).fingerprint != original


def test_other_precisions_give_nearly_the_same_vectors(models: Path) -> None:
    exact, rounded = load(models / "siglip"), load(models / "siglip", precision="bfloat16")
    assert (exact.precision, rounded.precision) == ("float32", "bfloat16")
    first, second = embedded(exact), embedded(rounded)
    assert second.dtype == np.float32
    cosines = (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    assert cosines.min() > 0.999
    assert not np.array_equal(first, second)


def test_automatic_precision_is_close_to_float32(models: Path) -> None:
    chosen = load(models / "dinov2", precision="auto")
    assert chosen.precision in ("float32", "bfloat16")
    first, second = embedded(load(models / "dinov2")), embedded(chosen)
    cosines = (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    assert cosines.min() > 0.999


def test_many_threads_get_what_one_gets(models: Path) -> None:
    embedder = load(models / "clip")
    assert embedder.concurrent
    pictures = [embedder.prepare(synthetic_picture(99, 77, seed)) for seed in range(24)]
    with ThreadPoolExecutor(4) as threads:
        parts = list(threads.map(lambda start: embedder.embed(pictures[start : start + 3]), range(0, 24, 3)))
    np.testing.assert_allclose(np.concatenate(parts), embedder.embed(pictures), rtol=1e-4, atol=1e-5)


def test_nothing_in_gives_nothing_out(models: Path) -> None:
    assert load(models / "clip").embed([]).shape == (0, 24)


# what is wrong, how to make it so, what must be in the message
def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _no_processor(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()


def _cut_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)


def _text_for_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_text("no tensors here")


def _bad_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def _unknown_type(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "nonesuch"}')


def _other_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))


def _more_layers(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))


def _remote_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "nonesuch", "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text("raise SystemExit('code from a model folder ran')")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_empty, "config.json"),
        (_no_weights, "cannot be loaded"),
        (_no_processor, "does not say how pictures are prepared"),
        (_cut_weights, "cannot be loaded"),
        (_text_for_weights, "cannot be loaded"),
        (_bad_config, "cannot be loaded"),
        (_unknown_type, "cannot be loaded"),
        (_other_shape, "do not fit its config.json"),
        (_more_layers, "incomplete"),
        (_remote_code, "cannot be loaded"),
    ],
)
def test_a_damaged_folder_is_a_model_error(
    models: Path, tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(models / "vit", folder)
    damage(folder)
    with pytest.raises(ModelError, match=said) as caught:
        load(folder)
    assert caught.value.advice
    assert "\n" not in caught.value.what


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/nonexistent/model", "there is no model folder"),
        ("/" + "x" * 300, "cannot be read: File name too long"),
        ("./nonexistent", "there is no model folder"),
        ("a/b/c", "there is no model folder"),
        ("white space", "there is no model folder"),
        ("", "there is no model folder"),
        ("someone/nonesuch", "not on this machine"),
    ],
)
def test_a_model_that_is_not_there(path: str, said: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        load_embedder(ModelSpec("gone", path))
    if "nonesuch" in path:
        assert "hf download someone/nonesuch" in caught.value.advice


def test_a_model_of_texts_is_refused(models: Path) -> None:
    with pytest.raises(ModelError, match="bert, which gives no vectors of pictures"):
        load(models / "bert")


def test_a_wrong_dimension_names_both(models: Path) -> None:
    with pytest.raises(ModelError, match=r"24 numbers.* with 512") as caught:
        load(models / "clip", embed_dim=512)
    assert "--dim 24" in caught.value.advice
    assert load(models / "clip", embed_dim=24).dimension == 24


@pytest.mark.parametrize(("device", "precision"), [("nonesuch", "auto"), ("cuda:77", "auto"), ("cpu", "int3")])
def test_a_device_or_precision_that_is_not_there(models: Path, device: str, precision: str) -> None:
    with pytest.raises(ModelError, match=device if precision == "auto" else precision):
        load_embedder(ModelSpec("vit", str(models / "vit")), device=device, precision=precision)


def test_pickled_weights_are_read_without_running_them(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(models / "vit", folder)
    expected = embedded(load(folder))
    weights = transformers.ViTModel.from_pretrained(folder).state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    np.testing.assert_array_equal(embedded(load(folder)), expected)

    trap = tmp_path / "trap"

    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(trap),)

    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weights": Hostile()}))
    with pytest.raises(ModelError):
        load(folder)
    assert not trap.exists()


def test_without_torch_the_extra_is_named(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError) as caught:
        load(models / "vit")
    assert "pip install 'keeprate[models]'" in caught.value.advice


def test_loading_is_silent(models: Path) -> None:
    script = (
        "import sys; from keeprate.embedding.embedder import *;"
        "[load_embedder(ModelSpec('m', path)) for path in sys.argv[1:]]"
    )
    folders = [str(models / family) for family in ("clip", "vit-classifier", "siglip2", "dinov3")]
    done = subprocess.run([sys.executable, "-c", script, *folders], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr == ""


@pytest.mark.parametrize(("name", "dimension"), [("mobilenetv2-224", 1280), ("mobilenetv1-128", 256)])
def test_real_backbones_tell_cats_from_dogs(
    shared_models: Path, shared_photos: Path, name: str, dimension: int
) -> None:
    from keeprate.pictures.decoding import open_picture

    embedder = load(shared_models / name, embed_dim=dimension)
    classes = []
    for label in ("cat", "dog"):
        photos = sorted((shared_photos / "dogs_cats" / label).glob("*.jpg"))[:24]
        pictures = [open_picture(path, shortest_edge=embedder.shortest_edge, max_pixels=10**8) for path in photos]
        vectors = embedder.embed([embedder.prepare(picture.image) for picture in pictures])
        classes.append(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    cats, dogs = classes
    direction = cats[:12].mean(axis=0) - dogs[:12].mean(axis=0)
    middle = direction @ (cats[:12].mean(axis=0) + dogs[:12].mean(axis=0)) / 2
    right = (cats[12:] @ direction > middle).sum() + (dogs[12:] @ direction < middle).sum()
    assert right >= 20  # of 24
