"""Links of a view folder on the disk: which are ours, and how one is made, moved, replaced and removed.

A link is ours if it leads into the library and bears the name that we would give it. Nothing here touches anything
else. Paths are texts and calls go to `os`: there may be 100,000 links, and `Path` would take as long as the disk.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from keeprate.renaming import rename_new
from keeprate.safe_files import TEMPORARY_PREFIX, sweep_temporaries
from keeprate_order.view_names import NameParts, parts_of


class OurLink(NamedTuple):
    """A link of ours that stands: what it holds, and what its name says."""

    target: str
    parts: NameParts


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands in a view folder and its sections, by name (`section/name` in a section)."""

    ours: dict[str, OurLink] = field(default_factory=dict)
    strangers: set[str] = field(default_factory=set)


def look_at(folder: Path, sections: Collection[str], roots: Iterable[str]) -> Standing:
    """Everything in `folder` and in those of its subfolders that are named in `sections`.

    `roots`: links to below one of these can be ours.
    """
    real, prefixes = os.path.realpath(folder), tuple(root.rstrip("/") + "/" for root in roots)
    standing = Standing()
    for section in ("", *sections):
        place = f"{real}/{section}" if section else real
        try:
            if not stat.S_ISDIR(os.lstat(place).st_mode):
                continue
            with os.scandir(place) as entries:
                for entry in entries:
                    name = f"{section}/{entry.name}" if section else entry.name
                    if not section and name in sections and entry.is_dir(follow_symlinks=False):
                        continue
                    link = _our_link(entry, place, prefixes) if entry.is_symlink() else None
                    if link is None:
                        standing.strangers.add(name)
                    else:
                        standing.ours[name] = link
        except FileNotFoundError:
            continue
    return standing


def _our_link(entry: os.DirEntry[str], place: str, prefixes: tuple[str, ...]) -> OurLink | None:
    try:
        target = os.readlink(entry.path)  # noqa: PTH115
    except OSError:
        return None  # gone meanwhile, or replaced by something else
    straight = target.startswith("/") and "/." not in target and "//" not in target
    path = target if straight else os.path.normpath(f"{place}/{target}" if target[:1] != "/" else target)
    if not path.startswith(prefixes):
        return None
    parts = parts_of(entry.name, target)
    return None if parts is None else OurLink(target, parts)


def make_link(link: str, target: str) -> None:
    """Make a new link; it is there whole or not at all, and overwrites nothing.

    Raises:
        FileExistsError: something bears the name.
        OSError: it cannot be made.
    """
    os.symlink(target, link)  # noqa: PTH211


def move_link(old: str, new: str, target: str) -> None:
    """Give our link to `target` another name; one step where the system can, so that it never stands twice.

    It is dated now: a link of ours that is older than the user's word about its name was put there by the user
    (decision 89).

    Raises:
        FileExistsError: something bears the new name.
        OSError: it cannot be moved.
    """
    if _holds(old, target) and rename_new(old, new):
        os.utime(new, follow_symlinks=False)
    else:
        make_link(new, target)
        remove_link(old, target)


def replace_link(link: str, target_seen: str, target: str) -> None:
    """Let our link that holds `target_seen` hold `target`; what somebody else put there a moment ago stays."""
    temporary = f"{os.path.dirname(link)}/{temporary_name()}"
    os.symlink(target, temporary)  # noqa: PTH211
    if _holds(link, target_seen):
        os.replace(temporary, link)  # noqa: PTH105
    else:
        os.unlink(temporary)  # noqa: PTH108


def remove_link(link: str, target_seen: str) -> None:
    """Remove our link if it still holds `target_seen`."""
    if _holds(link, target_seen):
        os.unlink(link)  # noqa: PTH108


def temporary_name() -> str:
    return f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}.tmp"


def is_temporary(name: str) -> bool:
    return name.startswith(TEMPORARY_PREFIX) and name.endswith(".tmp")


def tidy(folder: Path, sections: Iterable[str]) -> None:
    """Remove temporary links and files that a killed run left, however young they are, and empty sections."""
    for section in ("", *sections):
        place = folder / section
        if section and (place.is_symlink() or not place.is_dir()):
            continue
        for name in [name for name in os.listdir(place) if is_temporary(name)]:  # noqa: PTH208
            if (place / name).is_symlink():
                (place / name).unlink()
        sweep_temporaries(place, minimum_age_s=0)
        if section:
            with suppress(OSError):  # links are in it, or what somebody else put there
                place.rmdir()


def _holds(link: str, target: str) -> bool:
    try:
        return os.readlink(link) == target  # noqa: PTH115
    except OSError:
        return False  # gone, or no link any more
