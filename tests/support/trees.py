"""Small libraries on disk, and what a walk finds in them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from keeprate.watching.signature import Signature
from keeprate.watching.walk import FoundFolder, WalkProblem

SUFFIXES = (".jpg", ".jpeg", ".png", ".heic", ".cr2")


def is_picture(name: str) -> bool:
    """A test by suffix, as the real one is."""
    return name.lower().endswith(SUFFIXES)


def make_files(root: Path, *names: str) -> None:
    """Files at these paths beneath `root`, each with its own path as content; a name that ends in / is a folder."""
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.fsencode(name))


def files_in(found: Iterable[FoundFolder | WalkProblem]) -> dict[str, Signature]:
    """path → signature of all pictures; fails if one comes twice."""
    files: dict[str, Signature] = {}
    for part in found:
        if isinstance(part, FoundFolder):
            for path, signature in part.files:
                assert path not in files, f"{path} was found twice"
                files[path] = signature
    return files


def names_in(root: Path, found: Iterable[FoundFolder | WalkProblem]) -> list[str]:
    """The pictures found, sorted, as paths below `root`."""
    return sorted(path.removeprefix(f"{root}/") for path in files_in(found))
