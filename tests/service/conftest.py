from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keeprate.config.edit import add_library
from keeprate.paths import locate_home
from keeprate.steps.session import Session, open_session


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A session with the empty library `camera`."""
    root = tmp_path / "camera"
    for bucket in ("keep", "delete"):
        (root / bucket).mkdir(parents=True)
    home = locate_home()
    add_library(home.config_file, {"name": "camera", "root": str(root)})
    with open_session(home) as opened:
        yield opened
