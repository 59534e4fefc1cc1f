"""Loading the vision half of a Hugging Face model (and the text half, for file names): safely, quietly, and with an
error that a person understands.

Only code that ships with transformers runs (`trust_remote_code` stays off) and pickles are read as weights
only. Nothing is printed. What the vectors are made from is decided here (`Pooling`), computing them is the
backend's.
"""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keeprate.embedding.embedder import ModelSpec
from keeprate.errors import ModelError
from keeprate.paths import expanded

if TYPE_CHECKING:
    import torch

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")

_VISION_TOWERS = {
    "clip": "CLIPVisionModelWithProjection",
    "siglip": "SiglipVisionModel",
    "siglip2": "Siglip2VisionModel",
}
"""Models of pictures and texts whose vision half can be loaded alone, without memory for the text half."""

_TEXT_TOWERS = {
    "clip": "CLIPTextModelWithProjection",
    "siglip": "SiglipTextModel",
    "siglip2": "Siglip2TextModel",
}
"""Their text halves; what they give lies in the same space as the vectors of pictures."""

_SAMPLE = 1024
"""Numbers of each weight that go into the fingerprint."""


class Pooling(StrEnum):
    """What of a model's output is the vector of a picture."""

    PROJECTED = "projected"
    """`image_embeds`, or what `get_image_features` gives: the space that pictures and texts share."""
    POOLER = "pooler"
    """`pooler_output`, spatial axes averaged."""
    FIRST_TOKEN = "first-token"  # noqa: S105 - no password
    """The class token of the last layer: for vision transformers whose checkpoint holds no pooler."""
    AVERAGE = "average"
    """The last layer averaged over its tokens or places."""


@dataclass(frozen=True, slots=True)
class VisionModel:
    """A loaded model (float32, on the CPU, in evaluation mode) with its image processor."""

    network: Any
    processor: Any
    pooling: Pooling
    weights_digest: str
    """Hex digest of a sample of every weight and of what else makes the vectors; the same for a moved folder.
    """


def load_vision_model(spec: ModelSpec) -> VisionModel:
    """Load weights and image processor of `spec`.

    Raises:
        ModelError: see `embedder.load_embedder`.
    """
    _require_libraries()
    location = _locate(spec.path)
    with quiet(), _explained(spec, location):
        import transformers

        config = transformers.AutoConfig.from_pretrained(location, revision=spec.revision, trust_remote_code=False)
        network_class = _vision_class(spec, config)
        processor = _load_processor(spec, location)
        network, missing = _load_network(spec, network_class, location, _tower_config(config))
        network.eval()
        pooling = _pooling(spec, network, missing)
        return VisionModel(network, processor, pooling, _digest(network, config, missing))


@dataclass(frozen=True, slots=True)
class TextTower:
    """The text half of a model (float32, on the CPU, in evaluation mode) with its tokenizer."""

    network: Any
    tokenizer: Any
    max_length: int
    """Tokens that a text may have."""
    padded: bool
    """Trained on texts padded to `max_length` and without a mask (SigLIP), so it must see them so."""
    weights_digest: str


def load_text_tower(spec: ModelSpec) -> TextTower | None:
    """Load the text half of `spec`; None if it looks at pictures only.

    Raises:
        ModelError: see `embedder.load_embedder`.
    """
    _require_libraries()
    location = _locate(spec.path)
    with quiet(), _explained(spec, location):
        import transformers

        options = {"revision": spec.revision} if spec.revision else {}
        config = transformers.AutoConfig.from_pretrained(location, trust_remote_code=False, **options)
        if config.model_type not in _TEXT_TOWERS:
            return None
        text_config = config.text_config
        if config.model_type == "clip":
            text_config.projection_dim = config.projection_dim
        network_class = getattr(transformers, _TEXT_TOWERS[config.model_type])
        tokenizer = _load_tokenizer(location, options)
        network, missing = _load_network(spec, network_class, location, text_config)
        if missing:
            raise ModelError(
                f"the weights of {spec.name} ({spec.path}) are incomplete: {len(missing)} of the text half are "
                f"missing, such as {min(missing)}",
                advice="Get a complete checkpoint; random weights would give meaningless vectors.",
            )
        network.eval()
        return TextTower(
            network=network,
            tokenizer=tokenizer,
            max_length=int(text_config.max_position_embeddings),
            padded=config.model_type != "clip",
            weights_digest=_digest(network, config, missing),
        )


