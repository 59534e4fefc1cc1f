from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from keeprate.config.edit import add_library
from keeprate.config.load import load_config
from keeprate.doctor import database, inotify, libraries, models
from keeprate.doctor.finding import Finding, Patient
from keeprate.paths import locate_home
from support.waiting import COMMAND_S, PATIENCE_S


@pytest.fixture(autouse=True)
def _time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor looks for a few seconds only; on a busy machine that may not be enough for the smallest folder."""
    monkeypatch.setattr(libraries.look_through, "__defaults__", (PATIENCE_S,))
    monkeypatch.setattr(inotify, "COUNT_FOR_S", PATIENCE_S)
    monkeypatch.setattr(database, "QUICK_CHECK_FOR_S", PATIENCE_S)
    usual = models.try_model.__kwdefaults__
    monkeypatch.setattr(models.try_model, "__kwdefaults__", {**(usual or {}), "for_s": COMMAND_S})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of the library `camera`, with its buckets."""
    folder = tmp_path / "camera"
    for bucket in ("keep", "delete"):
        (folder / bucket).mkdir(parents=True)
    return folder


@pytest.fixture
def patient(root: Path) -> Patient:
    """An installation with the library `camera`, and no catalog yet."""
    home = locate_home()
    add_library(home.config_file, {"name": "camera", "root": str(root)})
    return Patient(home, load_config(home.config_file))


Named = Callable[[Iterable[Finding]], dict[str, Finding]]


@pytest.fixture
def named() -> Named:
    """Findings by name, each of which must be there once."""

    def by_name(findings: Iterable[Finding]) -> dict[str, Finding]:
        found = list(findings)
        names = [one.name for one in found]
        assert len(set(names)) == len(names), names
        return dict(zip(names, found, strict=True))

    return by_name
