"""How a link in a view folder is named, so that sorting by name is sorting by score: `00120_0.93_IMG.jpg`.

Pure. The name alone, together with what the link points to, tells whether a link is ours: it is the one that
this module would give it.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePath
from typing import NamedTuple

from keeprate_order.numbering import STEP

NAME_MAX_BYTES = 255
"""The longest file name on all common file systems (NAME_MAX of Linux and macOS)."""

_MINIMUM_DIGITS = 4
_LONGEST_SUFFIX_BYTES = 16
_MAXIMUM_LETTER_BYTES = 4
"""Of UTF-8."""
_LINK_NAME = re.compile(r"(?P<number>[0-9]{4,12})_(?P<score>[01]\.[0-9]{2})_.", re.DOTALL)


class NameParts(NamedTuple):
    """What a link's name says: its number, how many digits that has, and the score as text."""

    number: int
    digits: int
    score: str


def digits_for(count: int) -> int:
    """How many digits the numbers of `count` links need."""
    return max(_MINIMUM_DIGITS, len(str(STEP * count)))


def link_name(number: int, digits: int, score: str, photo_name: str) -> str:
    """The name of a link: number, score and the photo's own name, its stem cut where it would be too long.

    `photo_name` may hold bytes that are no UTF-8 (as Python's surrogate escapes); they are kept.
    """
    prefix = f"{number:0{digits}d}_{score}_"
    if len(prefix) + _MAXIMUM_LETTER_BYTES * len(photo_name) <= NAME_MAX_BYTES:
        return prefix + photo_name  # the usual case, without a look at bytes
    name = os.fsencode(photo_name)
    excess = len(prefix) + len(name) - NAME_MAX_BYTES
    if excess > 0:
        suffix = os.fsencode(PurePath(photo_name).suffix)
        if len(suffix) > _LONGEST_SUFFIX_BYTES:
            suffix = b""
        end = len(name) - len(suffix) - excess
        while end > 0 and name[end] & 0xC0 == 0x80:  # not in the middle of a UTF-8 character
            end -= 1
        name = name[:end] + suffix
    return prefix + os.fsdecode(name)


def parts_of(name: str, target: str) -> NameParts | None:
    """Take the name of a link that points to `target` apart; None if we would not have named it so."""
    match = _LINK_NAME.match(name)
    if match is None:
        return None
    parts = NameParts(int(match["number"]), len(match["number"]), match["score"])
    photo_name = target.rpartition("/")[2]
    if name[match.end("score") + 1 :] == photo_name and _MAXIMUM_LETTER_BYTES * len(name) <= NAME_MAX_BYTES:
        return parts  # what follows says the same, and takes longer
    return parts if link_name(parts.number, parts.digits, parts.score, photo_name) == name else None
