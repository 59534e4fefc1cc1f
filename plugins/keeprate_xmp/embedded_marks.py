"""Marks inside JPEGs: plan them, write them, take them back; only the XMP segment ever differs.

The modification time moves by two seconds per change, and back by one when a change is undone: the order by date
stays, and programs that look at size and time still notice that the file is another one.
"""

from __future__ import annotations

import io
from pathlib import Path

from keeprate.pictures.content_key import content_key_of
from keeprate.plugin_api import (
    Change,
    JournalEntry,
    MarkRefusedError,
    MarkRequest,
    PhotoFile,
    ScoredPhoto,
    Skipped,
    UndoOutcome,
)
from keeprate.safe_files import FileState, file_state, read_file, replace_file
from keeprate_xmp.block import empty_packet
from keeprate_xmp.gathering import gather, journal_fields
from keeprate_xmp.guards import TOO_YOUNG, is_placeholder, lies_within, reason_to_leave
from keeprate_xmp.jpeg import (
    MAXIMUM_PACKET_BYTES,
    Layout,
    is_jpeg,
    read_layout,
    read_packet,
    splice,
)
from keeprate_xmp.marking import clear, is_settled, mark, says_nothing, wish_for
from keeprate_xmp.packet import scan
from keeprate_xmp.places import PlaceKind, decode, display_name, encode
from keeprate_xmp.settings import XmpSettings

JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
_PADDING_BYTES = 2048
"""Room in a new packet, so that later changes (ours and others') keep its length; the usual amount."""
_LATER_NS = 2_000_000_000
"""Less is no change to digiKam, nor to anybody on FAT, which counts in steps of two seconds."""


