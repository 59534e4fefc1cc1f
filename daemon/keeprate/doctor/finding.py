"""What the doctor looks at, and what a check has to say about it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from keeprate.catalog.connection import Catalog
from keeprate.config.models import Config
from keeprate.paths import Home

LOOK_PATIENCE_S = 2.0
"""So long another process may keep the catalog to itself before the doctor goes on without it."""


class State(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """keeprate works, but not as well as it could."""
    ERROR = "error"
    """Something does not work until the advice is followed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. Names stay as they are; sentences are for people and may change."""

    name: str
    state: State
    sentence: str
    advice: str = ""
    """What to do, in one sentence or as a command; empty if there is nothing to be done."""
    library: str | None = None
    """Which library it is about."""


@dataclass(frozen=True, slots=True)
class Patient:
    """The installation that is looked at; `config` is an empty one where the file makes no sense."""

    home: Home
    config: Config

    @contextmanager
    def catalog(self) -> Iterator[Catalog | None]:
        """The catalog, read only and for the calling thread; None if there is none yet."""
        path = self.home.catalog_file
        if not path.exists():
            yield None
            return
        conn = open_read_only(path)
        try:
            yield catalog_on(conn, path)
        finally:
            conn.close()


def catalog_on(conn: sqlite3.Connection, path: Path) -> Catalog:
    """A catalog over a connection that is open already; nothing is migrated."""
    from sqlite_utils import Database  # not above: `keeprate.catalog` has it imported without pandas

    return Catalog(Database(conn, execute_plugins=False), conn, path)


def open_read_only(path: Path) -> sqlite3.Connection:
    """A connection that can change nothing.

    Raises:
        sqlite3.Error: it is no database, or cannot be read.
    """
    conn = sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=ro", uri=True, timeout=LOOK_PATIENCE_S)
    conn.text_factory = _decoded
    return conn


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")  # as `catalog.connection` has it


@dataclass(frozen=True, slots=True)
class Check:
    """One look at one thing. What it raises becomes a finding too."""

    name: str
    title: str
    """What is being looked at, for whoever waits."""
    look: Callable[[Patient], Iterable[Finding]]
    patience_s: float = 10.0
    """A check that takes longer is given up: a share whose server is gone answers never."""


def ok(name: str, sentence: str, advice: str = "", *, library: str | None = None) -> Finding:
    return Finding(name, State.OK, sentence, advice, library)


def warning(name: str, sentence: str, advice: str = "", *, library: str | None = None) -> Finding:
    return Finding(name, State.WARNING, sentence, advice, library)


def error(name: str, sentence: str, advice: str = "", *, library: str | None = None) -> Finding:
    return Finding(name, State.ERROR, sentence, advice, library)