def _load_tokenizer(location: str, options: dict[str, str]) -> Any:
    """The tokenizer; SigLIP's own class needs sentencepiece, but its file can be read without."""
    import transformers

    try:
        return transformers.AutoTokenizer.from_pretrained(location, trust_remote_code=False, **options)
    except ImportError:
        return transformers.PreTrainedTokenizerFast.from_pretrained(location, **options)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers, the hub's client and torch from writing to the terminal or calling home."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # else transformers asks the hub to convert pickled weights, in a thread of its own
    os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
    from huggingface_hub.utils.tqdm import disable_progress_bars
    from transformers.utils import logging

    disable_progress_bars()
    logging.disable_progress_bar()
    logging.set_verbosity(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _require_libraries() -> None:
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise ModelError(
            f"this model needs torch and transformers, of which at least one cannot be imported ({error})",
            advice=(
                "Install them with: pip install 'keeprate[models]', or use the model `builtin`, which needs neither."
            ),
        ) from error


def _locate(path: str) -> str:
    """A local folder made absolute, or a hub id as it is."""
    folder = expanded(path)
    try:
        is_folder = bool(path) and folder.is_dir()
        is_model = is_folder and (folder / "config.json").is_file()
    except OSError as error:  # such as a folder that we may not enter
        raise ModelError(
            f"the model folder {path!r} cannot be read: {error.strerror or error}",
            advice="Look at the permissions of the folder and of those above it.",
            path=folder,
        ) from error
    if is_folder:
        if not is_model:
            raise ModelError(
                f"the folder {folder} holds no model: there is no config.json in it",
                advice="Name the folder that save_pretrained() wrote.",
                path=folder,
            )
        return str(folder.absolute())
    looks_local = path.startswith(("/", "~", ".")) or "\\" in path or path.count("/") > 1
    if looks_local or not _HUB_ID.fullmatch(path):
        raise ModelError(
            f"there is no model folder {path!r}",
            advice="Name an existing folder, or a Hugging Face id such as openai/clip-vit-base-patch32.",
            path=folder,
        )
    return path


@contextmanager
def _explained(spec: ModelSpec, location: str) -> Iterator[None]:
    """Turn what the libraries raise into a ModelError: once, here.

    They raise nearly everything (OSError, ValueError, KeyError, UnpicklingError, SafetensorError …), hence
    the breadth.
    """
    try:
        yield
    except ModelError:
        raise
    except MemoryError as error:
        raise ModelError(
            f"there is not enough memory to load the model {spec.name} ({spec.path})",
            advice="Use a smaller model.",
        ) from error
    except Exception as error:
        reason = str(error).strip().split("\n")[0].rstrip(".")
        if Path(location).is_dir():
            raise ModelError(
                f"the model in {location} cannot be loaded: {type(error).__name__}: {reason}",
                advice="Save it again with save_pretrained(), with safetensors weights and its image processor.",
                path=Path(location),
            ) from error
        if not isinstance(error, OSError):
            raise ModelError(
                f"the model {spec.path} cannot be loaded: {type(error).__name__}: {reason}",
                advice="Choose another model, or delete its copy in the cache of Hugging Face and try again.",
            ) from error
        raise ModelError(
            f"the model {spec.path} is not on this machine and cannot be downloaded: {reason}",
            advice=f"Check the id and the network, or download it where there is one: hf download {spec.path}",
        ) from error


def _vision_class(spec: ModelSpec, config: Any) -> Any:
    """The class to load: the vision half where there are two, refused if the model does not look at pictures."""
    import transformers

    tower = _VISION_TOWERS.get(config.model_type)
    if config.model_type == "clip_vision_model" and "CLIPVisionModelWithProjection" in (config.architectures or ()):
        tower = "CLIPVisionModelWithProjection"
    if tower is not None:
        return getattr(transformers, tower)
    try:
        # AutoModel's own table, read before any weight is: a text model is refused without a download
        found = transformers.AutoModel._model_mapping[type(config)]
    except KeyError:
        raise _not_an_image_model(spec, config.model_type) from None
    network_class = found[0] if isinstance(found, (tuple, list)) else found
    reads_pictures = network_class.main_input_name == "pixel_values"
    if not reads_pictures and not hasattr(network_class, "get_image_features"):
        raise _not_an_image_model(spec, config.model_type)
    return network_class


def _tower_config(config: Any) -> Any:
    """The config of CLIP's vision half, or None where the one of the whole model will do.

    The width of the projection stands at the top of CLIP's config; some files do not repeat it below.
    """
    if config.model_type != "clip":
        return None
    config.vision_config.projection_dim = config.projection_dim
    return config.vision_config


def _not_an_image_model(spec: ModelSpec, kind: str) -> ModelError:
    return ModelError(
        f"the model {spec.name} ({spec.path}) is of the type {kind}, which gives no vectors of pictures",
        advice="Choose an image model: CLIP, SigLIP, DINOv2, ViT, ConvNeXt …",
    )


def _load_processor(spec: ModelSpec, location: str) -> Any:
    """The image processor, in its variant that works without torchvision."""
    import transformers

    options = {"revision": spec.revision} if spec.revision else {}
    try:
        return transformers.AutoImageProcessor.from_pretrained(
            location, backend="pil", trust_remote_code=False, **options
        )
    except (ImportError, OSError, ValueError, AttributeError) as error:
        described = _described_processor(location, options)
        kind = str(described.get("image_processor_type", ""))
        if kind.startswith("DINOv3ViT"):
            return _vit_processor(described)
        reason = str(error).strip().split("\n")[0]
        if described:
            raise ModelError(
                f"the image processor {kind} of {spec.name} ({spec.path}) cannot be used: {reason}",
                advice="If it asks for torchvision, install that beside torch.",
            ) from error
        raise ModelError(
            f"the model {spec.name} ({spec.path}) does not say how pictures are prepared for it: {reason}",
            advice="Put the preprocessor_config.json of the original model beside its config.json.",
        ) from error


def _described_processor(location: str, options: dict[str, str]) -> dict[str, Any]:
    """The processor's description as its file holds it; empty if there is none."""
    from transformers import BaseImageProcessor

    try:
        described, _ = BaseImageProcessor.get_image_processor_dict(location, **options)
    except (OSError, ValueError):
        return {}
    return dict(described)


def _vit_processor(described: dict[str, Any]) -> Any:
    """DINOv3's processor exists for torchvision only; its steps are those of ViT's with ImageNet's colours."""
    from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    colours = {"image_mean": IMAGENET_DEFAULT_MEAN, "image_std": IMAGENET_DEFAULT_STD}
    return ViTImageProcessorPil.from_dict(colours | described)


def _load_network(spec: ModelSpec, network_class: Any, location: str, vision_config: Any) -> tuple[Any, set[str]]:
    """The network, and the names of the weights that the checkpoint does not hold."""
    import torch

    # what does not fit its config is reported below, by name
    options = {"output_loading_info": True, "dtype": torch.float32, "ignore_mismatched_sizes": True}
    if vision_config is not None:
        options["config"] = vision_config
    if spec.revision:
        options["revision"] = spec.revision
    try:
        network, info = network_class.from_pretrained(location, use_safetensors=True, **options)
    except OSError:
        # no safetensors there: pickles, of which torch reads nothing but tensors
        network, info = network_class.from_pretrained(location, use_safetensors=False, weights_only=True, **options)
    if info["mismatched_keys"]:
        raise ModelError(
            f"the weights of {spec.name} ({spec.path}) do not fit its config.json: "
            f"{len(info['mismatched_keys'])} of them have another shape",
            advice="Get config and weights from the same place.",
        )
    parameters = {name for name, _ in network.named_parameters()}
    return network, set(info["missing_keys"]) & parameters


def _pooling(spec: ModelSpec, network: Any, missing: set[str]) -> Pooling:
    """Where the vector comes from. A weight that the checkpoint lacks is random: it must never take part."""
    poolers = {name for name in missing if "pooler" in name.split(".")}
    unused = {name for name in missing if name.endswith("mask_token")}
    if missing - poolers - unused:
        example = min(missing - poolers - unused)
        raise ModelError(
            f"the weights of {spec.name} ({spec.path}) are incomplete: {len(missing)} of them are "
            f"missing, such as {example}",
            advice="Get a complete checkpoint; random weights would give meaningless vectors.",
        )
    if type(network).__name__.endswith("WithProjection") or hasattr(network, "get_image_features"):
        return Pooling.PROJECTED
    return pooling_without_pooler(network) if poolers else Pooling.POOLER


def pooling_without_pooler(network: Any) -> Pooling:
    """What stands in for a pooler that the model or its checkpoint does not have."""
    has_class_token = any(name.endswith("cls_token") for name, _ in network.named_parameters())
    return Pooling.FIRST_TOKEN if has_class_token else Pooling.AVERAGE


def _digest(network: Any, config: Any, missing: set[str]) -> str:
    """Identity of the weights: a strided sample of each, in an order that does not depend on their names.

    Names change between versions of transformers, values do not. The activation is part of it, for the same
    weights exist with two (CLIP's quick_gelu). What is `missing` in the checkpoint is random and left out.
    """
    weights = network.state_dict()
    samples = sorted(_sample(weight) for name, weight in weights.items() if name not in missing)
    vision = getattr(config, "vision_config", None) or config
    activation = getattr(vision, "hidden_act", "")
    digest = hashlib.blake2b(f"{config.model_type} {activation}".encode(), digest_size=16)
    for sample in samples:
        digest.update(sample)
    return digest.hexdigest()


def _sample(weight: torch.Tensor) -> bytes:
    flat = weight.detach().reshape(-1)
    step = max(1, flat.numel() // _SAMPLE)
    values = flat[::step].float().numpy().tobytes()
    return hashlib.blake2b(str(tuple(weight.shape)).encode() + values, digest_size=16).digest()
