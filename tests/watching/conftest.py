from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.system import folder_open_to_all


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that a user without rights may enter."""
    with folder_open_to_all() as folder:
        yield folder
