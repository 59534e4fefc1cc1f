"""Where keeprate keeps its own things: config, catalog, state, runtime files.

`KEEPRATE_HOME` puts all of them in one folder (tests, portable use); otherwise the platform's usual places.
Nothing here creates a folder: whoever writes first does.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs


@dataclass(frozen=True, slots=True)
class Home:
    """The folders of one keeprate installation of one user."""

    config_dir: Path
    data_dir: Path
    state_dir: Path
    cache_dir: Path

    @property
    def config_file(self) -> Path:
        return self.config_dir / "config.toml"

    @property
    def catalog_file(self) -> Path:
        return self.data_dir / "catalog.db"

    @property
    def heads_dir(self) -> Path:
        """Head versions: safetensors + JSON, one pair a version."""
        return self.data_dir / "heads"

    @property
    def views_dir(self) -> Path:
        """View folders of libraries beside whose root nothing can be written."""
        return self.data_dir / "views"

    @property
    def lock_file(self) -> Path:
        """Held (flock) by whoever writes the catalog: the daemon, or a command that works without it."""
        return self.state_dir / "keeprate.lock"


def locate_home() -> Home:
    """The home that this process works with, from `KEEPRATE_HOME` or the platform's directories."""
    portable = os.environ.get("KEEPRATE_HOME")
    if portable:
        root = Path(portable).expanduser().absolute()
        return Home(root, root, root, root / "cache")
    dirs = platformdirs.PlatformDirs("keeprate", appauthor=False)
    return Home(dirs.user_config_path, dirs.user_data_path, dirs.user_state_path, dirs.user_cache_path)
