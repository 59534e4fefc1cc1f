"""Places on this machine that the menu opens: view folders and the settings file, with the desktop's own programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from keeprate.config.models import Config
from keeprate.config.workspace import config_of
from keeprate.errors import KeeprateError
from keeprate.installation.state import service_state
from keeprate.paths import Home
from keeprate.tray.state import Places


def places_of(home: Home, *, running: bool) -> Places:
    """What there is to open and, unless it is `running`, to start, as the config and the folders are now."""
    settings = home.config_file if home.config_file.is_file() else None
    return Places(_view_folders(home), settings, not running and _startable(home))


def notifications_wanted(home: Home) -> bool:
    config = _config(home)
    return config is None or config.tray.notifications


def _config(home: Home) -> Config | None:
    try:
        return config_of(home)
    except KeeprateError:  # the daemon and `keeprate config check` say what is wrong with it
        return None


def _view_folders(home: Home) -> tuple[tuple[str, Path], ...]:
    config = _config(home)
    if config is None:
        return ()
    named = ((one, one.marks.get("order", {}).get("view_folder")) for one in config.library)
    folders = ((one.name, one.root / Path(name).expanduser()) for one, name in named if isinstance(name, str) and name)
    return tuple((library, folder) for library, folder in folders if folder.is_dir())


def _startable(home: Home) -> bool:
    try:
        state = service_state(home)
    except (KeeprateError, OSError, NotImplementedError):
        return False
    return state.installed and not state.why_not and state.program_exists


def open_with_desktop(what: Path | str) -> None:
    """Open a file, a folder or an address as a double click would.

    Raises:
        KeeprateError: there is nothing that opens it.
    """
    program = "open" if sys.platform == "darwin" else "xdg-open"
    try:
        subprocess.Popen(
            [program, os.fspath(what)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise KeeprateError(f"{program} cannot be started: {error.strerror}.") from error


def run_keeprate(*arguments: str) -> None:
    """Run a keeprate command of the same home to its end.

    Raises:
        KeeprateError: it failed; says what it said.
    """
    done = subprocess.run(
        [sys.executable, "-m", "keeprate", *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        said = " ".join(done.stderr.decode("utf-8", "replace").split()).removeprefix("keeprate: ")
        raise KeeprateError(said or f"keeprate {' '.join(arguments)} ended with {done.returncode}.")
