"""The catalog: one SQLite file that knows every photo, its vectors, labels, scores and marks.

`connection` opens it, `migrations` shapes it, and each further module serves one family of tables with plain
functions that take the `Catalog` first. Work is a query, not a queue: what is to be done follows from these
tables, so a kill at any point loses nothing but the step in hand.
"""

from keeprate.catalog import sqlite_library  # noqa: F401 (before anything else imports sqlite-utils)
from keeprate.catalog.connection import Catalog, open_catalog

__all__ = ["Catalog", "open_catalog"]
