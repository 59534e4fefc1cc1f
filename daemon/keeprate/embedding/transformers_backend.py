"""The backend for Hugging Face image models: prepares pictures, chooses device and precision, embeds.

torch is imported inside functions only: this module is loaded in the worker, never in the resident daemon.
Where weights come from is `model_loading`'s business.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keeprate.embedding.embedder import Embedder, ModelSpec, Pixels, Vectors
from keeprate.embedding.model_loading import (
    Pooling,
    VisionModel,
    load_vision_model,
    pooling_without_pooler,
)
from keeprate.embedding.preprocessing import Recipe, matches, recipe_of, synthetic_picture
from keeprate.errors import ModelError

if TYPE_CHECKING:
    import torch

_VERSION = 1
"""Part of the fingerprint: raise it when the same model would give other vectors than before."""

_PRECISIONS = ("float32", "bfloat16", "float16")

_MIN_COSINE = 0.9995
"""How close the vectors of a faster precision must be to those of float32."""

_SLOW_S = 0.4
"""A model that needs longer for one picture is not timed in each precision: a single product must tell."""


def load_transformers_embedder(spec: ModelSpec, *, device: str, precision: str, threads: int) -> Embedder:
    """Load `spec` and choose device and precision; see `embedder.load_embedder`."""
    if precision not in ("auto", *_PRECISIONS):
        raise ModelError(f"there is no precision {precision!r}", advice=f"Choose auto, {', '.join(_PRECISIONS)}.")
    model = load_vision_model(spec)  # first, for it says so if torch is not installed
    chosen_device = _device(device)
    import torch

    torch.set_num_threads(1 if chosen_device == "cpu" else threads)
    embedder = TransformersEmbedder(model, device=chosen_device)
    if precision != "auto":
        embedder.convert(precision)
        return embedder
    # float32 itself may take the faster products: vectors stay the same to five digits
    torch.set_float32_matmul_precision("medium")
    for candidate in _candidates(chosen_device):
        if embedder.adopt(candidate):
            return embedder
        # converting rounded the weights in place (never two copies in memory): start again from the files
        embedder = TransformersEmbedder(load_vision_model(spec), device=chosen_device)
    return embedder


class TransformersEmbedder:
    """An embedder over one loaded model. Thread-safe once its precision is chosen."""

    def __init__(self, model: VisionModel, *, device: str) -> None:
        """Move the model to `device`, derive its preprocessing, and probe it for the length of its vectors."""
        self.device = device
        self.precision = "float32"
        self.concurrent = device == "cpu"
        self._processor = model.processor
        self._pooling = model.pooling
        self._recipe = _trusted_recipe(model.processor)
        self.shortest_edge = _shortest_edge(model.processor, self._recipe)
        self._network = model.network.to(device)
        self._forward = _forward_of(self._network, model.pooling)
        self._accepted = frozenset(inspect.signature(self._forward).parameters)
        landscape, portrait = (self.prepare(synthetic_picture(*size, seed=0)) for size in ((320, 240), (240, 330)))
        started = time.perf_counter()
        probe = self._probe(landscape)
        self._slow = time.perf_counter() - started > _SLOW_S
        self._in_batches = self._recipe is not None or self._can_batch(landscape, portrait, probe)
        self.dimension = int(probe.shape[1])
        self.fingerprint = self._fingerprint_of(model.weights_digest)

    def prepare(self, image: Image.Image) -> Pixels:
        """Resize and crop; an unusual processor gets the whole picture, at most at twice its size."""
        if self._recipe is not None:
            return self._recipe.pixels(image)
        excess = min(image.size) / (2 * self.shortest_edge)
        if excess > 1:
            size = (max(1, round(image.width / excess)), max(1, round(image.height / excess)))
            image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
        return np.asarray(image.convert("RGB"))

    def embed(self, pixels: Sequence[Pixels]) -> Vectors:
        """Vectors of prepared pictures, (n, dimension) float32."""
        if not pixels:
            return np.empty((0, self.dimension), np.float32)
        if self._in_batches:
            return self._vectors(pixels)
        return np.concatenate([self._vectors([picture]) for picture in pixels])

    def convert(self, precision: str) -> None:
        """Turn the weights into `precision`, in place."""
        import torch

        self._network.to(getattr(torch, precision))
        self.precision = precision

    def adopt(self, precision: str) -> bool:
        """Convert to `precision` and say whether that was worth it: close to float32 and, on a CPU, faster.

        After False the embedder is spent, its weights are rounded.
        """
        pictures = [self.prepare(synthetic_picture(640, 480, seed)) for seed in range(1 if self._slow else 2)]
        expected = self.embed(pictures)
        timed = self.concurrent and not self._slow
        before_s = _best_s(self.embed, pictures) if timed else math.inf
        self.convert(precision)
        vectors = self.embed(pictures)
        if not np.isfinite(vectors).all() or _min_cosine(vectors, expected) < _MIN_COSINE:
            return False
        return not timed or _best_s(self.embed, pictures) < before_s

    def _probe(self, picture: Pixels) -> Vectors:
        """One picture through everything: a model that cannot do that is refused now, not in the middle of a run."""
        try:
            return self._vectors([picture])
        except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            reason = str(error).strip().split("\n")[0]
            raise ModelError(
                f"the model cannot embed a picture: {type(error).__name__}: {reason}",
                advice="Choose another model, or another device or precision.",
            ) from error

    def _can_batch(self, first: Pixels, second: Pixels, expected: Vectors) -> bool:
        """Whether an unusual processor makes one batch of pictures of two shapes, without harm to either."""
        try:
            together = self._vectors([first, second])
        except (RuntimeError, ValueError, TypeError):
            return False
        return _min_cosine(together[:1], expected) >= _MIN_COSINE

    def _vectors(self, pixels: Sequence[Pixels]) -> Vectors:
        """The vectors of one batch."""
        import torch

        with torch.inference_mode():
            inputs = self._processed(pixels) if self._recipe is None else self._normalised(pixels)
            vectors: Vectors = self._pooled(self._forward(**inputs)).float().cpu().numpy()
        if vectors.ndim != 2 or len(vectors) != len(pixels):
            raise ModelError(
                f"the model gives an array of the shape {vectors.shape} for {len(pixels)} "
                "pictures instead of one vector each",
                advice="Choose a model with a pooled output.",
            )
        return vectors

    def _normalised(self, pixels: Sequence[Pixels]) -> dict[str, Any]:
        """The batch by the recipe: one copy to the device as bytes, one multiplication and addition there."""
        import torch

        recipe = self._recipe
        assert recipe is not None  # noqa: S101 - the caller has looked
        batch = torch.from_numpy(np.stack(pixels)).to(self.device).permute(0, 3, 1, 2).float()
        scale = torch.tensor(recipe.scale, device=self.device).view(1, 3, 1, 1)
        shift = torch.tensor(recipe.shift, device=self.device).view(1, 3, 1, 1)
        return {"pixel_values": batch.mul_(scale).add_(shift).to(getattr(torch, self.precision)).contiguous()}

    def _processed(self, pixels: Sequence[Pixels]) -> dict[str, Any]:
        """The batch by the model's own image processor, with everything that the model takes of it."""
        import torch

        images = [Image.fromarray(picture) for picture in pixels]
        made = self._processor(images=images, return_tensors="pt")
        inputs = {}
        for name, tensor in made.items():
            if name in self._accepted:
                floating = torch.is_floating_point(tensor)
                inputs[name] = tensor.to(self.device, getattr(torch, self.precision) if floating else tensor.dtype)
        return inputs

    def _pooled(self, output: Any) -> torch.Tensor:
        """One vector a picture from whatever the model gives, (n, dimension)."""
        if self._pooling is Pooling.PROJECTED:
            # a tensor up to transformers 4, an output with the projection as its pooler_output since
            vectors = getattr(output, "image_embeds", None)
            if vectors is None:
                vectors = getattr(output, "pooler_output", output)
        elif self._pooling is Pooling.POOLER:
            vectors = getattr(output, "pooler_output", None)
            if vectors is None:
                self._pooling = pooling_without_pooler(self._network)
                return self._pooled(output)
        elif self._pooling is Pooling.FIRST_TOKEN:
            vectors = output.last_hidden_state[:, 0]
        else:
            vectors = output.last_hidden_state
            if vectors.ndim == 3:
                vectors = vectors.mean(dim=1)
        return vectors.mean(dim=(2, 3)) if vectors.ndim == 4 else vectors

    def _fingerprint_of(self, weights_digest: str) -> str:
        preparation = self._recipe if self._recipe is not None else self._processor.to_json_string()
        facts = f"transformers {_VERSION} {weights_digest} {preparation!r} {self._pooling} float"
        return hashlib.blake2b(facts.encode(), digest_size=8).hexdigest()


