"""Import sqlite-utils without pandas.

It imports pandas wherever that is installed (cleanlab needs it), only to know one more type. In the resident process
that would be 80 MB and half a second for nothing.
"""

from __future__ import annotations

import sys
from typing import Any


def _import_without_pandas() -> None:
    modules: dict[str, Any] = sys.modules
    if "pandas" in modules:
        return
    modules["pandas"] = None  # what Python takes for "not installed"
    try:
        import sqlite_utils  # noqa: F401
    finally:
        del modules["pandas"]


_import_without_pandas()
