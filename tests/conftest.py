"""What every test gets: a home of its own in tmp, and the shared photos where they exist."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.left_behind import children, end_new_ones

SHARED = Path(os.environ.get("KEEPRATE_SHARED", Path(__file__).resolve().parents[2] / "shared"))
IN_EACH_PYTHON = Path(__file__).parent / "support" / "in_each_python"
_homes = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: one that is begun as the last keeps everybody waiting for one processor."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pin HOME, the XDG directories and KEEPRATE_HOME into tmp: no test can touch the real ones."""
    folder = tmp_path_factory.getbasetemp() / "h" / str(next(_homes))  # mktemp() would look through all before it
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    for name in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(folder / f"xdg-{name.lower()}"))
    monkeypatch.setenv("KEEPRATE_HOME", str(folder / "keeprate"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found_first = (str(IN_EACH_PYTHON), os.environ.get("PYTHONPATH"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, found_first)))
    return folder


@pytest.fixture(autouse=True)
def _nothing_runs_on() -> Iterator[None]:
    """A test ends the processes that it starts, also when it fails."""
    before = children()
    yield
    left = end_new_ones(before)
    assert left == [], "the test left processes behind"


def _shared(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs {folder}, which is not on this machine")
    return folder


@pytest.fixture
def shared_photos() -> Path:
    return _shared("photos")


@pytest.fixture
def shared_models() -> Path:
    return _shared("models")
