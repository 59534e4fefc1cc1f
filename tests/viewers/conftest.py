"""Tests that start real viewers on a display of their own: `make test-viewers` runs them, `make test` does not.

A test whose viewer is not installed is skipped and says which package brings it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.viewers import display as displays
from support.viewers.display import Display

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this folder is one of viewers."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.viewers)


@pytest.fixture
def display(home: Path) -> Iterator[Display]:
    """A display with a message bus, at home where keeprate is; whatever was started on it is gone afterwards."""
    if lacking := displays.missing():
        pytest.skip(f"needs {', '.join(lacking)} (Debian: xvfb dbus xdotool imagemagick)")
    with displays.shown(home) as shown:
        yield shown
