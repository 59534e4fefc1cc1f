"""Make sure, before anything is written, that an edited packet says all that it said before.

Three readers that know nothing of each other must agree: our scanner (every property that is not ours, byte for
byte), a plain XML parser, and exiv2, which most viewers on Linux read with.
"""

from __future__ import annotations

from functools import lru_cache

from keeprate_xmp.block import holds, is_zero, read_fields
from keeprate_xmp.embedded import xmp_values
from keeprate_xmp.fields import KEEPRATE, USUAL_PREFIXES, XMP, SharedValues
from keeprate_xmp.packet import Packet, PacketError, scan

_SHARED_KEYS = frozenset(
    {
        "Xmp.xmp.Rating",
        "Xmp.MicrosoftPhoto.Rating",
        "Xmp.xmp.Label",
        "Xmp.dc.subject",
        "Xmp.lr.hierarchicalSubject",
        "Xmp.digiKam.TagsList",
    }
)
"""exiv2's names of what we share with others; the scanner has compared these by value already."""


def verify_edit(before: bytes, after: bytes, removable: SharedValues) -> None:
    """Compare a packet before and after our edit; `removable` are the shared values that were ours before.

    Raises:
        PacketError: something that is not ours is missing, new or different, or the result does not parse.
    """
    from xml.etree.ElementTree import ParseError  # here: nothing is written in the resident process

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    new = scan(after)
    fields = read_fields(new)
    ours_now = fields.shared() if fields is not None else SharedValues((), ())
    if _not_ours(scan(before), removable) != _not_ours(new, ours_now):
        raise PacketError("the edit would change a property that is not ours")
    try:
        fromstring(after.rstrip(b"\0 \t\r\n"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise PacketError(f"the edited XMP does not parse ({error})") from error
    understood = _understood(before)
    if understood and _understood(after) != understood:  # nothing: exiv2 could not read it before either
        raise PacketError("exiv2 would read something else from the edited XMP")


def _not_ours(packet: Packet, ours: SharedValues) -> list[tuple[str, str, bytes]]:
    return [
        (found.namespace, found.name, packet.data[found.span.start : found.span.end].strip())
        for found in packet.properties
        if found.namespace != KEEPRATE
        and not holds(found, ours)
        and not ((found.namespace, found.name) == (XMP, "Rating") and is_zero(found.value))
    ]


@lru_cache(maxsize=2)
def _understood(packet: bytes) -> dict[str, object]:
    """What exiv2 reads of a packet, without what is ours or shared."""
    return {
        key: value
        for key, value in (xmp_values(packet) or {}).items()
        if key not in _SHARED_KEYS and not key.startswith(f"Xmp.{USUAL_PREFIXES[KEEPRATE]}.")
    }
