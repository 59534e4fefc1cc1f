"""Read back what the user says about a photo: in its sidecars, and inside it.

A sidecar is believed before the photo itself, as digiKam and Immich do, and a 0 that stands in a sidecar means that
the stars were taken away, whatever the photo still says. Stars that differ are a contradiction: nobody knows which are
the later ones. Keywords of all places count together. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
from keeprate_xmp.user_values import NOT_RATED, Given, Said, said_in


def read_user_marks(photo: PhotoFile, last_written: LastWritten, keyword_root: str) -> UserMarks:
    """What the user says about one photo file; ours is left out, keywords below `keyword_root` included.

    Raises:
        MarkRefusedError: a sidecar, or the photo where no sidecar says anything, cannot be understood, or they hold
            different stars.
        OSError: a sidecar cannot be read, or there is no such photo.
    """
    path = photo.path
    path.stat()
    speaking = sidecars_that_speak_of(path)
    packets = {place: _sidecar(place) for place in speaking}
    inside, packet, problem = _inside(path)
    known = [*packets.values(), *([packet] if packet is not None else [])]
    claims = _claims(known)
    given = given_by_panel(Given.of((*claims, *_journalled(path, last_written)), keyword_root), known)
    places = {display_name(place): said_in(sidecar, given) for place, sidecar in packets.items()}
    if problem is not None and not any(place.says_something for place in places.values()):
        raise MarkRefusedError(problem)
    places["the photo itself"] = said_in(packet, given, inside)
    _refuse_contradictions(places)
    return _merged(list(places.values()), {fields.key for fields in claims} - {photo.content_key, ""})


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


def _refuse_contradictions(places: Mapping[str, Said]) -> None:
    rated = [(name, place.rating) for name, place in places.items() if place.rating is not None]
    (first, rating), *others = rated or [("", NOT_RATED)]
    for name, other in others:
        if rating and other and other != rating:
            raise MarkRefusedError(f"{_stars(rating)} in {first}, but {_stars(other)} in {name}")


def _stars(rating: int) -> str:
    return "“rejected”" if rating == -1 else f"{rating} star{'s' if rating > 1 else ''}"


def _merged(places: list[Said], of_keys: Collection[str]) -> UserMarks:
    rating = next((place.rating for place in places if place.rating is not None), None)
    says_something = any(place.says_something for place in places)
    return UserMarks(
        rating=rating or None,
        colour=next((place.colour for place in places if place.colour), None),
        pick=next((place.pick for place in places if place.pick), None),
        keywords=tuple(sorted({keyword for place in places for keyword in place.keywords})),
        of_keys=tuple(sorted(of_keys)) if says_something else (),
    )
