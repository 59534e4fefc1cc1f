"""Hugging Face models of every family that keeprate names, small enough to make and load in a fraction of a second.

Random weights, real classes: they go through the same files and the same loading code as the published ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZE = 32
"""Height and width that the tiny models look at, in pixels."""

_LAYERS = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
_VISION = {**_LAYERS, "image_size": SIZE, "patch_size": 8}
_TEXT = {**_LAYERS, "vocab_size": 99, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}


def save_tiny(family: str, folder: Path) -> Path:
    """Write a model of `family` (a key of `FAMILIES`) and its image processor into `folder`, which is returned."""
    import torch
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.manual_seed(0)
    model, processor = FAMILIES[family]()
    model.eval().save_pretrained(folder)
    if processor is not None:
        processor.save_pretrained(folder)
    return folder


def _clip() -> tuple[Any, Any]:
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    config = CLIPConfig(text_config=_TEXT, vision_config=_VISION, projection_dim=24)
    crop = {"height": SIZE, "width": SIZE}
    return CLIPModel(config), CLIPImageProcessorPil(size={"shortest_edge": SIZE}, crop_size=crop)


def _siglip() -> tuple[Any, Any]:
    from transformers import SiglipConfig, SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    config = SiglipConfig(text_config=_TEXT, vision_config=_VISION)
    return SiglipModel(config), SiglipImageProcessorPil(size={"height": SIZE, "width": SIZE})


def _siglip2() -> tuple[Any, Any]:
    from transformers import Siglip2Config, Siglip2Model
    from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

    config = Siglip2Config(text_config=_TEXT, vision_config={**_LAYERS, "patch_size": 8, "num_patches": 16})
    return Siglip2Model(config), Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16)


def _dinov2() -> tuple[Any, Any]:
    from transformers import Dinov2Config, Dinov2Model
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

    config = Dinov2Config(hidden_size=48, num_hidden_layers=2, num_attention_heads=4, image_size=SIZE, patch_size=8)
    crop = {"height": SIZE, "width": SIZE}
    return Dinov2Model(config), BitImageProcessorPil(size={"shortest_edge": SIZE + 8}, crop_size=crop)


def _dinov3() -> tuple[Any, Any]:
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    config = DINOv3ViTConfig(**_VISION, num_register_tokens=2)
    return DINOv3ViTModel(config), _Described("DINOv3ViTImageProcessor")


def _vit() -> tuple[Any, Any]:
    from transformers import ViTConfig, ViTModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    return ViTModel(ViTConfig(**_VISION)), ViTImageProcessorPil(size={"height": SIZE, "width": SIZE})


def _vit_classifier() -> tuple[Any, Any]:
    """A checkpoint without a pooler, like google/vit-base-patch16-224."""
    from transformers import ViTConfig, ViTForImageClassification

    return ViTForImageClassification(ViTConfig(**_VISION)), _vit()[1]


def _convnext() -> tuple[Any, Any]:
    from transformers import ConvNextConfig, ConvNextModel
    from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil

    config = ConvNextConfig(hidden_sizes=[8, 16, 24, 48], depths=[1, 1, 1, 1])
    return ConvNextModel(config), ConvNextImageProcessorPil(size={"shortest_edge": SIZE}, crop_pct=0.875)


def _convnext_uncropped() -> tuple[Any, Any]:
    """Its processor keeps the aspect ratio, so that pictures of different shapes make no batch."""
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    return _convnext()[0], CLIPImageProcessorPil(size={"shortest_edge": SIZE}, do_center_crop=False)


def _mobilenet_v2() -> tuple[Any, Any]:
    from transformers import MobileNetV2Config, MobileNetV2Model
    from transformers.models.mobilenet_v2.image_processing_pil_mobilenet_v2 import MobileNetV2ImageProcessorPil

    crop = {"height": SIZE, "width": SIZE}
    processor = MobileNetV2ImageProcessorPil(size={"shortest_edge": SIZE + 4}, crop_size=crop)
    return MobileNetV2Model(MobileNetV2Config(depth_multiplier=0.35, image_size=SIZE)), processor


def _resnet() -> tuple[Any, Any]:
    from transformers import ResNetConfig, ResNetModel

    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16, 24, 48], depths=[1, 1, 1, 1])
    return ResNetModel(config), _convnext()[1]


def _efficientnet() -> tuple[Any, Any]:
    from transformers import EfficientNetConfig, EfficientNetModel
    from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil

    config = EfficientNetConfig(width_coefficient=0.25, depth_coefficient=0.2, image_size=SIZE, hidden_dim=320)
    return EfficientNetModel(config), EfficientNetImageProcessorPil(
        size={"height": SIZE, "width": SIZE}, rescale_offset=True, rescale_factor=1 / 127.5
    )


def _swin() -> tuple[Any, Any]:
    from transformers import SwinConfig, SwinModel

    config = SwinConfig(
        image_size=SIZE, patch_size=2, embed_dim=12, depths=[1, 1, 1], num_heads=[2, 2, 2], window_size=4
    )
    return SwinModel(config), _vit()[1]


def _bert() -> tuple[Any, Any]:
    """A model of texts: must be refused."""
    from transformers import BertConfig, BertModel

    return BertModel(BertConfig(**_LAYERS, vocab_size=99)), None


class _Described:
    """An image processor of which only the description exists, because its class needs torchvision."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def save_pretrained(self, folder: Path) -> None:
        size = f'{{"height": {SIZE}, "width": {SIZE}}}'
        text = f'{{"image_processor_type": "{self._kind}", "do_resize": true, "resample": 2, "size": {size}}}'
        (folder / "preprocessor_config.json").write_text(text)


FAMILIES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "clip": _clip,
    "siglip": _siglip,
    "siglip2": _siglip2,
    "dinov2": _dinov2,
    "dinov3": _dinov3,
    "vit": _vit,
    "vit-classifier": _vit_classifier,
    "convnext": _convnext,
    "convnext-uncropped": _convnext_uncropped,
    "mobilenet-v2": _mobilenet_v2,
    "resnet": _resnet,
    "efficientnet": _efficientnet,
    "swin": _swin,
    "bert": _bert,
}


def save_tokenizer(folder: Path, kind: str = "PreTrainedTokenizerFast") -> None:
    """Put a tokenizer into the folder of a tiny model of pictures and texts: a token a letter, between 0 and 1."""
    import json

    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

    letters = {letter: number for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz0123456789 ", start=3)}
    made = Tokenizer(models.WordLevel({"<begin>": 0, "<end>": 1, "<unknown>": 2, **letters}, unk_token="<unknown>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    made.post_processor = processors.TemplateProcessing(
        single="<begin> $A <end>", special_tokens=[("<begin>", 0), ("<end>", 1)]
    )
    made.save(str(folder / "tokenizer.json"))
    described = {
        "tokenizer_class": kind, "bos_token": "<begin>", "eos_token": "<end>", "pad_token": "<end>",
        "unk_token": "<unknown>", "model_max_length": 64,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(described))
