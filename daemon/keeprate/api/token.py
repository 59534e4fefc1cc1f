"""The token that programs show on 127.0.0.1. It lies in a file that only its user can read; browsers never get it."""

from __future__ import annotations

import contextlib
import errno
import hmac
import os
import secrets
from pathlib import Path

from keeprate.errors import KeeprateError
from keeprate.paths import Home

_SHORTEST = 32


def token(home: Home) -> str:
    """The token of this home, made once and kept; on a full disk one that nobody gets to know.

    Raises:
        KeeprateError: it cannot be read or written.
    """
    path = home.token_file
    made = secrets.token_urlsafe(32)
    try:
        with contextlib.suppress(FileNotFoundError):
            kept = path.read_text("ascii", "replace").strip()
            path.chmod(0o600)
            if len(kept) >= _SHORTEST and kept.isascii():
                return kept
        _write_private(path, made + "\n")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return made  # the unix socket and the page need none
        raise KeeprateError(f"The token cannot be kept: {error.strerror or error}.", path=path) from error
    return made


def is_token(said: str, right: str) -> bool:
    """Compare in a time that does not tell how much of it was right."""
    return hmac.compare_digest(said.encode("utf-8", "surrogateescape"), right.encode("ascii"))


def _write_private(path: Path, text: str) -> None:
    """Put a file of mode 0600 in place at once, whatever stood there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("ascii"))
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
