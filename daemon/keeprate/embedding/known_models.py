"""The models that keeprate knows by name: what `keeprate model add NAME` needs no further arguments for.

Only facts for people and for the registry; nothing here loads a model. Every other Hugging Face image model
can be registered with its own name, path and dimension. Dimensions are what the vision tower gives (CLIP:
after the projection); download sizes are those of the safetensors files on the hub, rounded.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownModel:
    """One row of the table."""

    name: str
    path: str
    """Hugging Face id, or `builtin`."""
    dimension: int
    download_mb: int
    """Megabytes (10^6 bytes) to download once; 0 for the built-in embedder."""
    remark: str

    @property
    def cache_mb_per_1000(self) -> float:
        """Megabytes (10^6 bytes) that the vectors of 1,000 photos take: float32, so dimension times four
        bytes.
        """
        return self.dimension * 4 * 1000 / 1e6


KNOWN_MODELS: tuple[KnownModel, ...] = (
    KnownModel("clip-vit-b", "openai/clip-vit-base-patch32", 512, 600, "fast, good baseline"),
    KnownModel("clip-vit-l", "openai/clip-vit-large-patch14", 768, 1700, "best general-purpose CLIP"),
    KnownModel("siglip-b", "google/siglip-base-patch16-224", 768, 800, "better zero-shot than CLIP at the same width"),
    KnownModel("siglip-so", "google/siglip-so400m-patch14-384", 1152, 3500, "highest quality among the CLIP family"),
    KnownModel("dinov2-s", "facebook/dinov2-small", 384, 90, "tiny, fine-grained"),
    KnownModel("dinov2-b", "facebook/dinov2-base", 768, 350, "strong on textures and structure"),
    KnownModel("dinov2-l", "facebook/dinov2-large", 1024, 1200, "best quality for its size among DINOv2"),
    KnownModel("siglip2-b", "google/siglip2-base-patch16-224", 768, 1500, "successor of siglip-b"),
    KnownModel(
        "dinov3-s",
        "facebook/dinov3-vits16-pretrain-lvd1689m",
        384,
        90,
        "successor of dinov2-s; its licence must be accepted on the hub first",
    ),
    KnownModel("vit-b", "google/vit-base-patch16-224", 768, 350, "the classic, trained on ImageNet-21k"),
    KnownModel("convnext-t", "facebook/convnext-tiny-224", 768, 115, "convolutional, trained on ImageNet"),
    KnownModel("mobilenetv2", "google/mobilenet_v2_1.0_224", 1280, 14, "for slow machines"),
)


def known_model(name: str) -> KnownModel | None:
    """The row called `name`, or None."""
    return next((model for model in KNOWN_MODELS if model.name == name), None)
