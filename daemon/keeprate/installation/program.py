"""Which command starts this very installation of keeprate, and what must be in its environment.

The console script beside this code is found by the installed package's own list of files, which is right in a virtual
environment, with pipx and uv, and for `pip install --user`; `PATH` may name another one. Without a script it is this
interpreter with `-m keeprate`.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from keeprate.paths import Home

CARRIED = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE")
"""Variables of the shell that decide where things lie; the service manager does not know them."""
_PASSING_FOLDERS = frozenset({".cache", "Caches"})


@dataclass(frozen=True, slots=True)
class Program:
    """How to start keeprate."""

    command: tuple[str, ...]
    """The program with an absolute path, and what comes before keeprate's own arguments."""
    environment: tuple[tuple[str, str], ...]

    @property
    def file(self) -> Path:
        return Path(self.command[0])

    @property
    def passing(self) -> bool:
        """Whether it lies where things are cleaned up by themselves (`uvx`, `pipx run`)."""
        return bool(_PASSING_FOLDERS & set(self.file.parts)) or self.file.is_relative_to(tempfile.gettempdir())


@dataclass(frozen=True, slots=True)
class Names:
    """What the service of one home is called. The usual home's is just `keeprate`."""

    suffix: str
    title: str

    @property
    def unit(self) -> str:
        return f"keeprate{self.suffix}.service"

    @property
    def agent(self) -> str:
        """launchd's label."""
        return f"keeprate.daemon{self.suffix}"

    @property
    def tray_entry(self) -> str:
        return f"keeprate-tray{self.suffix}.desktop"

    @property
    def tray_agent(self) -> str:
        return f"keeprate.tray{self.suffix}"


def names_of(home: Home) -> Names:
    """A home of its own (`KEEPRATE_HOME`, a workspace) has a service of its own beside the usual one."""
    root = own_root(home)
    if root is None:
        return Names("", "keeprate")
    slug = re.sub(r"[^a-z0-9]+", "-", root.name.lower()).strip("-")[:24] or "home"
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:6]
    return Names(f"-{slug}-{digest}", f"keeprate ({slug})")


def own_root(home: Home) -> Path | None:
    """The one folder of a home that is not the user's usual one."""
    if home.workspace is not None:
        return home.workspace
    return home.config_dir if home.cache_dir == home.config_dir / "cache" else None


def this_program(home: Home) -> Program:
    """The command that is running now, to be started on `home` by somebody else."""
    return Program(_command(), tuple(_environment(home)))


def _command() -> tuple[str, ...]:
    script = _script()
    # -P: not what happens to lie in the folder that it is started in
    return (str(script),) if script is not None else (sys.executable, "-P", "-m", "keeprate")


def _script() -> Path | None:
    try:
        listed = importlib.metadata.distribution("keeprate").files or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for entry in listed:
        if entry.name == "keeprate" and "bin" in entry.parts:
            # normpath, not resolve: a link in the way may be what survives the next update
            script = Path(os.path.normpath(str(entry.locate())))
            if os.access(script, os.X_OK):
                return script
    return None


def _environment(home: Home) -> list[tuple[str, str]]:
    root = own_root(home)
    if root is not None:
        name = "KEEPRATE_HOME" if home.workspace is None else "KEEPRATE_WORKSPACE"
        first = [(name, str(root))]
    else:
        first = []
    wanted = [name for name in CARRIED if root is None or not name.startswith("XDG_")]
    return first + [(name, value) for name in wanted if (value := os.environ.get(name))]


def installed_at() -> float | None:
    """When this installation was put in place or last updated, in unix seconds."""
    try:
        listed = importlib.metadata.distribution("keeprate").files or []
        return next((os.stat(str(entry.locate())).st_mtime for entry in listed if entry.name == "METADATA"), None)
    except (importlib.metadata.PackageNotFoundError, OSError):
        return None


def tray_installed() -> bool:
    """Whether the extra `tray` is there; pystray itself is not imported, which needs a display."""
    return importlib.util.find_spec("pystray") is not None
