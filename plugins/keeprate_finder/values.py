r"""The value of the Finder's attribute for tags: a binary property list, an array of texts. Pure.

Each text is a tag's name, then usually a line break and the number of its colour: `Red\n6`. Its seven colours are
tags too, named in the language of the system (`Rot\n6`).
"""

from __future__ import annotations

import plistlib
from xml.parsers.expat import ExpatError

COLOURS = ("", "Gray", "Green", "Purple", "Blue", "Yellow", "Red", "Orange")
"""The English names by number; 0 is none."""


def packed(tags: list[str]) -> bytes | None:
    """Tags as the attribute holds them; None for none. A name that is a colour's gets its number."""
    if not tags:
        return None
    return plistlib.dumps([f"{tag}\n{COLOURS.index(tag) if tag in COLOURS else 0}" for tag in tags], fmt=_BINARY)


def unpacked(value: bytes) -> list[str] | None:
    """The texts in the attribute; None if it is not a list of texts."""
    try:
        found = plistlib.loads(value) if value else []
    except (plistlib.InvalidFileException, ExpatError, ValueError, RecursionError, OverflowError):
        return None
    return found if isinstance(found, list) and all(isinstance(text, str) for text in found) else None


def has_no_tags(value: bytes) -> bool:
    """Whether there is not one tag; what cannot be read counts as some."""
    return unpacked(value) == []


def tags_without(value: bytes, ours: bytes) -> bytes | None:
    """The tags that others have added to ours."""
    standing, ours_alone = unpacked(value), unpacked(ours)
    if value == ours or standing is None or ours_alone is None:
        return None if value == ours else value
    remaining = [text for text in standing if text not in ours_alone]
    if remaining == standing:
        return value
    return plistlib.dumps(remaining, fmt=_BINARY) if remaining else None


def colour_in(value: bytes) -> str | None:
    """The English name of the first coloured tag's colour."""
    numbers = (_colour_number(text) for text in unpacked(value) or [])
    return next((COLOURS[number] for number in numbers if number), None)


def keywords_in(value: bytes) -> tuple[str, ...]:
    """The names of the tags that are more than a colour: sorted, each once."""
    names = {
        text.partition("\n")[0].strip()
        for text in unpacked(value) or []
        if text.partition("\n")[0] != COLOURS[_colour_number(text)]
    }
    return tuple(sorted(names - {""}))


def _colour_number(text: str) -> int:
    number = text.partition("\n")[2]
    return int(number) if number in ("1", "2", "3", "4", "5", "6", "7") else 0


_BINARY = plistlib.FMT_BINARY
