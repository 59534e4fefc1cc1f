from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keeprate.config.edit import add_library
from keeprate.paths import locate_home
from keeprate.service.session import Session, open_session


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of the library `camera`, with its buckets."""
    folder = tmp_path / "camera"
    for bucket in ("keep", "delete"):
        (folder / bucket).mkdir(parents=True)
    return folder


@pytest.fixture
def session(root: Path) -> Iterator[Session]:
    """A session with the library `camera`, whose head is `keep`."""
    home = locate_home()
    add_library(home.config_file, {"name": "camera", "root": str(root)})
    with open_session(home) as opened:
        yield opened
