"""The Finder's tags as they stand in the attribute."""

from __future__ import annotations

import plistlib

import pytest

from keeprate_finder.values import colour_in, has_no_tags, keywords_in, packed, tags_without, unpacked

BY_THE_FINDER = bytes.fromhex(
    "62706c6973743030a301020355526564" "0a36584f72616e67650a375859656c6c" "6f770a35080c121b0000000000000101"
    "00000000000000040000000000000000" "0000000000000024"
)  # fmt: skip
"""Red, Orange, Yellow: set in the Finder of macOS 11, from a public report (danthedeckie/finder_colors, issue 7)."""


def test_what_the_finder_wrote_is_understood() -> None:
    assert unpacked(BY_THE_FINDER) == ["Red\n6", "Orange\n7", "Yellow\n5"]
    assert colour_in(BY_THE_FINDER) == "Red"
    assert keywords_in(BY_THE_FINDER) == ()


def test_ours_are_written_byte_for_byte_as_the_finder_writes_them() -> None:
    assert packed(["Red", "Orange", "Yellow"]) == BY_THE_FINDER
    assert packed([]) is None
    assert unpacked(packed(["Score 9"]) or b"") == ["Score 9\n0"]


def test_tags_of_the_users_own_with_and_without_colours() -> None:
    value = plistlib.dumps(["Work\n4", "Rot\n6", "plain", "Green\n0", "odd\n99", ""], fmt=plistlib.FMT_BINARY)
    assert colour_in(value) == "Blue"
    assert keywords_in(value) == ("Green", "Rot", "Work", "odd", "plain")


def test_ours_are_taken_out_of_a_list_that_others_have_added_to() -> None:
    ours, both = packed(["Green", "Score 9"]) or b"", packed(["Score 9", "sea", "Green"]) or b""
    assert tags_without(both, ours) == packed(["sea"])
    assert tags_without(ours, ours) is None
    assert tags_without(packed(["Green"]) or b"", ours) is None
    assert tags_without(BY_THE_FINDER, ours) == BY_THE_FINDER


@pytest.mark.parametrize(
    "value",
    [b"x", b"bplist00", b"<plist>", plistlib.dumps({"a": 1}), plistlib.dumps([1, 2]), b"bplist00" + b"\xff" * 40],
)
def test_what_cannot_be_read_counts_as_the_users_and_says_nothing(value: bytes) -> None:
    assert unpacked(value) is None
    assert not has_no_tags(value)
    assert (colour_in(value), keywords_in(value)) == (None, ())
    assert tags_without(value, packed(["Green"]) or b"") == value


def test_no_tags_are_none() -> None:
    assert has_no_tags(plistlib.dumps([], fmt=plistlib.FMT_BINARY))
    assert has_no_tags(b"")


def test_an_entity_bomb_does_no_harm() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY c "&a;&a;">]><plist>&c;</plist>'
    assert unpacked(bomb) is None
