"""The errors that a person is shown.

One root class. Each carries what happened, to which file, and what to do about it; `slug` names its section
in docs/messages.md. Foreign errors (OSError, sqlite3.Error, …) are translated once, at the edge.
"""

from __future__ import annotations

from pathlib import Path


class KeeprateError(Exception):
    """Base of every error that is shown to a user.

    `what` is one sentence that says what happened; `advice` one sentence that says what to do; `path` the file
    or folder concerned. `exit_code` is what the command line ends with: 1 failed, 2 usage, 3 daemon not running,
    69 no desktop; `run` has one more (`service.daemon.UNUSABLE_CATALOG`).
    """

    slug = "failed"
    exit_code = 1

    def __init__(self, what: str, *, advice: str = "", path: Path | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice
        self.path = path


class ConfigError(KeeprateError):
    """The config file cannot be read or says something that makes no sense."""

    slug = "config"
    exit_code = 2


class UsageError(KeeprateError):
    """The command was asked for something that does not exist or makes no sense."""

    slug = "usage"
    exit_code = 2


class CatalogError(KeeprateError):
    """The catalog cannot be opened, is damaged, or was written by a newer keeprate."""

    slug = "catalog"


class CatalogDamagedError(CatalogError):
    """The catalog cannot be read any more; trying again does not help."""


class ModelError(KeeprateError):
    """A vision model is unknown, cannot be loaded, or gives vectors of an unexpected length."""

    slug = "model"


class LibraryOfflineError(KeeprateError):
    """A library's root is missing, empty or replaced: nothing is forgotten and nothing is learned."""

    slug = "library-offline"


class BusyError(KeeprateError):
    """Another keeprate process holds the lock of this home."""

    slug = "busy"


class DaemonNotRunningError(KeeprateError):
    """The command needs a running daemon and there is none."""

    slug = "daemon-not-running"
    exit_code = 3


class DiskFullError(KeeprateError):
    """There is no room left to write to; what was there before is untouched."""

    slug = "disk-full"


class TrayUnavailableError(KeeprateError):
    """There is no desktop, or none that shows icons."""

    slug = "no-tray"
    exit_code = 69
