"""Where keeprate keeps its own things: config, catalog, state, runtime files.

`KEEPRATE_WORKSPACE` (or `HEADMASTER_WORKSPACE`) names a workspace, a folder that brings its heads along and holds
everything else of keeprate's in `.keeprate/`. Else `KEEPRATE_HOME` puts all of it in one folder (tests, portable use);
else it goes to the platform's usual places. Whoever writes first makes the folders, with `make_own_folder`: they name
every photo, so nobody else on the machine may look into them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from keeprate.errors import UsageError

WORKSPACE_VARIABLES = ("KEEPRATE_WORKSPACE", "HEADMASTER_WORKSPACE")
"""The first that is set counts; an empty one counts as not set."""
LONGEST_SOCKET_PATH = 104
"""Bytes: 108 on Linux and 104 on macOS, with the zero at the end (unix(7))."""
WORKSPACE_FOLDER = ".keeprate"
"""Where in a workspace keeprate keeps its own things."""
_OUR_NAMES = ("keeprate", WORKSPACE_FOLDER)


@dataclass(frozen=True, slots=True)
class Home:
    """The folders of one keeprate installation of one user, or of one workspace."""

    config_dir: Path
    data_dir: Path
    state_dir: Path
    cache_dir: Path
    runtime_dir: Path
    """For sockets, and nothing else: only we may enter it. Where the system has such folders, gone after a restart."""
    workspace: Path | None = None
    """The folder whose `heads/` says everything about heads; None: the config file does."""

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
    def checkpoints_dir(self) -> Path:
        """Checkpoints in headmaster's format, `<head>.pt`."""
        return (self.workspace or self.data_dir) / "out"

    def test_dir(self, head: str) -> Path | None:
        """Where a workspace keeps the photos that a head is tested on, one folder a bucket."""
        return None if self.workspace is None else self.workspace / "test" / head

    @property
    def views_dir(self) -> Path:
        """View folders of libraries beside whose root nothing can be written."""
        return self.data_dir / "views"

    @property
    def lock_file(self) -> Path:
        """The work lock (flock): held by whoever is at work, the daemon or a command, only as long as it is."""
        return self.state_dir / "keeprate.lock"

    @property
    def daemon_lock_file(self) -> Path:
        """Held (flock) by the daemon as long as it lives: there is one for each home."""
        return self.state_dir / "daemon.lock"

    @property
    def socket_file(self) -> Path:
        """The api's unix socket. Its name is short: 108 bytes are all that a kernel takes."""
        usual = self.runtime_dir / "api.sock"
        if len(os.fsencode(usual)) < LONGEST_SOCKET_PATH:
            return usual
        digest = hashlib.sha256(os.fsencode(self.runtime_dir)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"keeprate-{os.getuid()}" / digest / "api.sock"

    @property
    def token_file(self) -> Path:
        """What a program has to show on 127.0.0.1 (mode 0600)."""
        return self.state_dir / "token"

    @property
    def log_file(self) -> Path:
        """The daemon's log where no journal keeps it."""
        return self.state_dir / "keeprate.log"

    @property
    def backups_dir(self) -> Path:
        """Copies of the catalog, one a day."""
        return self.data_dir / "backups"

    @property
    def thumbnails_dir(self) -> Path:
        return self.cache_dir / "thumbnails"


def expanded(path: str | Path) -> Path:
    """`path` with `~` as the home of its user.

    Raises:
        UsageError: there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(
            "The path begins with the home of a user that does not exist.",
            path=Path(path),
            advice="Write it out, or put ./ before a folder that is called so.",
        ) from error


def make_own_folder(folder: Path) -> None:
    """See to it that a folder of keeprate's own is there. What is made is for its user alone, as XDG has it.

    Raises:
        OSError: it cannot be made.
    """
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def open_private(path: str | Path, flags: int) -> int:
    """An `opener` for `open`: a file that it makes is for its user alone."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def write_private(path: Path, data: bytes) -> None:
    """Write a file of keeprate's own that nothing depends on; it is for its user alone.

    Raises:
        OSError: it cannot be written.
    """
    with open(path, "wb", opener=open_private) as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)


def close_to_others(home: Home) -> None:
    """Close the folders to others that are open from the time before `make_own_folder`.

    Ours alone are those that bear our name, and those below. Any other, such as one that `KEEPRATE_HOME` names, may
    hold more than our things: it keeps its permissions, and only what we put into it is closed.
    """
    named = [one for one in (home.config_dir, home.data_dir, home.state_dir, home.cache_dir) if one.name in _OUR_NAMES]
    for own in {*named, home.backups_dir, home.heads_dir, home.thumbnails_dir}:
        with contextlib.suppress(OSError):
            seen = own.lstat()
            if stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.getuid() and seen.st_mode & 0o077:
                own.chmod(stat.S_IMODE(seen.st_mode) & 0o700)


def locate_home() -> Home:
    """The home that this process works with: a workspace, `KEEPRATE_HOME`, or the platform's directories.

    Raises:
        UsageError: a workspace is named that is no folder, or a home that cannot be found.
    """
    named = next(((name, value) for name in WORKSPACE_VARIABLES if (value := os.environ.get(name))), None)
    if named is not None:
        return _home_of_workspace(*named)
    portable = os.environ.get("KEEPRATE_HOME")
    if portable:
        root = expanded(portable).absolute()
        return Home(root, root, root, root / "cache", root / "run")
    dirs = platformdirs.PlatformDirs("keeprate", appauthor=False)
    return Home(
        dirs.user_config_path, dirs.user_data_path, dirs.user_state_path, dirs.user_cache_path,
        _runtime_dir(dirs.user_state_path),
    )  # fmt: skip


def _runtime_dir(state_dir: Path) -> Path:
    """In the user's own folder that the system makes at login. It is there for cron, too, but `su` leaves another's.

    Without one, in our own state folder: not in `/tmp`, where anybody may have been before us.
    """
    for system in (os.environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{os.getuid()}"):
        with contextlib.suppress(OSError):
            folder = Path(system)
            seen = folder.stat()
            if folder.is_absolute() and stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.getuid():
                return folder / "keeprate"
    return state_dir / "run"


def _home_of_workspace(variable: str, value: str) -> Home:
    workspace = Path(os.path.normpath(expanded(value).absolute()))
    if not workspace.is_dir():
        raise UsageError(
            f"There is no such workspace (--workspace or {variable} names it).",
            path=workspace,
            advice=f"Make it with its first head: mkdir -p {workspace}/heads/hotdog/positive, …/negative.",
        )
    own = workspace / WORKSPACE_FOLDER
    return Home(own, own, own, own / "cache", own / "run", workspace)
