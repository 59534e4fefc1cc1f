"""Read back what the user says about a photo: in its sidecars, and inside it.

A sidecar is believed before the photo itself, as digiKam and Immich do, and a 0 that stands in a sidecar means that
the stars were taken away, whatever the photo still says. Nothing here writes.
"""

from __future__ import annotations

from pathlib import Path

from keeprate.plugin_api import LastWritten, MarkRefusedError, PhotoFile, UserMarks
from keeprate.safe_files import FileChangedError, read_file
from keeprate_xmp.block import read_fields
from keeprate_xmp.darktable_panel import given_by_panel
from keeprate_xmp.embedded import EmbeddedMetadata, UnreadableError, read_embedded
from keeprate_xmp.fields import ScoreFields
from keeprate_xmp.gathering import journal_fields
from keeprate_xmp.guards import is_placeholder
from keeprate_xmp.packet import MAXIMUM_BYTES, Packet, PacketError, scan
from keeprate_xmp.places import PlaceKind, display_name
from keeprate_xmp.sidecar import possible_sidecars, sidecars_that_speak_of
from keeprate_xmp.user_values import Given, Said, said_in


def read_user_marks(photo: PhotoFile, last_written: LastWritten, keyword_root: str) -> UserMarks:
    """What the user says about one photo file; ours is left out, keywords below `keyword_root` included.

    Raises:
        MarkRefusedError: a sidecar, or the photo where no sidecar says anything, cannot be understood.
        OSError: a sidecar cannot be read, or there is no such photo.
    """
    path = photo.path
    path.stat()
    speaking = sidecars_that_speak_of(path)
    packets = {place: _sidecar(place) for place in speaking}
    inside, packet, problem = _inside(path)
    known = [*packets.values(), *([packet] if packet is not None else [])]
    given = given_by_panel(Given.of((*_claims(known), *_journalled(path, last_written)), keyword_root), known)
    places = [said_in(sidecar, given) for sidecar in packets.values()]
    if problem is not None and not any(place.says_something for place in places):
        raise MarkRefusedError(problem)
    return _merged([*places, said_in(packet, given, inside)])


def _sidecar(place: Path) -> Packet:
    try:
        return scan(read_file(place, maximum_bytes=MAXIMUM_BYTES)[0])
    except (PacketError, FileChangedError) as error:
        raise MarkRefusedError(f"{display_name(place)}: {error}") from error


def _inside(path: Path) -> tuple[EmbeddedMetadata, Packet | None, str | None]:
    """What is in the photo itself, its packet, and why that cannot be told."""
    if is_placeholder(path):
        return EmbeddedMetadata(), None, "its content is not on this machine"
    try:
        inside = read_embedded(path)
        return inside, scan(inside.packet) if inside.packet is not None else None, None
    except (UnreadableError, PacketError) as error:
        return EmbeddedMetadata(), None, f"its metadata cannot be read: {error}"


def _claims(packets: list[Packet]) -> list[ScoreFields]:
    return [fields for fields in map(read_fields, packets) if fields is not None]


def _journalled(path: Path, last_written: LastWritten) -> list[ScoreFields]:
    """What keeprate wrote last in each place of the photo, whether or not a block of ours still says so."""
    places = [(path, PlaceKind.EMBEDDED), *((place, PlaceKind.SIDECAR) for place in possible_sidecars(path))]
    found = (journal_fields(last_written, place, kind) for place, kind in places)
    return [fields for fields in found if fields is not None]


def _merged(places: list[Said]) -> UserMarks:
    rating = next((place.rating for place in places if place.rating is not None), None)
    return UserMarks(
        rating=rating or None,
        colour=next((place.colour for place in places if place.colour), None),
        pick=next((place.pick for place in places if place.pick), None),
        keywords=next((place.keywords for place in places if place.keywords), ()),
    )
