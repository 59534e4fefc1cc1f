"""Our part of a packet: put it in, read it, take it out again.

All that is ours stands in one rdf:Description of its own right before `</rdf:RDF>`; the rest of the packet stays
byte for byte, with one exception: a rating of 0, which cameras write and nobody means, is overwritten in place
and remembered, since a packet may not hold two ratings. Programs that rewrite packets merge our properties into
theirs; taking out goes by property and therefore works on what they leave as well.

Pure: bytes in, bytes out.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from keeprate_xmp.fields import KEEPRATE, MICROSOFT, RDF, USUAL_PREFIXES, XMP, ScoreFields, SharedValues
from keeprate_xmp.packet import Packet, PacketError, Property, Span, edit, scan

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ZERO = re.compile(r"[+-]?0(\.0*)?")
_START = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    b'<rdf:RDF xmlns:rdf="' + RDF.encode() + b'">\n'
)
_END = b'</rdf:RDF>\n</x:xmpmeta>\n%s<?xpacket end="w"?>'


def empty_packet(padding: int = 0) -> bytes:
    """A packet without properties, with `padding` bytes of room for later changes."""
    return _START + _END % (b" " * padding)


def read_fields(packet: Packet) -> ScoreFields | None:
    """Our properties in a packet, wherever they stand; None if it has no score of ours."""

    def text(name: str) -> str | None:
        return packet.text_of(KEEPRATE, name)

    score = text("score")
    if score is None:
        return None
    return ScoreFields(
        score=score,
        rank=text("rank") or "",
        head=text("head") or "",
        model=text("model") or "",
        time=text("time") or "",
        key=text("key") or "",
        wrote_rating=text("wroteRating"),
        wrote_label=text("wroteLabel"),
        wrote_keywords=text("wroteKeywords"),
        replaced_rating=text("replacedRating"),
        user_owns=frozenset((text("userOwns") or "").split()),
    )


def insert(data: bytes, fields: ScoreFields) -> bytes:
    """The packet `data`, which holds nothing of ours, with our block in it.

    Raises:
        PacketError: it cannot be put in without touching what is not ours.
    """
    packet = scan(data)
    changes: list[tuple[Span, bytes]] = []
    standing = packet.all_of(XMP, "Rating")
    if fields.wrote_rating is not None and standing:
        if len(standing) > 1 or not is_zero(standing[0].value) or standing[0].value_span is None:
            raise PacketError("the XMP has a rating already")
        changes.append((standing[0].value_span, fields.wrote_rating.encode()))
        fields = replace(fields, replaced_rating=standing[0].value)
    block = _block(packet, fields)
    return edit(data, [*changes, (Span(packet.body_end, packet.body_end), block)])


def take_out(packet: Packet, claimed: SharedValues) -> bytes:
    """The packet without our properties, and without those shared ones that still hold exactly `claimed`."""
    fields = read_fields(packet)
    restored = fields.replaced_rating if fields is not None else None
    ours: list[Property] = []
    changes: list[tuple[Span, bytes]] = []
    for found in packet.properties:
        if found.namespace != KEEPRATE and not holds(found, claimed):
            continue
        is_rating = (found.namespace, found.name) == (XMP, "Rating")
        if is_rating and found.value_span is not None and restored is not None and is_zero(restored):
            changes.append((found.value_span, restored.encode()))
        else:
            ours.append(found)
    inside = Counter(found.node for found in packet.properties)
    mine_in: dict[int, list[Property]] = {}
    for found in ours:
        mine_in.setdefault(found.node, []).append(found)
    for number, mine in mine_in.items():
        if len(mine) == inside[number]:
            node = packet.nodes[number]
            line_end = packet.data[node.end : node.end + 1] == b"\n"
            changes.append((Span(node.start, node.end + line_end), b""))
        else:
            changes += [(_with_indentation(packet.data, found.span), b"") for found in mine]
    return edit(packet.data, changes)


def holds(found: Property, values: SharedValues) -> bool:
    """Whether a property holds exactly one of these values."""
    if found.value is not None:
        return (found.namespace, found.name, found.value) in values.simple
    if found.items is None:
        return False
    return any(
        (found.namespace, found.name) == (namespace, name) and sorted(found.items) == sorted(items)
        for namespace, name, _, items in values.lists
    )


def is_zero(value: str | None) -> bool:
    """Whether a rating says `not rated`."""
    return value is not None and _ZERO.fullmatch(value.strip()) is not None


def _block(packet: Packet, fields: ScoreFields) -> bytes:
    from xml.sax.saxutils import escape, quoteattr  # here: brings urllib, and the resident process writes nothing

    rdf = next(prefix for prefix, namespace in packet.bindings if namespace == RDF)
    shared = fields.shared()
    present = {(found.namespace, found.name) for found in packet.properties}
    simple = [(KEEPRATE, name, value) for name, value in fields.properties()]
    simple += [value for value in shared.simple if value[:2] not in present and _can_bind(packet, value[0])]
    lists = [value for value in shared.lists if value[:2] not in present]
    if len(lists) != len(shared.lists) or ((XMP, "Label") in present and fields.wrote_label is not None):
        raise PacketError("the XMP has keywords or a label already")
    prefixes: dict[str, str] = {}
    for namespace in [value[0] for value in simple] + [value[0] for value in lists]:
        if namespace not in prefixes:
            prefixes[namespace] = packet.prefix_for(namespace, USUAL_PREFIXES[namespace])
    attributes = [
        f"xmlns:{prefix}={quoteattr(packet.spelling_of(namespace))}" for namespace, prefix in prefixes.items()
    ]
    attributes += [f"{prefixes[namespace]}:{name}={_attribute(value)}" for namespace, name, value in simple]
    quote = b"'" if b'"' in packet.about else b'"'
    start = f"<{rdf}:Description {rdf}:about=".encode() + quote + packet.about + quote
    start += b"".join(b"\n " + attribute.encode() for attribute in attributes)
    if not lists:
        return start + b"/>\n"
    elements = [
        f"\n <{prefixes[namespace]}:{name}><{rdf}:{kind}>"
        + "".join(f"<{rdf}:li>{escape(_clean(item))}</{rdf}:li>" for item in items)
        + f"</{rdf}:{kind}></{prefixes[namespace]}:{name}>"
        for namespace, name, kind, items in lists
    ]
    return start + b">" + "".join(elements).encode() + f"\n</{rdf}:Description>\n".encode()


def _can_bind(packet: Packet, namespace: str) -> bool:
    """Whether a value can be written; only the one for Windows may be left out for want of a prefix."""
    if namespace != MICROSOFT:
        return True
    try:
        packet.prefix_for(namespace, USUAL_PREFIXES[namespace])
    except PacketError:
        return False
    return True


def _attribute(value: str) -> str:
    from xml.sax.saxutils import quoteattr

    return quoteattr(_clean(value))


def _clean(value: str) -> str:
    """A folder or model may bear a name that XML cannot carry."""
    return _NOT_IN_XML.sub("\ufffd", value)


def _with_indentation(data: bytes, span: Span) -> Span:
    """The span with the white space before it, so that no empty line stays behind."""
    start = span.start
    while start > 0 and data[start - 1 : start] in (b" ", b"\t", b"\n", b"\r"):
        start -= 1
    return Span(start, span.end)
