"""Tests of keeprate_xmp.verification: an edit that does more than it should is caught."""

from __future__ import annotations

import pytest

from keeprate_xmp.block import insert
from keeprate_xmp.fields import ScoreFields, SharedValues
from keeprate_xmp.packet import PacketError
from keeprate_xmp.verification import verify_edit
from support.xmp import packet

FIELDS = ScoreFields("0.9", "0.9", "keep", "m", "t", "k", wrote_rating="4")
BEFORE = packet("<dc:title>mine</dc:title>", attributes="xmp:CreatorTool='tool'")
NOTHING = SharedValues((), ())


def test_a_good_edit_passes() -> None:
    verify_edit(BEFORE, insert(BEFORE, FIELDS), NOTHING)
    verify_edit(insert(BEFORE, FIELDS), BEFORE, FIELDS.shared())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"mine", b"thine"),
        (b"<dc:title>mine</dc:title>", b""),
        (b" xmp:CreatorTool='tool'", b""),
        (b"<dc:title>", b"<dc:title xml:lang='x'>"),
        (b"</dc:title>", b"</dc:title><dc:source>s</dc:source>"),
        (b"</rdf:RDF>", b""),
        (b"<x:xmpmeta", b"<!DOCTYPE x><x:xmpmeta"),
    ],
)
def test_a_bad_one_does_not(old: bytes, new: bytes) -> None:
    with pytest.raises(PacketError):
        verify_edit(BEFORE, insert(BEFORE, FIELDS).replace(old, new), NOTHING)


def test_a_rating_of_the_users_may_not_go() -> None:
    rated = packet(attributes="xmp:Rating='3'")
    with pytest.raises(PacketError):
        verify_edit(rated, packet(), NOTHING)


def test_an_edit_that_exiv2_would_not_understand_is_refused() -> None:
    block = b'<rdf:Description rdf:about="" xmlns:tif="http://purl.org/dc/elements/1.1/" tif:x="1"/></rdf:RDF>'
    with pytest.raises(PacketError):
        verify_edit(BEFORE, BEFORE.replace(b"</rdf:RDF>", block), NOTHING)
