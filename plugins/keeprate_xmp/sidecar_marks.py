"""Marks in sidecars: plan them, write them, take them back. The photo itself is only ever read."""

from __future__ import annotations

from pathlib import Path

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
from keeprate.safe_files import FileChangedError, FileState, create_file, read_file, remove_file, replace_file
from keeprate_xmp.block import empty_packet
from keeprate_xmp.embedded import UnreadableError, read_embedded
from keeprate_xmp.fields import DARKTABLE
from keeprate_xmp.gathering import gather, journal_fields
from keeprate_xmp.guards import TOO_YOUNG, is_placeholder, lies_within, reason_to_leave
from keeprate_xmp.marking import clear, is_settled, mark, says_nothing, wish_for
from keeprate_xmp.packet import MAXIMUM_BYTES, Packet, PacketError, edit, scan
from keeprate_xmp.places import PlaceKind, decode, display_name, encode
from keeprate_xmp.settings import XmpSettings
from keeprate_xmp.sidecar import all_sidecars, hides_embedded, possible_sidecars, sidecar_for


class SidecarMarks:
    """Reads and writes the sidecars of one library; `root` has its links resolved."""

    def __init__(self, root: Path, settings: XmpSettings) -> None:
        self._root = root
        self._settings = settings

    def plan(self, photo: ScoredPhoto, file: PhotoFile, request: MarkRequest) -> Change | Skipped | None:
        """What would change in the sidecar of one file of a photo; None if nothing.

        Raises:
            PacketError, FileChangedError, OSError: it cannot be read or changed safely.
        """
        path = file.path
        target = sidecar_for(path, adobe_name=self._settings.sidecar_name == "adobe")
        wish = wish_for(photo, file.content_key, request, self._settings)
        current, here = None, None
        if target in all_sidecars(path):
            current, state = read_file(target, maximum_bytes=MAXIMUM_BYTES)
            here = scan(current)
            if is_settled(here, wish):
                return None
            reason = self._reason_to_leave(target, state, here)
            if reason is not None:
                return Skipped(target, reason, later=reason == TOO_YOUNG)
        journal = journal_fields(request.last_written, target, PlaceKind.SIDECAR)
        if here is None:
            if journal is not None and journal.key == file.content_key:
                return Skipped(target, "the sidecar that keeprate wrote was removed; keeprate does not bring it back")
            if is_placeholder(path):
                return Skipped(path, "its content is not on this machine")
            here = _new_sidecar(path)
        evidence = gather(
            path, here, target, wish, journal, embedded_elsewhere=current is not None or not hides_embedded(path)
        )
        marked = mark(evidence, wish, constant_length=False)
        if marked is None:
            return None
        return Change(
            path=target,
            field=PlaceKind.SIDECAR,
            before=encode(PlaceKind.SIDECAR, current),
            after=encode(PlaceKind.SIDECAR, marked.data),
            summary=f"{display_name(target)}: {marked.summary}",
            content_key=file.content_key,
            shows=marked.shows,
        )

    def apply(self, change: Change) -> None:
        """Write one planned sidecar.

        Raises:
            MarkRefusedError, FileChangedError, OSError: nothing was changed.
        """
        after = decode(PlaceKind.SIDECAR, change.after)
        if after is None:
            raise MarkRefusedError("there is nothing to write")
        if change.before is None:
            try:
                create_file(change.path, after)
            except FileExistsError as error:
                raise MarkRefusedError(f"somebody else made {display_name(change.path)} meanwhile") from error
            return
        current, state = read_file(change.path, maximum_bytes=MAXIMUM_BYTES)
        if encode(PlaceKind.SIDECAR, current) != change.before:
            raise MarkRefusedError(f"{display_name(change.path)} changed since the plan was made")
        reason = self._reason_to_leave(change.path, state, scan(current))
        if reason is not None:
            raise MarkRefusedError(f"{display_name(change.path)}: {reason}")
        replace_file(change.path, after, seen=state)

    def standing(self, entry: JournalEntry) -> bytes | None:
        """The sidecar as it is now, wherever it went; None if there is none.

        Raises:
            FileChangedError, OSError: it cannot be read.
        """
        place = self._find(entry)
        return None if place is None else encode(PlaceKind.SIDECAR, read_file(place, maximum_bytes=MAXIMUM_BYTES)[0])

    def undo(self, entry: JournalEntry) -> UndoOutcome:
        """Bring back the sidecar of before, or take out what is ours.

        Raises:
            MarkRefusedError, PacketError, FileChangedError, OSError: nothing was changed.
        """
        before, after = decode(PlaceKind.SIDECAR, entry.before), decode(PlaceKind.SIDECAR, entry.after)
        place = self._find(entry)
        if place is None:
            return UndoOutcome.GONE
        current, state = read_file(place, maximum_bytes=MAXIMUM_BYTES)
        if current == before:
            return UndoOutcome.RESTORED
        wanted, outcome = before, UndoOutcome.RESTORED
        if current != after:
            wanted, outcome = clear(current, constant_length=False), UndoOutcome.REMOVED_OURS
            if wanted is None:
                return UndoOutcome.NOT_OURS
            if before is None and (says_nothing(wanted) or _is_mere_copy(wanted, entry.photo_paths)):
                wanted = None
        reason = reason_to_leave(place, state, root=self._root, minimum_age_s=0)
        if reason is not None:
            raise MarkRefusedError(f"{display_name(place)}: {reason}")
        if wanted is None:
            remove_file(place, expected=current)
        else:
            replace_file(place, wanted, seen=state)
        return outcome

    def _reason_to_leave(self, path: Path, state: FileState, packet: Packet) -> str | None:
        if self._settings.skip_darktable and packet.all_of(DARKTABLE, "history"):
            return "darktable keeps its edits in it, and would ask about every changed sidecar at its next start"
        return reason_to_leave(path, state, root=self._root, minimum_age_s=self._settings.minimum_age_s)

    def _find(self, entry: JournalEntry) -> Path | None:
        """Where the sidecar of an entry is now: at its place, or beside the renamed photo."""
        still_there = any(entry.path in possible_sidecars(photo) for photo in entry.photo_paths)
        places = [entry.path] if entry.path.is_file() else []
        if not still_there:
            places += [path for photo in entry.photo_paths for path in all_sidecars(photo)]
        places = [path for path in dict.fromkeys(places) if lies_within(path, self._root)]
        after = decode(PlaceKind.SIDECAR, entry.after)
        return next((path for path in places if _read(path) == after), next(iter(places), None))


def _new_sidecar(photo: Path) -> Packet:
    """What a new sidecar starts from: nothing, or a copy of the embedded packet where the sidecar would hide it.

    Raises:
        PacketError: the embedded metadata cannot be read, so a sidecar would hide what nobody copied.
    """
    if not hides_embedded(photo):
        return scan(empty_packet())
    try:
        embedded = read_embedded(photo).packet
    except UnreadableError as error:
        raise PacketError(f"a new sidecar would hide its own metadata, which cannot be read ({error})") from error
    if embedded is None:
        return scan(empty_packet())
    packet = scan(clear(embedded, constant_length=False) or embedded)
    if packet.padding is None:
        return packet
    return scan(edit(packet.data, [(packet.padding, b"\n")]))


def _is_mere_copy(sidecar: bytes, photos: tuple[Path, ...]) -> bool:
    """Whether a sidecar says no more than what its photo says itself."""
    for photo in photos:
        try:
            if hides_embedded(photo) and sidecar == _new_sidecar(photo).data:
                return True
        except PacketError:
            continue
    return False


def _read(path: Path) -> bytes | None:
    try:
        return read_file(path, maximum_bytes=MAXIMUM_BYTES)[0]
    except (FileChangedError, OSError):
        return None
