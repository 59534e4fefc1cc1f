"""Read an XMP packet and change single properties of it, leaving every other byte as it is.

A packet is scanned with expat, which tells the byte offsets of what it finds; edits are made to the bytes, never
by writing a parsed tree out again, because every XMP library loses something on the way (comments, layout,
prefixes). Nothing here knows which properties are ours, and nothing here touches a file.

Packets are untrusted: document types and entities are refused, as are depth and size beyond reason, and every
encoding but UTF-8. The structure is ISO 16684-1 (XMP), 7.4 and annex C.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from xml.parsers import expat

from keeprate_xmp.fields import MICROSOFT, RDF

MAXIMUM_BYTES = 8 << 20
"""Larger than any sidecar seen (darktable's with long histories reach some 100 kB)."""
_MAXIMUM_DEPTH = 64
_MAXIMUM_BINDINGS = 500
_MICROSOFT_AS_EXIV2_WRITES_IT = "http://ns.microsoft.com/photo/1.0/"
_XML = "http://www.w3.org/XML/1998/namespace"
_START_TAG = re.compile(rb"""<[^\s/>]+((?:\s+[^\s=/>"']+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(/?)>""")
_ATTRIBUTE = re.compile(rb"""\s+[^\s=/>"']+\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_PACKET_END = re.compile(rb"""<\?xpacket\s+end\s*=\s*["']([rw])["'][^?]*\?>[\s\0]*\Z""")


class PacketError(ValueError):
    """The packet cannot be changed safely; the text says why."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of bytes of the packet, end exclusive."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Property:
    """One top-level property: an attribute of, or an element within, a top-level rdf:Description."""

    namespace: str
    name: str
    span: Span
    """An attribute with the white space before it, or an element from `<` to `>`."""
    node: int
    """Which of `Packet.nodes` it belongs to."""
    value: str | None
    """The text of a simple property; None for anything structured."""
    value_span: Span | None
    items: tuple[str, ...] | None
    """The items of a Bag, Seq or Alt of simple values; None for anything else."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A scanned packet: where its properties lie."""

    data: bytes
    properties: tuple[Property, ...]
    nodes: tuple[Span, ...]
    """The top-level elements within rdf:RDF (rdf:Description, mostly)."""
    about: bytes
    """The raw value of rdf:about that the top-level nodes agree on."""
    body_end: int
    """Offset of `</rdf:RDF>`."""
    bindings: tuple[tuple[str, str], ...]
    """Every (prefix, namespace) that is bound anywhere, in order."""
    padding: Span | None
    """The white space before `<?xpacket end=…?>`; None in a packet without that."""
    read_only: bool
    """It says of itself that it must not be changed in place: `<?xpacket end="r"?>`."""

    def all_of(self, namespace: str, name: str) -> list[Property]:
        return [found for found in self.properties if (found.namespace, found.name) == (namespace, name)]

    def text_of(self, namespace: str, name: str) -> str | None:
        """The text of the first simple property of that name."""
        return next((found.value for found in self.all_of(namespace, name) if found.value is not None), None)

    def prefix_for(self, namespace: str, usual: str) -> str:
        """The prefix to bind for a namespace: the packet's own, else the usual one.

        exiv2 drops a whole packet that binds two prefixes to one namespace (measured), so the packet's goes
        first.

        Raises:
            PacketError: the usual prefix means something else here, or the namespace has no prefix at all.
        """
        for prefix, bound in self.bindings:
            if _one_spelling(bound) == namespace:
                if not prefix:
                    raise PacketError(f"the XMP uses {namespace} without a prefix")
                return prefix
        if any(prefix == usual for prefix, _ in self.bindings):
            raise PacketError(f"the XMP uses the prefix {usual} for something else")
        return usual

    def spelling_of(self, namespace: str) -> str:
        """A namespace as this packet spells it."""
        return next((bound for _, bound in self.bindings if _one_spelling(bound) == namespace), namespace)


@lru_cache(maxsize=4)
def scan(data: bytes) -> Packet:
    """Find everything in a packet (with or without its `xpacket` wrapper).

    The latest are remembered: each step of an edit looks at the packet that the one before it left.

    Raises:
        PacketError: not well-formed, not UTF-8, no or several rdf:RDF, a document type, too deep, too large.
    """
    if len(data) > MAXIMUM_BYTES:
        raise PacketError(f"the XMP is larger than {MAXIMUM_BYTES} bytes")
    if data[:2] in (b"\xfe\xff", b"\xff\xfe") or b"\0" in data[:64]:
        raise PacketError("the XMP is not UTF-8 but UTF-16 or UTF-32")
    return _Scanner(data).scan()


def edit(data: bytes, replacements: list[tuple[Span, bytes]]) -> bytes:
    """`data` with each (disjoint) span replaced by the bytes beside it."""
    parts: list[bytes] = []
    position = 0
    for span, replacement in sorted(replacements, key=lambda pair: pair[0].start):
        if span.start < position:
            raise PacketError("the XMP properties overlap")
        parts += (data[position : span.start], replacement)
        position = span.end
    parts.append(data[position:])
    return b"".join(parts)


def keep_length(data: bytes, length: int) -> bytes:
    """`data` with its padding shrunk or grown so that it is `length` bytes long, as far as the padding goes."""
    padding = scan(data).padding
    if padding is None or len(data) == length:
        return data
    surplus = len(data) - length
    if surplus < 0:
        return edit(data, [(Span(padding.start, padding.start), b" " * -surplus)])
    spare = max(0, padding.end - padding.start - 1)
    return edit(data, [(Span(padding.start, padding.start + min(surplus, spare)), b"")])


@dataclass(slots=True)
class _OpenElement:
    """An element whose end tag has not come yet."""

    namespace: str
    name: str
    start: int
    inner_start: int
    empty: bool
    bindings: dict[str, str]
    text: list[str] = field(default_factory=list)
    children: int = 0
    items: list[str] | None = None


class _Scanner:
    """One pass over one packet; see `scan`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._open: list[_OpenElement] = []
        self._body_depth: int | None = None
        self._body_end: int | None = None
        self._nodes: list[Span] = []
        self._abouts: list[bytes] = []
        self._properties: list[Property] = []
        self._bindings: dict[tuple[str, str], None] = {}
        parser = expat.ParserCreate()
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._document_type
        parser.EntityDeclHandler = self._document_type
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        self._parser = parser

    def scan(self) -> Packet:
        try:
            # Some writers leave NULs after the packet; XML does not know them.
            self._parser.Parse(self._data.rstrip(b"\0 \t\r\n"), True)
        except expat.ExpatError as error:
            raise PacketError(f"the XMP is not well-formed XML ({error})") from error
        if self._body_end is None:
            raise PacketError("the XMP has no rdf:RDF with content")
        if len(set(self._abouts)) > 1:
            raise PacketError("the XMP speaks of several resources (rdf:about)")
        # Not one search over all of it: in many megabytes of white space that would take hours.
        trailer = _PACKET_END.match(self._data, max(self._body_end, self._data.rfind(b"<?xpacket")))
        before_trailer = len(self._data[: trailer.start()].rstrip(b" \t\r\n")) if trailer else 0
        return Packet(
            data=self._data,
            properties=tuple(self._properties),
            nodes=tuple(self._nodes),
            about=self._abouts[0] if self._abouts else b"",
            body_end=self._body_end,
            bindings=tuple(self._bindings),
            padding=Span(before_trailer, trailer.start()) if trailer else None,
            read_only=trailer is not None and trailer.group(1) == b"r",
        )

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "utf8", "us-ascii", "ascii"):
            raise PacketError(f"the XMP is not UTF-8 but {encoding}")

    def _document_type(self, *_: object) -> None:
        raise PacketError("the XMP declares a document type or entities")

    def _start(self, raw_name: str, attributes: list[str]) -> None:
        if len(self._open) >= _MAXIMUM_DEPTH:
            raise PacketError("the XMP is nested too deeply")
        start = self._parser.CurrentByteIndex
        tag = _START_TAG.match(self._data, start)
        if tag is None:
            raise PacketError("the XMP has a tag that is not understood")
        pairs = list(zip(attributes[::2], attributes[1::2], strict=True))
        bindings = self._open[-1].bindings if self._open else {"xml": _XML}
        declared = {name.partition(":")[2]: value for name, value in pairs if _declares(name)}
        if declared:
            bindings = bindings | declared
            self._bindings.update(dict.fromkeys(declared.items()))
            if len(self._bindings) > _MAXIMUM_BINDINGS:
                raise PacketError("the XMP names too many namespaces")
        namespace, name = _resolve(raw_name, bindings)
        if self._open:
            self._open[-1].children += 1
        element = _OpenElement(namespace, name, start, tag.end(), bool(tag.group(2)), bindings)
        self._open.append(element)
        if (namespace, name) == (RDF, "RDF"):
            if self._body_depth is not None:
                raise PacketError("there are two XMP packets in one")
            if ":" not in raw_name:
                raise PacketError("the XMP uses RDF without a prefix")
            self._body_depth = len(self._open)
        elif self._body_depth is not None and len(self._open) == self._body_depth + 1:
            self._node_attributes(tag, pairs, bindings)

    def _node_attributes(self, tag: re.Match[bytes], pairs: list[tuple[str, str]], bindings: dict[str, str]) -> None:
        matches = list(_ATTRIBUTE.finditer(self._data, tag.start(1), tag.end(1)))
        if len(matches) != len(pairs):
            raise PacketError("the XMP has attributes that are not understood")
        for match, (raw_name, value) in zip(matches, pairs, strict=True):
            if _declares(raw_name):
                continue
            namespace, name = _resolve(raw_name, bindings, attribute=True)
            group = 1 if match.group(1) is not None else 2
            if namespace in (RDF, "") and name == "about":
                self._abouts.append(match.group(group))
            elif namespace not in (RDF, _XML, ""):
                spans = Span(match.start(), match.end()), Span(match.start(group), match.end(group))
                self._properties.append(Property(namespace, name, spans[0], len(self._nodes), value, spans[1], None))

    def _text(self, text: str) -> None:
        self._open[-1].text.append(text)

    def _end(self, _raw_name: str) -> None:
        element = self._open.pop()
        at = self._parser.CurrentByteIndex
        inner_end, end = (element.inner_start,) * 2 if element.empty else (at, self._data.index(b">", at) + 1)
        if self._body_depth is None:
            return
        depth = len(self._open) + 1 - self._body_depth
        if depth == 0:
            if element.empty:
                raise PacketError("the XMP packet is empty")
            self._body_end = inner_end
        elif depth == 1:
            self._nodes.append(Span(element.start, end))
        elif depth == 2:
            self._property(element, Span(element.start, end), Span(element.inner_start, inner_end))
        elif depth == 3 and element.namespace == RDF and element.name in ("Bag", "Seq", "Alt"):
            items = element.items if element.items is not None else []
            self._open[-1].items = items if len(items) == element.children else None
        elif depth == 4 and (element.namespace, element.name) == (RDF, "li") and not element.children:
            container = self._open[-1]
            if container.items is None:
                container.items = []
            container.items.append("".join(element.text))

    def _property(self, element: _OpenElement, span: Span, inner: Span) -> None:
        simple = element.children == 0 and not element.empty
        items = tuple(element.items) if element.children == 1 and element.items is not None else None
        self._properties.append(
            Property(
                namespace=element.namespace,
                name=element.name,
                span=span,
                node=len(self._nodes),
                value="".join(element.text) if simple else None,
                value_span=inner if simple else None,
                items=items,
            )
        )


def _declares(attribute: str) -> bool:
    return attribute == "xmlns" or attribute.startswith("xmlns:")


def _resolve(raw_name: str, bindings: dict[str, str], *, attribute: bool = False) -> tuple[str, str]:
    prefix, colon, name = raw_name.rpartition(":")
    if not colon:
        return ("" if attribute else bindings.get("", ""), raw_name)
    if prefix not in bindings:
        raise PacketError(f"the XMP uses the prefix {prefix} without binding it")
    return _one_spelling(bindings[prefix]), name


def _one_spelling(namespace: str) -> str:
    return MICROSOFT if namespace == _MICROSOFT_AS_EXIV2_WRITES_IT else namespace
