"""Collect the evidence about one photo file: its sidecars, what is embedded, its extended attributes. Reads only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from keeprate.attributes.claim import Claim
from keeprate.plugin_api import Channel, LastWritten, Shown
from keeprate.safe_files import FileChangedError, read_file
from keeprate_xmp.embedded import UnreadableError, read_embedded
from keeprate_xmp.fields import ScoreFields
from keeprate_xmp.marking import Wish, fields_of
from keeprate_xmp.ownership import Evidence
from keeprate_xmp.packet import MAXIMUM_BYTES, Packet, PacketError, scan
from keeprate_xmp.places import PlaceKind, decode
from keeprate_xmp.sidecar import all_sidecars
from keeprate_xmp.user_values import said_outside_xmp

_BALOO_RATING = "user.baloo.rating"
"""Where KDE's file index, and with it gwenview and Dolphin, keep stars: 0 to 10."""
_CLAIM_BESIDE_IT = "user.keeprate.wrote"
"""What of it the photo manager kde wrote."""


def gather(
    photo: Path, here: Packet, target: Path, wish: Wish, journal: ScoreFields | None, *, embedded_elsewhere: bool
) -> Evidence:
    """Everything that says something about the photo file.

    `here` is the packet that would be written to and `target` the file that it lies in. `embedded_elsewhere`: the
    packet in the photo is another one than `here`. The photo itself is read only if something visible is wished
    for: what is not going to be written need not be judged.
    """
    packets: list[Packet] = []
    complete = True
    for path in all_sidecars(photo):
        if path == target:
            continue
        try:
            packets.append(scan(read_file(path, maximum_bytes=MAXIMUM_BYTES)[0]))
        except (PacketError, FileChangedError, OSError):
            complete = False
    outside: tuple[Shown, ...] = ()
    if wish.shows_something:
        try:
            inside = read_embedded(photo)
            outside = (*said_outside_xmp(inside), *_baloo_rating(photo))
            if embedded_elsewhere and inside.packet is not None:
                packets.append(scan(inside.packet))
        except (UnreadableError, PacketError):
            complete = False
    return Evidence(
        key=wish.fields.key,
        here=here,
        elsewhere=tuple(packets),
        journal=journal,
        outside=outside,
        said=wish.said,
        given=wish.given,
        complete=complete,
    )


def journal_fields(last_written: LastWritten, path: Path, kind: PlaceKind) -> ScoreFields | None:
    """Our properties as the journal remembers to have written them to a place."""
    return fields_in(kind, last_written(path, kind))


def fields_in(kind: PlaceKind, entry: bytes | None) -> ScoreFields | None:
    """Our properties in what the journal keeps of a place."""
    try:
        return fields_of(decode(kind, entry))
    except ValueError:
        return None


def _baloo_rating(photo: Path) -> Iterator[Shown]:
    """The stars that the user, and not keeprate's photo manager for it, has set there."""
    rating = _attribute(photo, _BALOO_RATING)
    if rating is None or rating.strip() in (b"", b"0"):
        return
    claim = Claim.decoded(_attribute(photo, _CLAIM_BESIDE_IT))
    if claim is None or rating not in claim.may_be_ours("stars"):
        halves = rating.strip()
        whole = halves.isdigit() and int(halves) % 2 == 0
        yield Shown(Channel.RATING, str(int(halves) // 2) if whole else f"halves: {halves!r}")


def _attribute(photo: Path, name: str) -> bytes | None:
    if not hasattr(os, "getxattr"):  # macOS
        return None
    try:
        return os.getxattr(photo, name)
    except OSError:
        return None
