"""Compare what the catalog knows with what a walk found.

Pure: takes mappings and what `walk_library` or `look_at` yield, returns what differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keeprate.watching.signature import Signature, StoredSignature
from keeprate.watching.walk import FoundFolder, WalkProblem


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """How the disk differs from the catalog."""

    appeared: dict[str, Signature]
    """Paths that hold a picture now and are unknown."""
    changed: dict[str, Signature]
    """Known paths whose signature is another now."""
    gone: dict[str, StoredSignature]
    """Known paths that hold no picture any more, with the signature that they had."""
    unchanged_count: int
    problems: tuple[WalkProblem, ...]
    """What could not be looked at. Known paths there, or beneath, are not counted as gone."""


def reconcile(
    known: Mapping[str, StoredSignature],
    found: Iterable[FoundFolder | WalkProblem],
    *,
    inodes_last: bool = True,
) -> Reconciliation:
    """Compare `known` (path → signature) with `found`.

    `known` must hold what was looked for and nothing else: the whole library for a walk of the library, the files
    beneath a folder for a walk of that folder, the given paths for `look_at`. Where the file system makes up new
    inode numbers at every mount (`Mount.keeps_inodes`), `inodes_last=False` leaves them out of the comparison.
    """
    missing = dict(known)
    appeared: dict[str, Signature] = {}
    changed: dict[str, Signature] = {}
    problems: list[WalkProblem] = []
    unchanged_count = 0
    take = missing.pop
    for part in found:
        if isinstance(part, WalkProblem):
            problems.append(part)
            continue
        for path, signature in part.files:
            before = take(path, None)
            if before == signature:
                unchanged_count += 1
            elif before is None:
                appeared[path] = signature
            elif inodes_last or before[:3] != signature[:3]:
                changed[path] = signature
            else:
                unchanged_count += 1
    unknown = frozenset(problem.path for problem in problems)
    gone = {path: signature for path, signature in missing.items() if not (unknown and _lies_in(path, unknown))}
    return Reconciliation(appeared, changed, gone, unchanged_count, tuple(problems))


def match_moves(gone: Mapping[str, StoredSignature], appeared: Mapping[str, Signature]) -> dict[str, str]:
    """Files that were moved or renamed: appeared path → the gone path that holds the same content.

    Same inode, size and modification time mean the same content, so not a byte needs to be read; renames that
    change only case or Unicode form are found as well. The change time is left out, since renaming updates it.
    Several names of one file (hard links) are all matched with the same gone path. Not for file systems that
    make up inode numbers (`Mount.keeps_inodes`).
    """
    before = {(inode, size, mtime_ns): path for path, (size, mtime_ns, _, inode) in gone.items()}
    moves: dict[str, str] = {}
    for path, signature in appeared.items():
        source = before.get((signature.inode, signature.size, signature.mtime_ns))
        if source is not None:
            moves[path] = source
    return moves


def _lies_in(path: str, folders: frozenset[str]) -> bool:
    """Whether `path` or a folder above it is one of `folders`."""
    while path:
        if path in folders:
            return True
        path = path[: path.rfind("/")] if "/" in path else ""
    return "/" in folders
