"""How fast photos of 12 megapixels become vectors in SQLite, against the loop that everybody writes first.

    python bench/embedding.py [--images 100] [--repeats 3] [--json]

Makes the pictures and a random model of the true size of CLIP ViT-B/32 once, in the temp folder. Each way runs in
a process of its own, so that its memory is its own; the two take turns, for machines wobble. Model loading is not
part of the rates. Random weights cost the same as trained ones, but put all vectors close together: a high cosine
alone would say little, so the bench also asks whether each vector's nearest one in the other set is that of the
same picture.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keeprate.embedding.embedder import Embedder, ModelSpec, load_embedder
from keeprate.embedding.pipeline import Batch, WorkItem, embed_pictures
from keeprate.pictures.decoding import open_picture
from keeprate.pictures.signals import measure
from keeprate.pictures.similarity import perceptual_hash

WIDTH, HEIGHT = 4000, 3000
MAX_PIXELS = 200_000_000
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Run:
    """One way's result."""

    rate: float
    """Pictures a second, decoding to commit."""
    load_s: float
    """Seconds until the model was ready, imports included."""
    cpu_ms: float
    """CPU time a picture, all threads: tells a slow machine from a busy one."""
    peak_rss_mb: float
    """10^6 bytes; a third of it are pages of the weights' file, which the system can take back."""


@dataclass(frozen=True, slots=True)
class Costs:
    """One-thread costs, milliseconds a picture (medians)."""

    decode_ms: float
    """open_picture and prepare."""
    signals_ms: float
    """Signals and perceptual hash."""
    forward_ms: float
    """Batches of 8."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--way", choices=("loop", "pipeline", "costs"), help=argparse.SUPPRESS)
    parser.add_argument("--database", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cache = Path(tempfile.gettempdir()) / "keeprate-bench-embedding"
    if arguments.way:
        print(json.dumps(_work(arguments.way, cache, arguments.images, arguments.database)))
        return
    _make_pictures(cache / "pictures", arguments.images)
    _make_model(cache / "model")
    _compare(arguments.images, arguments.repeats, as_json=arguments.json)


def _compare(images: int, repeats: int, *, as_json: bool) -> None:
    loops, pipelines, costs = [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        for turn in range(repeats):
            first, second = Path(scratch) / f"loop{turn}.db", Path(scratch) / f"pipeline{turn}.db"
            loops.append(Run(**_spawn("loop", images, first)))
            pipelines.append(Run(**_spawn("pipeline", images, second)))
            costs.append(Costs(**_spawn("costs", images, second)))
        expected, actual = _vectors(first), _vectors(second)
    middle = Costs(*(statistics.median(getattr(cost, name) for cost in costs) for name in Costs.__slots__))
    rate = statistics.median(run.rate for run in pipelines)
    loop_rate = statistics.median(run.rate for run in loops)
    bound = CORES * 1000 / (middle.decode_ms + middle.forward_ms)
    similarities = _unit(actual) @ _unit(expected).T
    centred = _unit(actual - expected.mean(axis=0)) @ _unit(expected - expected.mean(axis=0)).T
    report = {
        "cores": CORES,
        "images": images,
        "loop_rate": loop_rate,
        "pipeline_rate": rate,
        "ratio": statistics.median(ours.rate / theirs.rate for ours, theirs in zip(pipelines, loops, strict=True)),
        "bound": bound,
        "fraction_of_bound": statistics.median(
            run.rate * (cost.decode_ms + cost.forward_ms) / CORES / 1000
            for run, cost in zip(pipelines, costs, strict=True)
        ),
        "fraction_of_bound_with_signals": statistics.median(
            run.rate * (cost.decode_ms + cost.signals_ms + cost.forward_ms) / CORES / 1000
            for run, cost in zip(pipelines, costs, strict=True)
        ),
        **asdict(middle),
        "min_cosine": float(similarities.diagonal().min()),
        "nearest_is_same_picture": float((centred.argmax(axis=1) == np.arange(len(centred))).mean()),
        "loop_cpu_ms": statistics.median(run.cpu_ms for run in loops),
        "pipeline_cpu_ms": statistics.median(run.cpu_ms for run in pipelines),
        "loop_peak_rss_mb": max(run.peak_rss_mb for run in loops),
        "pipeline_peak_rss_mb": max(run.peak_rss_mb for run in pipelines),
        "pipeline_load_s": statistics.median(run.load_s for run in pipelines),
    }
    if as_json:
        print(json.dumps(report, indent=2))
        return
    for name, value in report.items():
        print(f"{name.replace('_', ' '):32} {value:12.5g}")


def _spawn(way: str, images: int, database: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--way", way, "--images", str(images), "--database", str(database)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def _work(way: str, cache: Path, images: int, database: Path) -> dict[str, float]:
    """What one of the processes does."""
    paths = sorted((cache / "pictures").glob("*.jpg"))[:images]
    if way == "costs":
        return asdict(_costs(_load(cache), paths))
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE embeddings (content_key TEXT PRIMARY KEY, vector BLOB) STRICT")
    started = time.perf_counter()
    run = _plain_loop(cache) if way == "loop" else _pipeline(_load(cache))
    loaded, cpu_s = time.perf_counter(), time.process_time()
    run(paths, connection)
    rate = len(paths) / (time.perf_counter() - loaded)
    cpu_ms = 1000 * (time.process_time() - cpu_s) / len(paths)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return asdict(Run(rate=rate, load_s=loaded - started, cpu_ms=cpu_ms, peak_rss_mb=peak_mb))


def _load(cache: Path) -> Embedder:
    return load_embedder(ModelSpec("clip", str(cache / "model")), threads=CORES)


def _plain_loop(cache: Path) -> Callable[[Sequence[Path], sqlite3.Connection], None]:
    """Full decode, the model's own processor, float32, one picture at a time, one commit each."""
    import torch
    from transformers import AutoImageProcessor, CLIPVisionModelWithProjection
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    network = CLIPVisionModelWithProjection.from_pretrained(cache / "model").eval()
    processor = AutoImageProcessor.from_pretrained(cache / "model", backend="pil")

    def run(paths: Sequence[Path], connection: sqlite3.Connection) -> None:
        for path in paths:
            with Image.open(path) as image, torch.inference_mode():
                inputs = processor(images=image.convert("RGB"), return_tensors="pt")
                vector = network(**inputs).image_embeds[0].numpy()
            with connection:
                connection.execute("INSERT INTO embeddings VALUES (?, ?)", (path.name, vector.tobytes()))

    return run


