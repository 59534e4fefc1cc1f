"""Tests of keeprate_xmp.packet: offsets that are right, and packets that must be refused."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from keeprate_xmp.block import insert, take_out
from keeprate_xmp.embedded import xmp_values
from keeprate_xmp.fields import DC, LIGHTROOM, MICROSOFT, XMP, ScoreFields, SharedValues
from keeprate_xmp.packet import MAXIMUM_BYTES, PacketError, Span, edit, keep_length, scan
from support.xmp import packet

LIST = "<dc:subject><rdf:Bag><rdf:li>Doe, John</rdf:li><rdf:li>a &amp; b</rdf:li></rdf:Bag></dc:subject>"


def text_at(data: bytes, span: Span | None) -> bytes:
    assert span is not None
    return data[span.start : span.end]


class TestScan:
    def test_attributes_and_their_places(self) -> None:
        data = packet(attributes="xmp:Rating='3' xmp:Label=\"a &gt; b\"")
        scanned = scan(data)
        (rating,) = scanned.all_of(XMP, "Rating")
        assert (rating.value, text_at(data, rating.span), text_at(data, rating.value_span)) == (
            "3",
            b" xmp:Rating='3'",
            b"3",
        )
        assert scanned.text_of(XMP, "Label") == "a > b"

    def test_elements_and_their_places(self) -> None:
        data = packet(f"<xmp:Rating>\n4</xmp:Rating>{LIST}<xmp:Label/>")
        scanned = scan(data)
        (rating,) = scanned.all_of(XMP, "Rating")
        assert text_at(data, rating.span) == b"<xmp:Rating>\n4</xmp:Rating>"
        assert text_at(data, rating.value_span) == b"\n4"
        (subject,) = scanned.all_of(DC, "subject")
        assert subject.items == ("Doe, John", "a & b")
        assert subject.value is None
        assert text_at(data, subject.span) == LIST.encode()
        (label,) = scanned.all_of(XMP, "Label")
        assert (label.value, text_at(data, label.span)) == (None, b"<xmp:Label/>")

    def test_structures_have_neither_text_nor_items(self) -> None:
        inside = (
            "<dc:a><rdf:Bag><rdf:li rdf:parseType='Resource'><dc:b>1</dc:b></rdf:li></rdf:Bag></dc:a>"
            "<dc:c rdf:parseType='Resource'><dc:b>1</dc:b></dc:c>"
        )
        scanned = scan(packet(inside))
        assert [(one.name, one.value, one.items) for one in scanned.properties[1:]] == [
            ("a", None, None),
            ("c", None, None),
        ]

    def test_bytes_beyond_ascii_do_not_shift_the_places(self) -> None:
        data = packet("<dc:title>Žluťoučký 🐎</dc:title><xmp:Rating>5</xmp:Rating>")
        (rating,) = scan(data).all_of(XMP, "Rating")
        assert text_at(data, rating.value_span) == b"5"

    def test_the_wrapper_may_be_missing_or_end_in_nuls(self) -> None:
        data = packet(attributes="xmp:Rating='3'")
        bare = data[data.index(b"<x:xmpmeta") : data.index(b"<?xpacket end")]
        assert scan(bare).text_of(XMP, "Rating") == scan(data + b"\0\n").text_of(XMP, "Rating") == "3"

    def test_other_prefixes(self) -> None:
        data = packet(attributes="xmp:Rating='3'").replace(b"xmp:R", b"xap:R").replace(b"xmlns:xmp", b"xmlns:xap")
        scanned = scan(data)
        assert scanned.text_of(XMP, "Rating") == "3"
        assert scanned.prefix_for(XMP, "xmp") == "xap"
        assert scanned.prefix_for(LIGHTROOM, "lr") == "lr"

    def test_a_prefix_that_means_something_else(self) -> None:
        scanned = scan(packet(attributes="xmlns:lr='urn:else'"))
        with pytest.raises(PacketError, match="lr"):
            scanned.prefix_for(LIGHTROOM, "lr")

    @pytest.mark.parametrize("end", ["", "/"], ids=["Windows", "exiv2"])
    def test_the_namespace_of_microsoft_in_both_spellings(self, end: str) -> None:
        spelt = f"xmlns:MicrosoftPhoto='http://ns.microsoft.com/photo/1.0{end}'"
        data = packet(attributes=f"{spelt} MicrosoftPhoto:Rating='75'")
        assert scan(data).text_of(MICROSOFT, "Rating") == "75"
        data = packet(attributes=f"{spelt} MicrosoftPhoto:LensModel='x'")
        marked = insert(data, ScoreFields("0.9", "0.9", "keep", "m", "t", "key", wrote_rating="4"))
        assert marked.count(spelt.replace("'", '"').encode()) == 1
        understood = xmp_values(marked) or {}
        assert understood["Xmp.MicrosoftPhoto.LensModel"] == "x"
        assert understood["Xmp.MicrosoftPhoto.Rating"] == "75"

    @pytest.mark.parametrize("blank", [b" ", b"\n", b"\0", b" \n"])
    def test_megabytes_of_white_space_take_no_time(self, blank: bytes) -> None:
        data = packet(attributes="xmp:Rating='3'", padding=10)
        body = data.index(b"</x:xmpmeta>")
        many = blank * (5_000_000 // len(blank))
        crowded = [data + many, data[: data.index(b"<?xpacket end")] + many]
        if blank != b"\0":
            crowded += [data[:body] + many + data[body:], data.replace(b" xmp:Rating", many + b"xmp:Rating")]
        for one in crowded:
            began = time.process_time()
            scanned = scan(one)
            assert scanned.text_of(XMP, "Rating") == "3"
            keep_length(one, len(one) - 5)
            take_out(scanned, SharedValues.of("3", None, None))
            assert time.process_time() - began < 5

    def test_a_crowd_of_namespaces_is_refused(self) -> None:
        names = " ".join(f"xmlns:a{number}='urn:{number}'" for number in range(10_000))
        with pytest.raises(PacketError, match="namespaces"):
            scan(packet(attributes=names))

    @pytest.mark.parametrize(("end", "read_only"), [("r", True), ("w", False)])
    def test_read_only_packets(self, end: str, read_only: bool) -> None:
        assert scan(packet(end=end)).read_only is read_only


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
REFUSED = {
    "not XML": (b"\xff\xd8\xff\xe0 a picture", "well-formed"),
    "empty": (b"", "well-formed"),
    "cut off": (packet()[:200], "well-formed"),
    "UTF-16": (packet().decode().encode("utf-16"), "UTF-16"),
    "UTF-16 without a mark": (packet().decode().encode("utf-16-be"), "UTF-16"),
    "Latin-1": (b'<?xml version="1.0" encoding="ISO-8859-1"?>' + packet(), "ISO-8859-1"),
    "an entity bomb": (packet().replace(b"<x:xmpmeta", BOMB + b"<x:xmpmeta"), "document type"),
    "an external entity": (
        packet().replace(b"<x:xmpmeta", b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x:xmpmeta'),
        "document type",
    ),
    "two packets in one": (packet() + packet(), "junk after"),
    "two RDFs": (
        b'<a xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:RDF>1</rdf:RDF><rdf:RDF>2</rdf:RDF></a>',
        "two XMP packets",
    ),
    "no RDF": (b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>', "no rdf:RDF"),
    "an empty RDF": (b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>', "empty"),
    "two resources": (
        packet().replace(b"</rdf:RDF>", b'<rdf:Description rdf:about="other"/></rdf:RDF>'),
        "several resources",
    ),
    "an unbound prefix": (packet("<none:such>1</none:such>"), "prefix"),
    "too deep": (packet("<dc:a>" * 5000 + "</dc:a>" * 5000), "deep"),
    "too large": (packet("<dc:a>" + "x" * MAXIMUM_BYTES + "</dc:a>"), "larger"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(PacketError, match=reason):
        scan(data)


def test_hostile_sizes_take_no_time() -> None:
    start = time.process_time()
    many = "".join(f"<rdf:li>{number}</rdf:li>" for number in range(50_000))
    scanned = scan(packet(f"<dc:subject><rdf:Bag>{many}</rdf:Bag></dc:subject>"))
    assert len(scanned.all_of(DC, "subject")[0].items or ()) == 50_000
    scan(packet(attributes=" ".join(f"dc:a{number}='{number}'" for number in range(20_000))))
    with pytest.raises(PacketError):
        scan(b"<a" + b" b='" * 200_000)
    assert time.process_time() - start < 5


def test_real_packets_are_scanned_to_the_byte(shared_photos: Path) -> None:
    scanned = 0
    for path in sorted((shared_photos / "metadata" / "sidecar").iterdir()):
        data = path.read_bytes()
        try:
            found = scan(data)
        except PacketError:
            continue
        scanned += 1
        assert data[found.body_end :].startswith(b"</")
        for one in found.properties:
            assert one.name.encode() in text_at(data, one.span)
    assert scanned > 30


class TestEdit:
    def test_replaces_from_the_left(self) -> None:
        assert edit(b"0123456789", [(Span(5, 7), b"XYZ"), (Span(0, 1), b""), (Span(9, 9), b"!")]) == b"1234XYZ78!9"

    def test_overlapping_edits_are_refused(self) -> None:
        with pytest.raises(PacketError):
            edit(b"0123456789", [(Span(0, 5), b""), (Span(4, 6), b"")])

    @pytest.mark.parametrize(("wanted", "got"), [(-10, -10), (0, 0), (7, 7), (-99, -39)])
    def test_padding_gives_and_takes(self, wanted: int, got: int) -> None:
        data = packet(padding=39)  # and the line's end: 40 bytes, of which one stays
        changed = keep_length(data, len(data) + wanted)
        assert len(changed) - len(data) == got
        assert changed.replace(b" ", b"").replace(b"\n", b"") == data.replace(b" ", b"").replace(b"\n", b"")

    def test_without_padding_the_length_is_what_it_is(self) -> None:
        data = packet()
        bare = data[: data.index(b"<?xpacket end")]
        assert keep_length(bare, len(bare) + 5) == bare