def _forward_of(network: Any, pooling: Pooling) -> Any:
    """What to call with a batch: the model, or its picture half where it has two."""
    if pooling is Pooling.PROJECTED and hasattr(network, "get_image_features"):
        return network.get_image_features
    return network.forward


def _trusted_recipe(processor: Any) -> Recipe | None:
    """The processor's recipe, or None where only the processor itself gives what the model was trained on."""

    def reference(image: Image.Image) -> NDArray[np.float32]:
        return np.asarray(processor(images=image, return_tensors="np")["pixel_values"][0], np.float32)

    recipe = recipe_of(processor)
    return recipe if recipe is not None and matches(recipe, reference) else None


def _shortest_edge(processor: Any, recipe: Recipe | None) -> int:
    """How large a picture must be before preparation, shortest edge in pixels."""
    if recipe is not None:
        return recipe.shortest_edge
    patches = getattr(processor, "max_num_patches", None)
    if patches:  # SigLIP 2 with any aspect ratio: as many patches as fit
        return int(math.sqrt(patches) * _edge_of(processor.patch_size))
    size = getattr(processor, "size", None) or {}
    return max((_edge_of(value) for value in dict(size).values() if value), default=224)


def _edge_of(size: Any) -> int:
    return int(max(size.values())) if hasattr(size, "values") else int(size)


