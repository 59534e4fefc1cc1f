"""File names as words, in the space that CLIP and SigLIP share between pictures and texts. Off unless asked for.

Who gives photos telling names may want them to count: `keeprate model add NAME --file-names`. The words of the name go
through the model's text half, and the vector that it gives is appended to that of the picture. It is another model than
the one without names, with vectors of its own, so that changing one's mind costs nothing and photos that are deleted
since go on teaching. A rename changes the vector and the score; the words that were encoded are kept with it.

torch is imported inside functions only: this module is loaded in the worker.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, Final

import numpy as np

from keeprate.embedding.embedder import BUILTIN, ModelSpec, Vectors
from keeprate.embedding.model_loading import load_text_tower
from keeprate.errors import ModelError

WARNING: Final = "file names are encoded with the pictures: renaming a photo changes its score"

PREFIX: Final = "file-names:"
"""What the path of a model begins with, in the registry, if file names are encoded too."""

_SEPARATORS: Final = re.compile(r"[\W_]+")


def encodes_names(path: str) -> bool:
    """Whether a registered model's path asks for file names."""
    return path.startswith(PREFIX)


def picture_path(path: str) -> str:
    """A registered model's path without that."""
    return path.removeprefix(PREFIX)


def words_of(path: str) -> str:
    """The words of a file's name in small letters: no folder, no ending, separators as single spaces."""
    name = PurePath(path).stem.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return _SEPARATORS.sub(" ", name).strip().lower()


class FileNameEncoder:
    """The text half of one model. Not thread-safe; runs on the CPU, beside the picture half."""

    def __init__(self, spec: ModelSpec) -> None:
        """Load it.

        Raises:
            ModelError: the model looks at pictures only, or it cannot be loaded.
        """
        tower = None if spec.path == BUILTIN else load_text_tower(spec)
        if tower is None:
            raise ModelError(
                f"the model {spec.name} ({spec.path}) looks at pictures only: file names cannot be encoded with it",
                advice="Add it without --file-names, or choose a CLIP or SigLIP model.",
            )
        self._tower = tower
        cat, dog = self.encode(["cat", "dog"])
        if np.array_equal(cat, dog):  # transformers makes do without a vocabulary
            raise ModelError(
                f"the model {spec.name} ({spec.path}) comes without the vocabulary of its text half",
                advice="Put the tokenizer files of the original model beside its config.json.",
            )
        self.dimension = len(cat)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) float32, as the model gives them: not normalised, as the pictures' are not.

        Names that are too long for the model are cut.
        """
        import torch

        with torch.inference_mode():
            # one at a time: the same numbers whatever else is in the batch
            rows = [_pooled(self._tower.network(**self._tokens(text))) for text in texts]
        return np.concatenate(rows) if rows else np.empty((0, self.dimension), np.float32)

    def fingerprint(self, of_pictures: str) -> str:
        """That of vectors whose first part has the fingerprint `of_pictures`; sixteen hex digits."""
        facts = f"file names 1 {of_pictures} {self._tower.weights_digest}"
        return hashlib.blake2b(facts.encode(), digest_size=8).hexdigest()

    def _tokens(self, text: str) -> dict[str, Any]:
        tower = self._tower
        padding = "max_length" if tower.padded else False
        made = tower.tokenizer(text, padding=padding, truncation=True, max_length=tower.max_length, return_tensors="pt")
        return {"input_ids": made["input_ids"]}  # alone, nothing is to be masked; SigLIP was trained without a mask


def _pooled(output: Any) -> Vectors:
    vectors = getattr(output, "text_embeds", None)
    vectors = output.pooler_output if vectors is None else vectors
    found: Vectors = vectors.float().cpu().numpy()
    return found
