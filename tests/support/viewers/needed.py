"""Skip tests of viewers that are not installed, and say which package brings them."""

from __future__ import annotations

import shutil

import pytest


def needs(program: str) -> pytest.MarkDecorator:
    """A mark for tests that start `program`; its Debian package is called the same."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program} (Debian: {program})")
