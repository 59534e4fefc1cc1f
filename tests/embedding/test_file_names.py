from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from keeprate.embedding.embedder import ModelSpec
from keeprate.embedding.file_names import FileNameEncoder, words_of
from keeprate.errors import ModelError
from support.tiny_models import save_tiny, save_tokenizer

pytest.importorskip("transformers")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/photos/2024/Beach_at-sunset.JPG", "beach at sunset"),
        ("IMG_0001.jpg", "img 0001"),
        ("Möwe (2).v1.jpeg", "möwe 2 v1"),
        ("/x/___.png", ""),
        ("/x/M\udcf6we.jpg", "m we"),
    ],
)
def test_words_of_a_name(path: str, words: str) -> None:
    assert words_of(path) == words


@pytest.mark.parametrize(("family", "dimension"), [("clip", 24), ("siglip", 48), ("siglip2", 48)])
def test_names_become_vectors_of_the_text_half(tmp_path: Path, family: str, dimension: int) -> None:
    folder = save_tiny(family, tmp_path / family)
    save_tokenizer(folder)
    encoder = FileNameEncoder(ModelSpec("tiny", str(folder)))
    assert encoder.dimension == dimension
    texts = ["beach at sunset", "cat", "", "x" * 500]
    vectors = encoder.encode(texts)
    assert vectors.shape == (4, dimension)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert not np.allclose(vectors[0], vectors[1])
    for text, vector in zip(texts, vectors, strict=True):  # whatever else is in the batch
        np.testing.assert_array_equal(encoder.encode([text])[0], vector)
    again = FileNameEncoder(ModelSpec("other name", str(folder)))
    assert again.fingerprint("pictures") == encoder.fingerprint("pictures") != encoder.fingerprint("other pictures")


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_it_is_what_the_whole_model_says_of_the_text(tmp_path: Path, family: str) -> None:
    import torch
    from transformers import AutoModel, PreTrainedTokenizerFast

    folder = save_tiny(family, tmp_path / family)
    save_tokenizer(folder)
    model, tokenizer = AutoModel.from_pretrained(folder), PreTrainedTokenizerFast.from_pretrained(folder)
    padding = {"padding": "max_length", "max_length": 64} if family == "siglip" else {}
    tokens = tokenizer("red cat", return_tensors="pt", **padding)
    with torch.inference_mode():
        expected = model.get_text_features(input_ids=tokens["input_ids"])
    expected = getattr(expected, "pooler_output", expected).numpy()
    found = FileNameEncoder(ModelSpec("tiny", str(folder))).encode(["red cat"])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["SiglipTokenizer", "CLIPTokenizer", "Siglip2Tokenizer", "GemmaTokenizer"])
def test_tokenizers_as_the_published_models_name_them(tmp_path: Path, kind: str) -> None:
    folder = save_tiny("siglip", tmp_path / "siglip")
    save_tokenizer(folder, kind)
    assert FileNameEncoder(ModelSpec("tiny", str(folder))).dimension == 48


def test_models_of_pictures_only_are_refused(tmp_path: Path) -> None:
    for spec in (ModelSpec("dino", str(save_tiny("dinov2", tmp_path / "dino"))), ModelSpec("builtin", "builtin")):
        with pytest.raises(ModelError, match="pictures only"):
            FileNameEncoder(spec)
    with pytest.raises(ModelError, match="vocabulary"):
        FileNameEncoder(ModelSpec("clip", str(save_tiny("clip", tmp_path / "clip"))))
