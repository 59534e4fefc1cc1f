"""Tests of keeprate_xmp.block: what goes in comes out again, and nothing else moves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from keeprate_xmp.block import empty_packet, insert, read_fields, take_out
from keeprate_xmp.embedded import xmp_values
from keeprate_xmp.fields import MICROSOFT, XMP, ScoreFields
from keeprate_xmp.packet import PacketError, scan
from support.xmp import exiftool, jpeg, packet

FIELDS = ScoreFields("0.9134", "0.97", "keep", "keep#3 on builtin", "2026-01-02T03:04:05Z", "jpeg1-00ff")
MARKED = replace(FIELDS, wrote_rating="5", wrote_label="Green", wrote_keywords="Score|9")
LEGACY = packet(attributes="xmp:CreatorTool='x'").replace(b"xmp:C", b"xap:C").replace(b"xmlns:xmp", b"xmlns:xap")
PACKETS = {
    "empty": empty_packet(),
    "usual": packet("<dc:title>t</dc:title>"),
    "with an about": packet(about="uuid:1234-&quot;5"),
    "old prefix": LEGACY,
    "no wrapper": packet()[packet().index(b"<x:xmpmeta") : packet().index(b"<?xpacket end")],
    "rdf bound to r": packet().replace(b"rdf:", b"r:").replace(b"xmlns:rdf", b"xmlns:r"),
}


@pytest.mark.parametrize("name", PACKETS)
@pytest.mark.parametrize("fields", [FIELDS, MARKED, replace(FIELDS, user_owns=frozenset({"rating", "label"}))])
def test_put_in_read_and_taken_out(name: str, fields: ScoreFields) -> None:
    before = PACKETS[name]
    after = insert(before, fields)
    assert read_fields(scan(after)) == fields
    assert take_out(scan(after), fields.shared()) == before


@pytest.mark.parametrize("name", PACKETS)
def test_all_else_stays_byte_for_byte(name: str) -> None:
    before = PACKETS[name]
    after = insert(before, MARKED)
    at = scan(before).body_end
    assert after.startswith(before[:at])
    assert after.endswith(before[at:])


@pytest.mark.parametrize("name", [name for name in PACKETS if name != "rdf bound to r"])
def test_other_programs_read_it(name: str, tmp_path: Path) -> None:
    data = insert(PACKETS[name], MARKED)
    values = xmp_values(data)
    assert values is not None
    assert values["Xmp.keeprate.score"] == "0.9134"
    assert values["Xmp.xmp.Rating"] == "5"
    assert values["Xmp.dc.subject"] == ["Score 9"]
    path = tmp_path / "x.xmp"
    path.write_bytes(data)
    tags = exiftool(path)
    assert tags["XMP-keeprate:Score"] == 0.9134
    assert tags["XMP-keeprate:Model"] == "keep#3 on builtin"
    assert tags["XMP-xmp:Rating"] == 5
    assert tags["XMP-microsoft:RatingPercent"] == 99
    assert tags["XMP-xmp:Label"] == "Green"
    assert tags["XMP-dc:Subject"] == ["Score 9"]
    assert tags["XMP-lr:HierarchicalSubject"] == ["Score|9"]
    assert tags["XMP-digiKam:TagsList"] == ["Score/9"]


def test_lists_are_of_the_kind_that_their_readers_expect() -> None:
    data = insert(empty_packet(), MARKED)
    assert data.count(b"<rdf:Bag>") == 2
    assert data.count(b"<rdf:Seq>") == 1


def test_an_old_prefix_is_used_again() -> None:
    after = insert(LEGACY, MARKED)
    assert b'xap:Rating="5"' in after
    assert b"xmp:Rating" not in after


@pytest.mark.parametrize("standing", ["xmp:Rating='0'", "xmp:Rating='0.0'", "xmp:Rating='-0'"])
def test_a_rating_of_zero_is_overwritten_in_place_and_comes_back(standing: str) -> None:
    before = packet(attributes=standing)
    after = insert(before, MARKED)
    scanned = scan(after)
    assert [one.value for one in scanned.all_of(XMP, "Rating")] == ["5"]
    fields = read_fields(scanned)
    assert fields is not None
    assert fields.replaced_rating == standing.split("'")[1]
    assert take_out(scanned, fields.shared()) == before


def test_a_zero_in_an_element_as_well() -> None:
    before = packet("<xmp:Rating>0</xmp:Rating>")
    after = insert(before, MARKED)
    assert b"<xmp:Rating>5</xmp:Rating>" in after
    assert take_out(scan(after), MARKED.shared()) == before


@pytest.mark.parametrize(
    "standing",
    [
        packet(attributes="xmp:Rating='3'"),
        packet(attributes="xmp:Rating='-1'"),
        packet(attributes="xmp:Rating='0'", inside="<xmp:Rating>0</xmp:Rating>"),
        packet(attributes="xmp:Label=''"),
        packet("<dc:subject><rdf:Bag/></dc:subject>"),
    ],
)
def test_nothing_that_stands_is_overwritten(standing: bytes) -> None:
    with pytest.raises(PacketError):
        insert(standing, MARKED)


def test_without_a_prefix_for_windows_its_rating_is_left_out() -> None:
    after = scan(insert(packet(attributes="xmlns:MicrosoftPhoto='urn:else'"), MARKED))
    assert after.text_of(XMP, "Rating") == "5"
    assert after.all_of(MICROSOFT, "Rating") == []


def test_a_name_that_xml_cannot_carry() -> None:
    fields = replace(FIELDS, model='a<b>&"c"\x07\n\ud800', head="Köpfe", wrote_keywords="Grüße & <x>|9")
    read = read_fields(scan(insert(empty_packet(), fields)))
    assert read is not None
    assert read.model == 'a<b>&"c"\ufffd\n\ufffd'
    assert (read.head, read.wrote_keywords) == ("Köpfe", "Grüße & <x>|9")


def test_taking_out_of_a_packet_that_another_program_rewrote() -> None:
    rewritten = packet(
        "\n   <keeprate:wroteRating>4</keeprate:wroteRating>\n   <dc:title>mine</dc:title>",
        attributes="xmlns:keeprate='urn:keeprate:xmp:1/' keeprate:score='0.8' xmp:Rating='4' xmp:CreatorTool='t'",
    )
    fields = read_fields(scan(rewritten))
    assert fields is not None
    assert take_out(scan(rewritten), fields.shared()) == packet(
        "\n   <dc:title>mine</dc:title>",
        attributes="xmlns:keeprate='urn:keeprate:xmp:1/' xmp:CreatorTool='t'",
    )


def test_taking_out_leaves_what_differs_from_what_we_wrote() -> None:
    marked = insert(packet(), replace(FIELDS, wrote_rating="4", wrote_label="Green"))
    changed = marked.replace(b'xmp:Rating="4"', b'xmp:Rating="2"')
    left = scan(take_out(scan(changed), replace(FIELDS, wrote_rating="4", wrote_label="Green").shared()))
    assert left.text_of(XMP, "Rating") == "2"
    assert left.text_of(XMP, "Label") is None
    assert left.text_of(MICROSOFT, "Rating") is None
    assert read_fields(left) is None


def test_exiftool_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    path = tmp_path / "IMG.jpg"
    path.write_bytes(jpeg(insert(empty_packet(), ScoreFields("0.9", "0.9", "keep", "m", "t", "k", wrote_rating="4"))))
    found = exiftool(path)
    assert found["XMP-microsoft:RatingPercent"] == 75
    assert "ExifTool:Warning" not in found
