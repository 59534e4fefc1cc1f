"""Where the daemon listens: a unix socket that only its user can open, and 127.0.0.1 for browsers."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from keeprate.errors import BusyError, KeeprateError
from keeprate.paths import Home
from keeprate.steps.lock import lock_holder

LOOPBACK = "127.0.0.1"
BACKLOG = 512
"""Connections that wait; the kernel may cut it to less."""


def open_unix_socket(home: Home) -> socket.socket:
    """A listening socket (mode 0600) in a folder of our own (0700). One that a killed daemon left behind is replaced.

    Raises:
        BusyError: something stands there, and we are not the daemon of this home.
        KeeprateError: the folder is not ours, or the socket cannot be made.
    """
    path = home.socket_file
    make_private(path.parent)
    try:
        _remove_stale(home, path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # it has its final name only once it listens and is ours alone; this one is no longer than that
            beginning = path.with_name("new.sock")
            beginning.unlink(missing_ok=True)
            listener.bind(os.fspath(beginning))
            beginning.chmod(0o600)
            listener.listen(BACKLOG)
            beginning.rename(path)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        advice = "Not every file system can hold a socket; put keeprate's home on another disk." * (
            error.errno in {errno.EPERM, errno.EOPNOTSUPP}
        )
        raise KeeprateError(
            f"The api's socket cannot be made: {error.strerror or error}.", path=path, advice=advice
        ) from error
    return listener


def make_private(folder: Path) -> None:
    """See to it that `folder` is there and nobody else can look or put anything into it.

    Raises:
        KeeprateError: somebody else's folder stands there, or it cannot be made.
    """
    try:
        for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
            _refuse_strangers(missing.parent)
            missing.mkdir(mode=0o700, exist_ok=True)
        _refuse_strangers(folder.parent)
        state = folder.lstat()
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid():
            raise _of_somebody_else(folder)
        if stat.S_IMODE(state.st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError as error:
        raise KeeprateError(
            f"The folder for the api's socket cannot be made: {error.strerror or error}.", path=folder
        ) from error


def _refuse_strangers(above: Path) -> None:
    """Nothing is made or trusted in a folder, or behind a link, that another user could exchange."""
    if not {above.lstat().st_uid, above.stat().st_uid} <= {0, os.getuid()}:
        raise _of_somebody_else(above)


def _of_somebody_else(folder: Path) -> KeeprateError:
    return KeeprateError(
        "The folder for the api's socket belongs to somebody else.",
        path=folder,
        advice="Remove it, or have it removed, and start again.",
    )


def _remove_stale(home: Home, path: Path) -> None:
    """Whoever holds the daemon's lock knows that no other daemon listens; nobody else may remove a socket."""
    if not path.is_symlink() and not path.exists():
        return
    if lock_holder(home.daemon_lock_file) != os.getpid():
        raise BusyError("Another daemon listens here, or something stands in the place of its socket.", path=path)
    path.unlink()


def open_web_socket(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; `port` 0: any that is free.

    Raises:
        KeeprateError: the port is taken, or may not be used.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        why = "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise KeeprateError(
            f"The page is not served: port {port} on {LOOPBACK} {why}.",
            advice="Choose another `port` under [api] in the config (0: any that is free), and run "
            "`keeprate config reload`.",
        ) from error
    return listener