class EmbeddedMarks:
    """Reads and writes the XMP inside the JPEGs of one library; `root` has its links resolved."""

    def __init__(self, root: Path, settings: XmpSettings) -> None:
        self._root = root
        self._settings = settings

    def reason_for_sidecar(self, path: Path) -> str | None:
        """Why the marks of a file belong into a sidecar even so; None if they can be embedded."""
        if path.suffix.lower() not in JPEG_SUFFIXES:
            return "not a JPEG"
        state = file_state(path)
        if state is not None and state.link_count > 1:
            return "the photo has several names (hard links)"
        if not lies_within(path, self._root):
            return "the photo is a link out of the library"
        with path.open("rb") as file:
            return None if is_jpeg(file.read(3)) else "not a JPEG, whatever its name says"

    def plan(self, photo: ScoredPhoto, file: PhotoFile, request: MarkRequest) -> Change | Skipped | None:
        """What would change inside one file of a photo; None if nothing.

        Raises:
            JpegError, PacketError, OSError: it cannot be read or changed safely.
        """
        path = file.path
        if is_placeholder(path):
            return Skipped(path, "its content is not on this machine")
        wish = wish_for(photo, file.content_key, request, self._settings)
        with path.open("rb") as jpeg:
            layout = read_layout(jpeg)
            current = read_packet(jpeg, layout)
        here = scan(current if current is not None else empty_packet(_PADDING_BYTES))
        if is_settled(here, wish):
            return None
        state = file_state(path)
        reason = "it is gone" if state is None else self._reason_to_leave(path, state)
        if reason is None and here.read_only:
            reason = 'its XMP is marked as read-only (<?xpacket end="r"?>)'
        if reason is not None:
            return Skipped(path, reason, later=reason == TOO_YOUNG)
        journal = journal_fields(request.last_written, path, PlaceKind.EMBEDDED)
        marked = mark(gather(path, here, path, wish, journal, embedded_elsewhere=False), wish, constant_length=True)
        if marked is None:
            return None
        reason = _does_not_fit(layout, current, marked.data)
        if reason is not None:
            return Skipped(path, reason, later=reason == TOO_YOUNG)
        return Change(
            path=path,
            field=PlaceKind.EMBEDDED,
            before=encode(PlaceKind.EMBEDDED, current),
            after=encode(PlaceKind.EMBEDDED, marked.data),
            summary=f"{display_name(path)} itself: {marked.summary}",
            content_key=file.content_key,
            shows=marked.shows,
            touches_photo=True,
        )

    def apply(self, change: Change) -> None:
        """Write one planned change into its JPEG.

        Raises:
            MarkRefusedError, JpegError, FileChangedError, OSError: nothing was changed.
        """
        data, state = read_file(change.path)
        if encode(PlaceKind.EMBEDDED, _packet_in(data)) != change.before:
            raise MarkRefusedError(f"the XMP in {display_name(change.path)} changed since the plan was made")
        key = content_key_of(data)
        if key != change.content_key:
            raise MarkRefusedError(f"{display_name(change.path)} shows another picture than the one that was scored")
        self._refuse(change.path, state, self._settings.minimum_age_s)
        self._write(change.path, data, key, decode(PlaceKind.EMBEDDED, change.after), state, _LATER_NS)

    def standing(self, entry: JournalEntry) -> bytes | None:
        """The XMP in the photo as it is now, wherever the photo went; None if there is none.

        Raises:
            JpegError, FileChangedError, OSError: the photo cannot be read.
        """
        for path in self._find(entry):
            return encode(PlaceKind.EMBEDDED, _packet_in(read_file(path)[0]))
        return None

    def undo(self, entry: JournalEntry) -> UndoOutcome:
        """Bring back the XMP of before, or take out what is ours, in every file that the entry speaks of.

        Raises:
            MarkRefusedError, JpegError, PacketError, FileChangedError, OSError: nothing was changed.
        """
        outcomes = {self._undo_one(path, entry) for path in self._find(entry)}
        by_weight = (UndoOutcome.REMOVED_OURS, UndoOutcome.RESTORED, UndoOutcome.NOT_OURS)
        return next((outcome for outcome in by_weight if outcome in outcomes), UndoOutcome.GONE)

    def _undo_one(self, path: Path, entry: JournalEntry) -> UndoOutcome:
        before, after = decode(PlaceKind.EMBEDDED, entry.before), decode(PlaceKind.EMBEDDED, entry.after)
        data, state = read_file(path)
        current = _packet_in(data)
        if current == before:
            return UndoOutcome.RESTORED
        if current is None:
            return UndoOutcome.NOT_OURS
        self._refuse(path, state, minimum_age_s=0)
        key = content_key_of(data)
        if current == after:
            self._write(path, data, key, before, state, -_LATER_NS)
            return UndoOutcome.RESTORED
        cleared = clear(current, constant_length=True)
        if cleared is None:
            return UndoOutcome.NOT_OURS
        if before is None and says_nothing(cleared) and not read_layout(io.BytesIO(data)).fixed_length:
            cleared = None
        self._write(path, data, key, cleared, state, _LATER_NS)
        return UndoOutcome.REMOVED_OURS

    def _write(self, path: Path, data: bytes, key: str, packet: bytes | None, state: FileState, later_ns: int) -> None:
        changed = splice(data, packet)
        if content_key_of(changed) != key:
            raise MarkRefusedError(f"{display_name(path)}: its picture could not be told apart from its metadata")
        replace_file(path, changed, seen=state, mtime_ns=state.mtime_ns + later_ns, watched=True)

    def _refuse(self, path: Path, state: FileState, minimum_age_s: float) -> None:
        reason = reason_to_leave(path, state, root=self._root, minimum_age_s=minimum_age_s)
        if reason is not None:
            raise MarkRefusedError(f"{display_name(path)}: {reason}")

    def _reason_to_leave(self, path: Path, state: FileState) -> str | None:
        return reason_to_leave(path, state, root=self._root, minimum_age_s=self._settings.minimum_age_s)

    def _find(self, entry: JournalEntry) -> list[Path]:
        """The files that an entry speaks of: the one at its path, or where that photo lies now."""
        if entry.path in entry.photo_paths or not entry.photo_paths:
            places: tuple[Path, ...] = (entry.path,)
        else:
            places = entry.photo_paths
        return [path for path in places if path.is_file() and lies_within(path, self._root)]


def _packet_in(data: bytes) -> bytes | None:
    file = io.BytesIO(data)
    return read_packet(file, read_layout(file))


def _does_not_fit(layout: Layout, current: bytes | None, marked: bytes) -> str | None:
    if len(marked) > MAXIMUM_PACKET_BYTES:
        return f"its XMP would be longer than {MAXIMUM_PACKET_BYTES} bytes"
    if layout.fixed_length and current is not None and len(marked) != len(current):
        return "its XMP lies behind the index of further pictures (MPF) and has no room left"
    return None
