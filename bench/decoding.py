"""What reading a 12-megapixel JPEG costs, and what decoding it small changes.

    python bench/decoding.py [--photos 8] [--json]

The photos are real ones (from KEEPRATE_SHARED, default ../shared) enlarged to 12 megapixels with some grain, so
that every frequency is there; without that folder they are made. Embeddings are compared if the backbone
`models/mobilenetv2-224` and transformers are there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from keeprate.pictures.content_key import content_key
from keeprate.pictures.decoding import Picture, open_picture
from keeprate.pictures.signals import SIGNAL_NAMES, measure
from keeprate.pictures.similarity import hamming_distance, perceptual_hash

SHARED = Path(os.environ.get("KEEPRATE_SHARED", Path(__file__).resolve().parents[2] / "shared"))
LIMIT = 200_000_000
EDGES = (224, 384, 518)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photos", type=int, default=8, help="how many photos to make (default 8)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        paths = make_photos(Path(folder), options.photos)
        figures = measure_costs(paths) | measure_closeness(paths)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            print(f"{name:<58} {value:>10.4g}")


def make_photos(folder: Path, count: int) -> list[Path]:
    """JPEGs of 4000×3000 or 3000×4000 pixels, quality 90."""
    random = np.random.default_rng(0)
    sources = sorted((SHARED / "photos" / "hotdog").rglob("*.jp*g"))[::37][:count]
    paths = []
    for number in range(count):
        if number < len(sources):
            small = Image.open(sources[number]).convert("RGB")
        else:
            small = Image.fromarray(random.integers(0, 256, (60, 80, 3), dtype=np.uint8))
        size = (4000, 3000) if small.width >= small.height else (3000, 4000)
        pixels = np.asarray(small.resize(size, Image.Resampling.BICUBIC), np.int16)
        grain = random.integers(-8, 9, (*pixels.shape[:2], 1), dtype=np.int16)
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8)).save(paths[-1], quality=90)
    return paths


def measure_costs(paths: list[Path]) -> dict[str, float]:
    """Medians of CPU time in ms a photo, one thread."""
    figures = {
        "photo, MB": statistics.fmean(path.stat().st_size for path in paths) / 1e6,
        "content key, ms": milliseconds(content_key, paths),
        "full decode and bicubic resize to 224, ms": milliseconds(full_decode, paths),
    }
    for edge in EDGES:
        figures[f"open_picture for {edge}, ms"] = milliseconds(partial(small_decode, edge=edge), paths)
    pictures = [small_decode(path, 224) for path in paths]
    figures["signals, ms"] = milliseconds(measure, pictures)
    figures["perceptual hash, ms"] = milliseconds(lambda picture: perceptual_hash(picture.image), pictures)
    figures["times faster for 224"] = (
        figures["full decode and bicubic resize to 224, ms"] / figures["open_picture for 224, ms"]
    )
    return figures


def measure_closeness(paths: list[Path]) -> dict[str, float]:
    """How much small decoding changes: embeddings (cosine), hashes (bits), signals (largest difference)."""
    full = [small_decode(path, 10_000) for path in paths]
    small = [small_decode(path, 224) for path in paths]
    distances = [
        hamming_distance(perceptual_hash(one.image), perceptual_hash(other.image))
        for one, other in zip(full, small, strict=True)
    ]
    figures: dict[str, float] = {"perceptual hash, small against full, most bits": max(distances)}
    changes = np.abs(
        np.stack([measure(picture).as_vector() for picture in full])
        - np.stack([measure(picture).as_vector() for picture in small])
    ).max(axis=0)
    for name, change in zip(SIGNAL_NAMES, changes, strict=True):
        figures[f"signal {name}, small against full, most"] = float(change)
    embed = embedder()
    if embed is not None:
        cosines = [embed(one.image) @ embed(other.image) for one, other in zip(full, small, strict=True)]
        figures["embedding, small against full, least cosine"] = float(min(cosines))
        figures["embedding, small against full, mean cosine"] = float(np.mean(cosines))
    return figures


def embedder() -> Callable[[Image.Image], Any] | None:
    """The backbone as a function from an image to a unit vector; None if it is not on this machine."""
    folder = SHARED / "models" / "mobilenetv2-224"
    if not folder.is_dir():
        return None
    try:
        import torch
        from transformers import AutoImageProcessor, AutoModel
    except ImportError:
        return None
    processor = AutoImageProcessor.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()

    def embed(image: Image.Image) -> Any:
        with torch.inference_mode():
            vector = model(**processor(images=image, return_tensors="pt")).pooler_output[0].numpy()
        return vector / np.linalg.norm(vector)

    return embed


def full_decode(path: Path) -> Image.Image:
    """What a plain program does."""
    with Image.open(path) as image:
        scale = 224 / min(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        return image.convert("RGB").resize(size, Image.Resampling.BICUBIC)


def small_decode(path: Path, edge: int) -> Picture:
    return open_picture(path, shortest_edge=edge, max_pixels=LIMIT)


def milliseconds(function: Callable[[Any], object], items: Sequence[Any]) -> float:
    """Median CPU time of this thread, so that a busy machine changes little."""
    costs = []
    for item in items:
        started = time.thread_time()
        function(item)
        costs.append((time.thread_time() - started) * 1e3)
    return statistics.median(costs)


if __name__ == "__main__":
    main()
