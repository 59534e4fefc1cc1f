"""What keeprate says about its own values, in an attribute beside them, and how the journal keeps all of them.

The claim is short (`2c41d7;stars=8`): ext4 has some 24 bytes for it in the inode, and takes a block of 4 KiB for
every file that needs more. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_from_bytes, unquote_to_bytes

from keeprate.plugin_api import MarkRefusedError

_KEY_CHARACTERS = 6
_SAFE = " ,"
"""Characters of a value, besides letters, digits and `_.-~`, that need no `%`."""


def short_key(content_key: str) -> str:
    """As much of a content key as tells one picture from another in a claim."""
    return content_key[-_KEY_CHARACTERS:]


@dataclass(frozen=True, slots=True)
class Claim:
    """Which values keeprate wrote into a file, by channel name, and which channels the user has taken over since."""

    key: str
    """The short key of the picture that they were made for."""
    wrote: Mapping[str, bytes] = field(default_factory=dict)
    user_owns: frozenset[str] = frozenset()
    unfinished: Mapping[str, bytes] | None = None
    """While values are being written: which of ours may still stand. None: nothing is being written."""

    def may_be_ours(self, name: str) -> tuple[bytes, ...]:
        """The values that may stand in a channel and be ours."""
        found = (self.wrote.get(name), (self.unfinished or {}).get(name))
        return tuple(value for value in found if value is not None)

    def encoded(self) -> bytes | None:
        """As it stands in the attribute; None if it says nothing."""
        parts = [f"{name}={quote_from_bytes(value, _SAFE)}" for name, value in self.wrote.items()]
        parts += [f"{name}!" for name in sorted(self.user_owns)]
        if self.unfinished is not None:
            parts += [f"{name}?{quote_from_bytes(value, _SAFE)}" for name, value in self.unfinished.items()] or ["?"]
        return ";".join([self.key, *parts]).encode() if parts else None

    @staticmethod
    def decoded(text: bytes | None) -> Claim | None:
        """The claim in an attribute; None if there is none. What cannot be understood claims nothing."""
        if text is None:
            return None
        key, *parts = text.decode("utf-8", "replace").split(";")
        values: dict[str, dict[str, bytes]] = {"=": {}, "?": {}}
        for part in parts:
            mark = next((character for character in part if character in values), None)
            if mark is not None:
                name, _, value = part.partition(mark)
                values[mark][name] = unquote_to_bytes(value)
        unfinished = {name: value for name, value in values["?"].items() if name} if values["?"] else None
        owned = frozenset(part[:-1] for part in parts if part.endswith("!"))
        return Claim(key, values["="], owned, unfinished)


@dataclass(frozen=True, slots=True)
class Attributes:
    """The attributes of one file that a photo manager has to do with, the claim's included."""

    values: Mapping[str, bytes]
    """Attribute name → value; what is missing does not stand there."""

    def encoded(self) -> bytes | None:
        """As the journal keeps it: JSON, bytes as Latin-1 so that any come back; None if nothing stands."""
        if not self.values:
            return None
        return json.dumps({name: self.values[name].decode("latin-1") for name in sorted(self.values)}).encode("ascii")

    @staticmethod
    def decoded(entry: bytes | None) -> Attributes:
        """The attributes in a journal entry.

        Raises:
            MarkRefusedError: it was written by something else.
        """
        try:
            found = json.loads(entry) if entry is not None else {}
            return Attributes({name: value.encode("latin-1") for name, value in found.items()})
        except (ValueError, AttributeError) as error:
            raise MarkRefusedError("this journal entry was not written by this version of keeprate") from error
