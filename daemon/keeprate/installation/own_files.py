"""Files that keeprate puts where others look: recognised again by a stamp, and never taken from the user.

The stamp in the first lines says which keeprate wrote the file and what the rest of it was then. So a change by hand is
noticed: before the file is written or removed, a copy of it is put beside it, under a name that nobody reads. A file
without a stamp is somebody else's.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from keeprate import __version__
from keeprate.errors import KeeprateError
from keeprate.safe_files import create_file, file_state, read_file, remove_file, replace_file

FileKind = Literal["missing", "current", "outdated", "edited", "foreign"]
"""What stands where a file of ours belongs: nothing, what would be written today, what another keeprate (or another
place of it) wrote, ours with changes by hand, or a file that is not ours."""

_PLACE = "@STAMP@"
_STAMP = re.compile(r"keeprate (\S+), sha256 ([0-9a-f]{16})")
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A file that shall be there. `text` has the place for the stamp still open."""

    path: Path
    text: str

    @property
    def stamped(self) -> str:
        return self.text.replace(_PLACE, f"keeprate {__version__}, sha256 {_digest(self.text)}", 1)


@dataclass(frozen=True, slots=True)
class Found:
    """What is there instead."""

    kind: FileKind
    written_by: str = ""
    """The version of keeprate; empty: not ours."""
    text: str = ""


def look(wanted: OwnFile) -> Found:
    """Compare what is at the file's place with it.

    Raises:
        KeeprateError: it cannot be read.
    """
    path = wanted.path
    if path.is_symlink():
        return Found("foreign")
    try:
        if file_state(path) is None:
            return Found("missing")
        text = read_file(path, maximum_bytes=_LARGEST)[0].decode("utf-8", "surrogateescape")
    except OSError as error:
        raise KeeprateError(f"The file cannot be read: {error.strerror}.", path=path) from error
    stamp = _STAMP.search(text)
    if stamp is None:
        return Found("foreign", text=text)
    body = text.replace(stamp[0], _PLACE, 1)
    if _digest(body) != stamp[2]:
        return Found("edited", stamp[1], text)
    return Found("current" if body == wanted.text else "outdated", stamp[1], text)


def write(wanted: OwnFile) -> str:
    """Put the file there; says in a sentence what happened, or "" if all was as it should be.

    Raises:
        KeeprateError: a link stands there, which somebody else looks after, or it cannot be written.
    """
    found = look(wanted)
    path = wanted.path
    if found.kind == "current":
        return ""
    if path.is_symlink():
        raise KeeprateError(
            "A link stands where keeprate would write its file; it was left alone.",
            path=path,
            advice="Something else looks after it (a masked unit, a manager of dotfiles): unmask or remove it first.",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = _keep(path, found)
        replace_file(path, wanted.stamped.encode())
    except OSError as error:
        raise KeeprateError(f"The file cannot be written: {error.strerror}.", path=path) from error
    match found.kind:
        case "missing":
            return f"{path} was written."
        case "outdated":
            return f"{path} was brought up to date."
        case "edited":
            return f"{path} had been changed by hand: it was written anew, and your version kept as {kept}."
        case _:
            return f"{path} was not keeprate's: it was replaced, and what stood there kept as {kept}."


def remove(wanted: OwnFile) -> str:
    """Take the file away if it is ours; says in a sentence what happened, or "" if nothing was there.

    Raises:
        KeeprateError: it cannot be removed.
    """
    found = look(wanted)
    path = wanted.path
    if found.kind == "missing":
        return ""
    if found.kind == "foreign":
        return f"{path} is not keeprate's: it was left alone."
    try:
        kept = _keep(path, found)
        remove_file(path, expected=found.text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise KeeprateError(f"The file cannot be removed: {error.strerror}.", path=path) from error
    also = f"; as it had been changed by hand, a copy is kept as {kept}" if kept else ""
    return f"{path} was removed{also}."


def _keep(path: Path, found: Found) -> Path | None:
    """Put a copy beside a file that holds what somebody else wrote."""
    if found.kind not in ("edited", "foreign"):
        return None
    for number in range(1, 1000):
        copy = path.with_name(f"{path.name}.bak{number if number > 1 else ''}")
        try:
            create_file(copy, found.text.encode("utf-8", "surrogateescape"))
        except FileExistsError:
            continue
        return copy
    raise KeeprateError("There are too many old copies beside it.", path=path, advice="Remove some of them.")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
