"""The active model: are its files on this machine, does it load, on which device, how fast is it?"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from keeprate.catalog import models
from keeprate.catalog.models import BUILTIN, Model
from keeprate.config.models import EmbeddingConfig
from keeprate.doctor.finding import Finding, Patient, error, ok, warning
from keeprate.doctor.trying_model import Trial, Tried
from keeprate.embedding.file_names import encodes_names, picture_path
from keeprate.embedding.known_models import KNOWN_MODELS
from keeprate.paths import expanded
from keeprate.steps.restraint import cores

COMMAND = (sys.executable, "-m", "keeprate.doctor.trying_model")
TRY_FOR_S = 90.0
"""Loading a model from a slow disk and choosing its precision takes half a minute at the worst."""
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
SLOW_PER_S = 2.0
FALLBACK = "`keeprate model activate builtin` goes back to the model that needs no files."


def look_at_model(patient: Patient) -> Iterator[Finding]:
    """Which one is active, and whether its files are here, without loading it."""
    model = active_model(patient)
    path = picture_path(model.path)
    if path == BUILTIN:
        yield ok("model", f"The built-in model is active ({model.cached:,} photos have a vector): it needs no files.")
        return
    known = next((one for one in KNOWN_MODELS if one.path == path), None)
    if known and model.embed_dim and known.dimension != model.embed_dim and not encodes_names(model.path):
        yield warning(
            "model.dimension",
            f"{model.name} is registered with {model.embed_dim} numbers a photo; {path} gives {known.dimension}.",
            f"Remove it and add it again: keeprate model add {known.name}",
        )
    said = f"{model.name} ({path}) is active, {model.cached:,} photos have a vector"
    folder = expanded(path)
    if folder.is_dir():
        yield _folder(said, folder)
    elif _is_local(path):
        yield error("model", f"{said}, but its folder is not there.", f"Put it back, or: {FALLBACK}")
    else:
        yield _hub(said, path, model.revision)


def active_model(patient: Patient) -> Model:
    """The one that the catalog names; the built-in one before there is a catalog."""
    with patient.catalog() as catalog:
        if catalog is not None:
            return models.active(catalog)
    return Model(1, BUILTIN, BUILTIN, None, None, None, True, 0)


def _folder(said: str, folder: Path) -> Finding:
    missing = [] if (folder / "config.json").is_file() else ["config.json"]
    if not any((folder / name).is_file() for name in WEIGHTS):
        missing.append("the weights (model.safetensors)")
    if missing:
        return error("model", f"{said}, but {' and '.join(missing)} are missing there.", f"Get them, or: {FALLBACK}")
    return ok("model", f"{said}; its files are there.")


def _hub(said: str, path: str, revision: str | None) -> Finding:
    """A model of the hub's: what its client has in its cache, without asking the hub."""
    if importlib.util.find_spec("transformers") is None:
        return error(
            "model", f"{said}, but transformers is not installed.", f"pip install 'keeprate[models]', or: {FALLBACK}"
        )
    if not _is_cached(path, revision):
        return warning(
            "model",
            f"{said}; its files are not on this machine yet and are downloaded at the first use.",
            f"To have them now: hf download {path}",
        )
    return ok("model", f"{said}; its files are in the cache, no network is needed.")


def _is_cached(path: str, revision: str | None) -> bool:
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False
    cached = [isinstance(try_to_load_from_cache(path, name, revision=revision), str) for name in WEIGHTS]
    return any(cached) and isinstance(try_to_load_from_cache(path, "config.json", revision=revision), str)


def _is_local(path: str) -> bool:
    return path == BUILTIN or path.startswith(("/", "~", ".")) or expanded(path).is_dir()


def look_at_speed(patient: Patient) -> Iterator[Finding]:
    """Load it and embed a batch, in a process of its own and without the network."""
    model = active_model(patient)
    path = picture_path(model.path)
    if not _is_local(path) and not _is_cached(path, model.revision):
        yield ok("model.speed", f"{model.name} was not tried: its files are not on this machine yet.")
        return
    try:
        tried = try_model(model, patient.config.embedding)
    except subprocess.TimeoutExpired:
        yield error("model.speed", f"{model.name} did not embed one batch in {TRY_FOR_S:g} s.", FALLBACK)
        return
    yield from told(model, tried, patient.config.embedding)


def try_model(
    model: Model, settings: EmbeddingConfig, *, for_s: float = TRY_FOR_S, command: Sequence[str] = COMMAND
) -> Tried:
    """What a process of its own found out.

    Raises:
        subprocess.TimeoutExpired: it took longer than `for_s`, and was killed.
    """
    path, names = picture_path(model.path), encodes_names(model.path)
    trial = Trial(
        path, None if names else model.embed_dim, model.revision, settings.device, settings.precision,
        settings.threads or cores(), settings.batch_size,
    )  # fmt: skip
    done = subprocess.run(
        command,
        input=json.dumps({name: getattr(trial, name) for name in Trial.__slots__}) + "\n",
        capture_output=True,
        text=True,
        timeout=for_s,
        check=False,
        cwd="/",
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
    )
    if done.returncode != 0 or not done.stdout:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return Tried(failed=f"the process that tried it ended with {done.returncode} ({last[:300]})")
    return Tried(**json.loads(done.stdout))


def told(model: Model, tried: Tried, settings: EmbeddingConfig) -> Iterator[Finding]:
    """What came of the trial, as findings."""
    if tried.no_gpu.startswith("torch cannot"):
        yield warning("torch", f"{tried.no_gpu.rstrip('.')}.", "pip install --force-reinstall 'keeprate[models]'")
    elif tried.torch:
        yield ok("torch", f"torch {tried.torch}.")
    if tried.gpu:
        yield ok("gpu", f"torch sees {tried.gpu}.")
    elif tried.no_gpu and "driver, but" in tried.no_gpu:
        yield warning(
            "gpu",
            f"No GPU is used: {tried.no_gpu}.",
            'Choose the torch for it at pytorch.org/get-started, or set [embedding] device = "cpu".',
        )
    elif tried.torch:
        yield ok("gpu", f"No GPU is used: {tried.no_gpu}.")
    if tried.failed:
        yield error("model.speed", f"{model.name} cannot embed: {tried.failed.rstrip('.')}.", tried.advice or FALLBACK)
        return
    threads = settings.threads or cores()
    on = f"{tried.device}, {tried.precision}" + (f", {threads} threads" if tried.device == "cpu" else "")
    said = f"{model.name} embeds {tried.per_s:,.1f} pictures a second ({on}; loaded in {tried.load_s:.1f} s)"
    if model.embed_dim not in (None, tried.dimension) and not encodes_names(model.path):
        yield error(
            "model.speed", f"{said}, but gives {tried.dimension} numbers instead of {model.embed_dim}.",
            f"Remove it and add it again with --dim {tried.dimension}.",
        )  # fmt: skip
    elif tried.per_s < SLOW_PER_S:
        yield warning("model.speed", f"{said}: slow.", "A smaller model is faster: keeprate model list --known")
    else:
        yield ok("model.speed", f"{said}.")