def _pipeline(embedder: Embedder) -> Callable[[Sequence[Path], sqlite3.Connection], None]:
    def run(paths: Sequence[Path], connection: sqlite3.Connection) -> None:
        def store(batch: Batch) -> None:
            assert not batch.failures, batch.failures
            with connection:
                connection.executemany(
                    "INSERT INTO embeddings VALUES (?, ?)",
                    [(result.content_key, result.vector.tobytes()) for result in batch.results],
                )

        items = (WorkItem(path.name, path) for path in paths)
        embed_pictures(items, embedder, threads=CORES, max_pixels=MAX_PIXELS, on_batch=store)

    return run


def _costs(embedder: Embedder, paths: Sequence[Path]) -> Costs:
    """One thread, nothing else going on in this process."""
    decode, signals, forward, pixels = [], [], [], []
    for path in paths[:32]:
        started = time.perf_counter()
        picture = open_picture(path, shortest_edge=embedder.shortest_edge, max_pixels=MAX_PIXELS)
        pixels.append(embedder.prepare(picture.image))
        decoded = time.perf_counter()
        measure(picture)
        perceptual_hash(picture.image)
        decode.append(decoded - started)
        signals.append(time.perf_counter() - decoded)
    for start in [*range(0, len(pixels), 8)] * 3:
        batch = pixels[start : start + 8]
        started = time.perf_counter()
        embedder.embed(batch)
        forward.append((time.perf_counter() - started) / len(batch))
    return Costs(*(1000 * statistics.median(times) for times in (decode, signals, forward)))


def _vectors(database: Path) -> NDArray[np.float32]:
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT vector FROM embeddings ORDER BY content_key").fetchall()
    return np.stack([np.frombuffer(vector, np.float32) for (vector,) in rows])


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _make_pictures(folder: Path, count: int) -> None:
    """Pictures with a photo's spectrum and size: windows of one large field of clouds, hills and grain."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(count) if not (folder / f"{number:04}.jpg").exists()]
    if not missing:
        return
    random = np.random.default_rng(0)
    size = (WIDTH + 1000, HEIGHT + 1000)
    field = np.zeros((size[1], size[0], 3), np.float32)
    for octave in range(2, 12):
        cells = random.integers(0, 256, (3 * 2**octave // 4, 2**octave, 3), dtype=np.uint8)
        layer = Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC)
        field += (np.asarray(layer, np.float32) - 128) * 0.62**octave * 3
    field += random.normal(0, 5, field.shape[:2])[..., None]  # grain: without it such files are a third of a photo's
    world = Image.fromarray((field + 128).clip(0, 255).astype(np.uint8))
    for number in missing:
        left, top = (int(value) for value in random.integers(0, 1000, 2))
        window = world.crop((left, top, left + WIDTH, top + HEIGHT))
        gains = random.uniform(0.5, 1.2, 3)
        window = window.point([min(255, int(level * gain)) for gain in gains for level in range(256)])
        partial = folder / f"{number:04}.part"
        window.save(partial, "JPEG", quality=90)
        partial.rename(folder / f"{number:04}.jpg")


def _make_model(folder: Path) -> None:
    """A whole CLIP ViT-B/32 with random weights: the default of its config class."""
    if (folder / "preprocessor_config.json").exists():
        return
    import torch
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    torch.manual_seed(0)
    CLIPModel(CLIPConfig()).save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)


if __name__ == "__main__":
    main()
