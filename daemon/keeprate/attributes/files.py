"""Read, change and restore the attributes of files, each change as a whole.

Two attributes cannot be written at once. So the claim first says that something is being written, and what of ours may
still stand; then the values follow; then the claim says what stands. Killed in between, nothing is mistaken for the
user's, and nothing for removed by the user. Content and modification time stay; the change time does not.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from keeprate.attributes.claim import Attributes, Claim
from keeprate.attributes.ownership import Scheme, put
from keeprate.attributes.store import UNSUPPORTED, AttributeStore, opened
from keeprate.plugin_api import JournalEntry, MarkRefusedError, UndoOutcome

_NO_ROOM = frozenset({errno.ENOSPC, errno.E2BIG, errno.ERANGE})
"""Rarely the disk: ext4 keeps all attributes of a file in its inode and one block."""


class UnsupportedError(Exception):
    """The file system keeps no extended attributes."""


@dataclass(frozen=True, slots=True)
class AttributeFiles:
    """The attributes of the files of one library."""

    store: AttributeStore
    scheme: Scheme
    root: Path
    """Its links resolved: links that lead out of it are not followed when something is written."""

    def read(self, path: Path) -> Attributes:
        """What stands at a file, links followed.

        Raises:
            UnsupportedError: its file system keeps no attributes.
            OSError: it cannot be read.
        """
        with opened(Path(os.path.realpath(path))) as descriptor:
            return self._read(descriptor)

    def change(self, path: Path, before: bytes | None, after: bytes | None) -> None:
        """Bring a file from `before` to `after`, both encoded.

        Raises:
            MarkRefusedError: it is not as it was, or does not take them; nothing was changed.
            UnsupportedError, OSError: it cannot be written; nothing was changed.
        """
        with self._held(path) as descriptor:
            here = self._read(descriptor)
            if here.encoded() != before:
                raise MarkRefusedError("its attributes have been changed since this was planned")
            self._write(descriptor, here, Attributes.decoded(after))

    def standing(self, entry: JournalEntry) -> bytes | None:
        """What stands at the file of an entry, wherever it went; None if nothing does.

        Raises:
            OSError: it cannot be told.
        """
        for path in _places(entry):
            with suppress(FileNotFoundError, UnsupportedError):
                return self.read(path).encoded()
        return None

    def undo(self, entry: JournalEntry) -> UndoOutcome:
        """Take back what an entry wrote, also at copies of the file that still carry exactly the same.

        Raises:
            MarkRefusedError, OSError: nothing was changed.
        """
        for place in _places(entry):
            try:
                outcome = self._undo(place, entry)
            except (FileNotFoundError, UnsupportedError):
                continue
            for copy in entry.photo_paths:
                if copy != place:
                    self._undo_copy(copy, entry)
            return outcome
        return UndoOutcome.GONE

    def _undo(self, path: Path, entry: JournalEntry) -> UndoOutcome:
        before, after = Attributes.decoded(entry.before), Attributes.decoded(entry.after)
        with self._held(path) as descriptor:
            here = self._read(descriptor)
            target = self.scheme.taken_back(here, before, after)
            if target != here:
                self._write(descriptor, here, target)
        if target == before:
            return UndoOutcome.RESTORED
        return UndoOutcome.NOT_OURS if target == here else UndoOutcome.REMOVED_OURS

    def _undo_copy(self, path: Path, entry: JournalEntry) -> None:
        with suppress(OSError, UnsupportedError, MarkRefusedError):  # the entry does not promise it
            if entry.after is not None and self.read(path).encoded() == entry.after:
                self._undo(path, entry)

    @contextmanager
    def _held(self, path: Path) -> Iterator[int]:
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(self.root):
            raise MarkRefusedError("it is a link out of the library")
        with opened(real) as descriptor:
            yield descriptor

    def _read(self, descriptor: int) -> Attributes:
        values: dict[str, bytes] = {}
        try:
            for name in (*(channel.attribute for channel in self.scheme.channels), self.scheme.claim_attribute):
                put(values, name, self.store.get(descriptor, name))
        except OSError as error:
            if error.errno in UNSUPPORTED:
                raise UnsupportedError from error
            raise
        return Attributes(values)

    def _write(self, descriptor: int, here: Attributes, after: Attributes) -> None:
        """Write what differs; if that fails half-way, take it back."""
        claim = self.scheme.claim_attribute
        names = [channel.attribute for channel in self.scheme.channels]
        differing = [name for name in names if after.values.get(name) != here.values.get(name)]
        written = dict(here.values)
        try:
            if differing:
                self._put(descriptor, written, claim, self._intent(here, after))
            for name in [*differing, claim]:
                self._put(descriptor, written, name, after.values.get(name))
            self._verify(descriptor, after)
        except (OSError, UnsupportedError, MarkRefusedError) as error:
            for name in [*differing, claim]:
                with suppress(OSError):
                    if self.store.get(descriptor, name) == written.get(name):  # else it is somebody else's
                        self._put(descriptor, written, name, here.values.get(name))
            if isinstance(error, FileExistsError):
                raise MarkRefusedError("another program has set a value this moment") from error
            if isinstance(error, OSError) and error.errno in UNSUPPORTED:
                raise UnsupportedError from error
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                raise MarkRefusedError("there is no room for further attributes of it") from error
            raise

    def _verify(self, descriptor: int, after: Attributes) -> None:
        if self._read(descriptor) != after:
            raise MarkRefusedError("it does not keep what is written, or is being changed by another program")

    def _intent(self, here: Attributes, after: Attributes) -> bytes | None:
        """The claim while values are being written."""
        old = self.scheme.claim_in(here)
        new = self.scheme.claim_in(after) or Claim(old.key if old is not None else "")
        standing = {channel.name: here.values.get(channel.attribute) for channel in self.scheme.channels}
        ours = {
            name: value
            for name, value in standing.items()
            if value is not None and old is not None and value in old.may_be_ours(name)
        }
        return replace(new, unfinished=ours).encoded()

    def _put(self, descriptor: int, standing: dict[str, bytes], name: str, value: bytes | None) -> None:
        """Set or remove one attribute; `standing` is what is known to be there, kept up to date."""
        known = standing.get(name)
        if value == known:
            return
        if value is None:
            self.store.remove(descriptor, name)
        else:
            self.store.set(descriptor, name, value, new=known is None)
        put(standing, name, value)


def _places(entry: JournalEntry) -> tuple[Path, ...]:
    """Where to look for the file of an entry: at its path, or where its photo lies now."""
    if entry.path in entry.photo_paths or not entry.photo_paths:
        return (entry.path,)
    return entry.photo_paths