def _device(wanted: str) -> str:
    """The torch device to use: the wanted one if it is there, for `auto` the best."""
    import torch

    if wanted == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=wanted)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ModelError(
            f"the device {wanted} cannot be used: {reason}", advice="Set embedding.device to auto or cpu."
        ) from error
    return wanted


def _candidates(device: str) -> tuple[str, ...]:
    """Faster precisions to try, best first; float32 stays if none is good enough."""
    kind = device.split(":")[0]
    if kind == "cpu":
        return ("bfloat16",) if _cpu_is_faster_in_bfloat16() else ()
    # float16 is the more exact one, bfloat16 the one that does not overflow
    return ("float16", "bfloat16") if kind == "cuda" else ("float16",)


def _cpu_is_faster_in_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16 (AVX512-BF16, AMX, Arm's BF16): a product tells in 50 ms."""
    import torch

    def best_s(dtype: torch.dtype) -> float:
        left, right = torch.ones(256, 768, dtype=dtype), torch.ones(768, 1024, dtype=dtype)
        return _best_s(torch.mm, left, right)

    return best_s(torch.bfloat16) < best_s(torch.float32)


def _best_s(work: Callable[..., object], *arguments: Any) -> float:
    """Seconds that a call takes at best: of three, for other programs run beside us."""
    best = math.inf
    for _ in range(3):
        started = time.perf_counter()
        work(*arguments)
        best = min(best, time.perf_counter() - started)
    return best


def _min_cosine(first: Vectors, second: Vectors) -> float:
    """The smallest cosine between rows of the same index."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float((np.sum(first * second, axis=1) / np.maximum(lengths, 1e-12)).min())
