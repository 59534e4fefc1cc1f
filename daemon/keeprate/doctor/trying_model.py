"""A process of its own that loads the active model and embeds one batch: `python -m keeprate.doctor.trying_model`.

It reads one JSON line, a `Trial`, and prints one, a `Tried`. The doctor itself never loads torch: whatever that does to
a process, crashes and hangs included, happens here.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from keeprate.embedding.embedder import BUILTIN, Embedder, ModelSpec, Vectors, load_embedder
from keeprate.embedding.preprocessing import synthetic_picture
from keeprate.errors import KeeprateError

MEASURE_FOR_S = 2.0
PICTURE = (640, 480)
NVIDIA = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidiactl"))
AMD = (Path("/dev/kfd"),)


@dataclass(frozen=True, slots=True)
class Trial:
    """What to try."""

    path: str
    embed_dim: int | None
    revision: str | None
    device: str
    precision: str
    threads: int
    batch: int


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it."""

    torch: str = ""
    """Its version, and what it was built for; empty: it was not needed."""
    gpu: str = ""
    """The name of the one that torch sees."""
    no_gpu: str = ""
    """Why it sees none."""
    device: str = ""
    precision: str = ""
    dimension: int = 0
    load_s: float = 0.0
    per_s: float = 0.0
    """Pictures embedded in a second, on all threads together, resized from 640 x 480."""
    failed: str = ""
    advice: str = ""


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer
    trial = Trial(**json.loads(sys.stdin.readline()))
    json.dump(asdict(attempt(trial)), answers)
    answers.flush()
    os._exit(0)  # some drivers hang while they are unloaded


def attempt(trial: Trial) -> Tried:
    """Load, embed, measure."""
    wanted = trial.path != BUILTIN or importlib.util.find_spec("torch") is not None
    torch, gpu, no_gpu = torch_and_gpu() if wanted else ("", "", "")
    began = time.perf_counter()
    try:
        spec = ModelSpec("the active model", trial.path, trial.embed_dim, trial.revision)
        embedder = load_embedder(spec, device=trial.device, precision=trial.precision, threads=trial.threads)
        load_s = time.perf_counter() - began
        per_s = speed(embedder, trial.batch, trial.threads)
    except KeeprateError as error:
        return Tried(torch, gpu, no_gpu, failed=error.what, advice=error.advice)
    except Exception as error:  # out of memory on a GPU, a driver that does not fit …
        return Tried(torch, gpu, no_gpu, failed=f"{type(error).__name__}: {str(error).splitlines()[0][:300]}")
    return Tried(torch, gpu, no_gpu, embedder.device, embedder.precision, embedder.dimension, load_s, per_s)


def speed(embedder: Embedder, batch: int, threads: int) -> float:
    """Pictures a second over a batch in each thread, again and again for some seconds."""
    from threadpoolctl import threadpool_limits

    workers = threads if embedder.concurrent else 1
    pictures = [synthetic_picture(*PICTURE, seed) for seed in range(batch)]

    def one_batch(_: int) -> Vectors:
        return embedder.embed([embedder.prepare(picture) for picture in pictures])

    one_batch(0)  # the first is slow: memory, kernels, clocks
    done, began = 0, time.perf_counter()
    limit = 1 if embedder.concurrent else None
    with threadpool_limits(limit, "blas"), ThreadPoolExecutor(workers) as pool:
        while not done or time.perf_counter() - began < MEASURE_FOR_S:
            done += sum(len(vectors) for vectors in pool.map(one_batch, range(workers)))
    return done / (time.perf_counter() - began)


def torch_and_gpu() -> tuple[str, str, str]:
    """(torch's version, the GPU that it sees, why it sees none)."""
    try:
        import torch
    except Exception as error:  # a wheel for another processor raises OSError
        return "", "", f"torch cannot be imported: {error}"
    built_for = torch.version.cuda and f"CUDA {torch.version.cuda}"
    hip = getattr(torch.version, "hip", None)
    built_for = built_for or (hip and f"ROCm {hip}") or "the processor only"
    version = f"{torch.__version__.partition('+')[0]}, built for {built_for}"
    if torch.cuda.is_available():
        names = {torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())}
        return version, ", ".join(sorted(names)), ""
    if torch.backends.mps.is_available():
        return version, "Apple's GPU (mps)", ""
    return version, "", _why_no_gpu(built_for)


def _why_no_gpu(built_for: str) -> str:
    nvidia, amd = any(path.exists() for path in NVIDIA), any(path.exists() for path in AMD)
    if not (nvidia or amd):
        return "there is none, or it has no driver"
    card = "An NVIDIA GPU" if nvidia else "An AMD GPU"
    if "CUDA" not in built_for and "ROCm" not in built_for:
        return f"{card} has a driver, but this torch was built for {built_for}"
    if nvidia != ("CUDA" in built_for):
        return f"{card} has a driver, but this torch was built for {built_for}"
    return f"{card} has a driver, but torch cannot use it: it may be too old for {built_for}, or may not be opened"


if __name__ == "__main__":
    main()
