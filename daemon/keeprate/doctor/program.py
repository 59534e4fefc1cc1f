"""keeprate itself: the Python that runs it, the packages that it can make use of, the memory that there is."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psutil

from keeprate import __version__
from keeprate.doctor.finding import Finding, Patient, error, ok, warning

LEAST_PYTHON = (3, 11)
LEAST_MEMORY = 1 << 30
"""A daemon, a worker with a model and a desktop beside them do not fit into less."""
MEMORY_FOR_A_MODEL = 3 << 29
"""torch with one of the models that keeprate knows by name takes up to 1.5 GB."""


def look_at_python(_: Patient) -> Iterator[Finding]:
    """Is it new enough, and one of the 64-bit ones that torch and the decoders are built for?"""
    version = platform.python_version()
    where = f"keeprate {__version__}, Python {version} ({sys.executable})"
    wanted = ".".join(map(str, LEAST_PYTHON))
    if sys.version_info < LEAST_PYTHON:
        yield error("python", f"{where} is too old.", f"Install keeprate with Python {wanted} or newer.")
    elif sys.maxsize < 2**32:
        yield warning("python", f"{where} is a 32-bit one.", "Use a 64-bit Python: torch has none for 32 bits.")
    elif platform.python_implementation() != "CPython":
        yield warning("python", f"{where} is {platform.python_implementation()}.", "keeprate is tested with CPython.")
    else:
        yield ok("python", f"{where}.")


@dataclass(frozen=True, slots=True)
class Optional:
    """Packages that keeprate does without, and what it cannot do then."""

    extra: str
    packages: tuple[tuple[str, str], ...]
    """(Name on the package index, name to import) each."""
    use: str


OPTIONAL = (
    Optional("models", (("torch", "torch"), ("transformers", "transformers")), "models other than the built-in one"),
    Optional("raw", (("rawpy", "rawpy"),), "RAW files that hold no preview"),
    Optional("parquet", (("pyarrow", "pyarrow"),), "`keeprate list --parquet`"),
    Optional("audit", (("cleanlab", "cleanlab"),), "`keeprate labels audit`"),
    Optional("plots", (("matplotlib", "matplotlib"),), "`--plot`"),
    Optional("tray", (("pystray", "pystray"),), "the icon in the tray"),
)
REQUIRED = (("pyexiv2", "pyexiv2"), ("pillow-heif", "pillow_heif"), ("Pillow", "PIL"), ("watchdog", "watchdog"))
"""Those of the required ones that bring compiled code or watch folders: their versions are worth knowing."""


def look_at_packages(_: Patient) -> Iterator[Finding]:
    """Which are there, without importing any: torch alone would take seconds and hundreds of megabytes."""
    required = {name: _version(name, module) for name, module in REQUIRED}
    missing = [name for name, version in required.items() if version is None]
    if missing:
        yield error(
            "packages.required", f"{_listed(missing)} cannot be found.", "Install keeprate again: pip install keeprate"
        )
    else:
        yield ok("packages.required", f"{_listed(f'{name} {version}' for name, version in required.items())}.")
    for optional in OPTIONAL:
        found = {name: _version(name, module) for name, module in optional.packages}
        there = [f"{name} {version}" for name, version in found.items() if version is not None]
        away = [name for name, version in found.items() if version is None]
        name = f"packages.{optional.extra}"
        how = f"pip install 'keeprate[{optional.extra}]'"
        if there and away:
            yield warning(name, f"{_listed(there)}, but {_listed(away)} is missing: {optional.use} need both.", how)
        elif away:
            yield ok(name, f"{_listed(away)} not installed (only for {optional.use}: {how}).")
        else:
            yield ok(name, f"{_listed(there)}.")


def _version(name: str, module: str) -> str | None:
    """The version of an installed package that can be imported, so far as one can tell without doing it."""
    if importlib.util.find_spec(module) is None:
        return None
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "of an unknown version"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def look_at_memory(patient: Patient) -> Iterator[Finding]:
    """Is there enough for the worker, and does its limit fit the machine?"""
    memory = psutil.virtual_memory()
    said = f"{size(memory.available)} of {size(memory.total)} of memory are free"
    limit = patient.config.jobs.worker_memory * 1_000_000
    if memory.total < LEAST_MEMORY:
        yield warning("memory", f"{said}: little.", "Use the built-in model, and set [embedding] threads = 1.")
    elif memory.available < MEMORY_FOR_A_MODEL // 2:
        yield warning("memory", f"{said}: embedding may make other programs slow.", "Close some of them.")
    else:
        yield ok("memory", f"{said}.")
    if limit > memory.total:
        yield warning(
            "memory.limit",
            f"The worker may use {size(limit)}, more than the machine has.",
            f"Set [jobs] worker_memory = {memory.total // 2_000_000} in the config.",
        )


def size(count: float) -> str:
    """A number of bytes for people."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 999.5 or unit == "TB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit in ("bytes", "kB", "MB") or count >= 100 else f"{count:.1f} {unit}"
