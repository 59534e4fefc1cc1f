"""Tests of keeprate_xmp.ownership: free, ours, or the user's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeprate.plugin_api import Channel, Shown
from keeprate_xmp.block import empty_packet, insert
from keeprate_xmp.fields import MICROSOFT, ScoreFields
from keeprate_xmp.ownership import Evidence, Hold, Verdict, judge
from keeprate_xmp.packet import scan
from keeprate_xmp.user_values import Given
from support.xmp import packet

KEY = "jpeg1-00ff"
FIELDS = ScoreFields("0.9", "0.9", "keep", "m", "t", KEY)
WROTE = replace(FIELDS, wrote_rating="4", wrote_label="Green", wrote_keywords="Score|9")
MARKED = insert(packet(), WROTE)
FREE, OURS, USERS = Hold.FREE, Hold.OURS, Hold.USERS
NAMESPACES = (
    'xmlns:acdsee="http://ns.acdsee.com/iptc/1.0/" xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/" '
    'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:digiKam="http://www.digikam.org/ns/1.0/" '
    'xmlns:lr="http://ns.adobe.com/lightroom/1.0/" xmlns:darktable="http://darktable.sf.net/" '
)


def verdict(data: bytes, **evidence: object) -> Verdict:
    return judge(Evidence(key=KEY, here=scan(data), **evidence))  # type: ignore[arg-type]


def holds(found: Verdict) -> tuple[Hold, Hold, Hold]:
    return found.of("rating"), found.of("label"), found.of("keywords")


def bag(name: str, kind: str = "Bag") -> str:
    return f"<{name}><rdf:{kind}><rdf:li>1</rdf:li></rdf:{kind}></{name}>"


@pytest.mark.parametrize(
    ("attributes", "inside", "expected"),
    [
        ("", "", (FREE, FREE, FREE)),
        ("xmp:Rating='0'", "", (FREE, FREE, FREE)),
        ("xmp:Rating=''", "", (FREE, FREE, FREE)),
        ("xmp:Rating='3'", "", (USERS, FREE, FREE)),
        ("xmp:Rating='-1'", "", (USERS, FREE, FREE)),
        ("", "<xmp:Rating>1</xmp:Rating>", (USERS, FREE, FREE)),
        ("xmp:Rating='nonsense'", "", (USERS, FREE, FREE)),
        ("MicrosoftPhoto:Rating='25'", "", (USERS, FREE, FREE)),
        ("MicrosoftPhoto:Rating='0'", "", (FREE, FREE, FREE)),
        ("acdsee:rating='2'", "", (USERS, FREE, FREE)),
        ("photoshop:Urgency='2'", "", (USERS, USERS, FREE)),
        ("xmp:Label='Blue'", "", (FREE, USERS, FREE)),
        ("xmp:Label=''", "", (FREE, USERS, FREE)),
        ("digiKam:ColorLabel='4'", "", (FREE, USERS, FREE)),
        ("digiKam:ColorLabel='0'", "", (FREE, FREE, FREE)),
        ("", bag("darktable:colorlabels", "Seq"), (FREE, USERS, FREE)),
        ("", bag("dc:subject"), (FREE, FREE, USERS)),
        ("", bag("dc:subject", "Seq"), (FREE, FREE, USERS)),
        ("", bag("lr:hierarchicalSubject"), (FREE, FREE, USERS)),
        ("", bag("digiKam:TagsList", "Seq"), (FREE, FREE, USERS)),
        ("", "<dc:subject>flat</dc:subject>", (FREE, FREE, USERS)),
    ],
)
def test_who_holds_what_in_a_packet_that_we_never_touched(
    attributes: str, inside: str, expected: tuple[Hold, Hold, Hold]
) -> None:
    data = packet(inside, attributes=NAMESPACES + attributes)
    assert holds(verdict(data)) == expected
    assert verdict(data).user_owns == frozenset()
    if expected != (FREE, FREE, FREE):
        elsewhere = judge(Evidence(KEY, scan(empty_packet()), elsewhere=(scan(data),)))
        usable = "xmp:Label=''" not in attributes
        assert holds(elsewhere) == (expected if usable else (FREE, FREE, FREE))


def test_what_we_wrote_is_ours() -> None:
    found = verdict(MARKED)
    assert holds(found) == (OURS, OURS, OURS)
    assert found.removable == WROTE.shared()
    assert found.user_owns == frozenset()


@pytest.mark.parametrize(
    ("old", "new", "channel"),
    [
        (b'xmp:Rating="4"', b'xmp:Rating="5"', "rating"),
        (b'xmp:Rating="4"', b'xmp:Rating="0"', "rating"),
        (b'xmp:Rating="4"', b"", "rating"),
        (b'MicrosoftPhoto:Rating="75"', b'MicrosoftPhoto:Rating="25"', "rating"),
        (b'xmp:Label="Green"', b'xmp:Label="Red"', "label"),
        (b'xmp:Label="Green"', b"", "label"),
        (b">Score 9</rdf:li>", b">Score 9</rdf:li><rdf:li>holiday</rdf:li>", "keywords"),
        (b"<rdf:li>Score 9</rdf:li>", b"", "keywords"),
    ],
)
def test_what_the_user_changed_or_removed_is_theirs_for_ever(old: bytes, new: bytes, channel: str) -> None:
    assert old in MARKED
    changed = MARKED.replace(old, new)
    found = verdict(changed)
    assert found.of(channel) is USERS
    assert found.user_owns == {channel}
    remembered = insert(packet(), replace(FIELDS, user_owns=frozenset({channel})))
    assert verdict(remembered).of(channel) is USERS


def test_our_leftovers_beside_a_value_of_the_users_go() -> None:
    found = verdict(MARKED.replace(b'xmp:Rating="4"', b'xmp:Rating="5"'))
    assert (MICROSOFT, "Rating", "75") in found.removable.simple


CARRIED_ON = (
    "acdsee:rating='4' digiKam:ColorLabel='4'",
    "<acdsee:keywords><rdf:Bag><rdf:li>Score 9</rdf:li></rdf:Bag></acdsee:keywords>",
)
OTHERS = ("acdsee:rating='3' digiKam:ColorLabel='1'", CARRIED_ON[1].replace("Score 9", "holiday"))


@pytest.mark.parametrize(("attributes", "inside"), [CARRIED_ON, OTHERS])
def test_a_program_that_carries_ours_on_says_nothing(attributes: str, inside: str) -> None:
    echoed = (attributes, inside) == CARRIED_ON
    for found in (
        verdict(insert(packet(inside, attributes=NAMESPACES + attributes), WROTE)),
        verdict(MARKED, elsewhere=(scan(packet(inside, attributes=NAMESPACES + attributes)),)),
    ):
        assert holds(found) == ((OURS, OURS, OURS) if echoed else (USERS, USERS, USERS))
        assert found.removable == WROTE.shared()  # nothing of ours may stay that nobody claims
        assert found.user_owns == (set() if echoed else {"rating", "label", "keywords"})


def test_what_ours_was_once_and_a_program_carried_on_says_nothing() -> None:
    elsewhere = (scan(packet(attributes="xmp:Rating='2'")),)
    assert verdict(MARKED, elsewhere=elsewhere).of("rating") is USERS
    given = Given.of((), "Score", (Shown(Channel.RATING, "2"),))
    assert verdict(MARKED, elsewhere=elsewhere, given=given).of("rating") is OURS
    assert verdict(packet(), elsewhere=elsewhere, given=given).of("rating") is USERS  # no claim, no trust
    changed = MARKED.replace(b'xmp:Rating="4"', b'xmp:Rating="2"')
    assert verdict(changed, given=given).of("rating") is USERS


@pytest.mark.parametrize(("said", "hold"), [("4", Hold.AGREED), ("3", USERS)])
def test_the_user_says_it_in_another_file(said: str, hold: Hold) -> None:
    found = verdict(MARKED, said=(Shown(Channel.RATING, said),))
    assert found.of("rating") is hold
    assert found.removable == WROTE.shared()
    assert verdict(packet(), said=(Shown(Channel.RATING, said),)).of("rating") is USERS


@pytest.mark.parametrize(
    ("shown", "place"),
    [(Shown(Channel.RATING, "2"), "rating"), (Shown(Channel.KEYWORD, "holiday"), "keywords")],
)
def test_values_outside_xmp_are_the_users(shown: Shown, place: str) -> None:
    assert verdict(packet(), outside=(shown,)).of(place) is USERS
    assert verdict(MARKED, outside=(shown,)).of(place) is USERS
    ours = Shown(shown.channel, "4" if place == "rating" else "Score 9")
    assert verdict(packet(), outside=(ours,)).of(place) is USERS
    assert verdict(MARKED, outside=(ours,)).of(place) is OURS


class TestJournal:
    def test_it_must_agree_with_the_block(self) -> None:
        other = replace(WROTE, wrote_rating="5")
        assert verdict(MARKED, journal=WROTE).of("rating") is OURS
        assert verdict(MARKED, journal=other).of("rating") is USERS
        assert verdict(MARKED, journal=FIELDS).of("rating") is USERS

    def test_without_one_the_block_must_be_of_this_photo(self) -> None:
        foreign = insert(packet(), replace(WROTE, key="jpeg1-another"))
        assert holds(verdict(foreign)) == (USERS, USERS, USERS)
        assert verdict(foreign).removable.simple == ()
        assert verdict(foreign, journal=replace(WROTE, key="jpeg1-another")).of("rating") is OURS

    def test_marks_that_were_stripped_do_not_come_back(self) -> None:
        found = verdict(packet(), journal=WROTE)
        assert holds(found) == (USERS, USERS, USERS)
        assert found.user_owns == {"rating", "label", "keywords"}

    def test_those_of_another_photo_do_not_count(self) -> None:
        assert verdict(packet(), journal=replace(WROTE, key="jpeg1-another")).of("rating") is FREE


def test_what_cannot_be_read_leaves_nothing_free() -> None:
    assert holds(verdict(packet(), complete=False)) == (USERS, USERS, USERS)
    assert verdict(packet(), complete=False).user_owns == frozenset()
    assert verdict(MARKED, complete=False).of("rating") is OURS


def test_our_marks_in_another_packet_are_not_the_users() -> None:
    assert verdict(packet(), elsewhere=(scan(MARKED),)).of("rating") is FREE
    changed = scan(MARKED.replace(b'xmp:Rating="4"', b'xmp:Rating="5"'))
    assert verdict(packet(), elsewhere=(changed,)).of("rating") is USERS
