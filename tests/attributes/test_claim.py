"""The claim: short, and read back as it was written whatever the values are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeprate.attributes.claim import Attributes, Claim
from keeprate.plugin_api import MarkRefusedError

VALUES = st.dictionaries(st.sampled_from(["stars", "tags"]), st.binary(max_size=30), max_size=2)


@given(VALUES, st.frozensets(st.sampled_from(["stars", "tags"])), st.none() | VALUES)
def test_comes_back_as_it_was(wrote: dict[str, bytes], owned: frozenset[str], unfinished: dict[str, bytes]) -> None:
    claim = Claim("2c41d7", wrote, owned, unfinished)
    assert Claim.decoded(claim.encoded()) == (claim if claim.encoded() is not None else None)


def test_fits_into_an_inode_of_ext4_also_while_it_is_being_written() -> None:
    claim = Claim("2c41d7", {"stars": b"10"}, frozenset(), {"stars": b"10"})
    assert len(claim.encoded() or b"") <= 24


@pytest.mark.parametrize("text", [b"", b"nonsense", b"\xff\xfe;;=;!", b"a;b;c", b";" * 1000, b"2c41d7;stars=%zz"])
def test_nonsense_claims_nothing_that_matters(text: bytes) -> None:
    claim = Claim.decoded(text)
    assert claim is not None
    assert not claim.may_be_ours("stars") or claim.may_be_ours("stars") == (b"%zz",)


@given(st.dictionaries(st.text(max_size=5), st.binary(max_size=20), min_size=1))
def test_the_journal_keeps_any_bytes(values: dict[str, bytes]) -> None:
    assert Attributes.decoded(Attributes(values).encoded()) == Attributes(values)


@pytest.mark.parametrize("entry", [b"", b"{", b"[1]", b'{"a": 1}', b"\xff"])
def test_a_journal_entry_of_something_else_is_refused(entry: bytes) -> None:
    with pytest.raises(MarkRefusedError, match="this version"):
        Attributes.decoded(entry)
