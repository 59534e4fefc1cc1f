"""From marks to labels, by tables."""

from __future__ import annotations

import pytest

from keeprate.catalog.labels import Label, LabelSource
from keeprate.config.models import HeadConfig
from keeprate.plugin_api import Channel, Shown
from keeprate.steps.marks.deciding_marks import Decision, SaidBefore, Vote, bucket_meant, decide, meanings

HEAD = HeadConfig(
    buckets={"keep": ("keep",), "delete": ("delete", "trash:")},
    colours={"keep": ("Green",), "delete": ("Red",)},
    keywords={"keep": ("Best", "Albums|Print")},
)


@pytest.mark.parametrize(
    ("channel", "value", "bucket"),
    [
        (Channel.RATING, "5", "keep"),
        (Channel.RATING, "4", "keep"),
        (Channel.RATING, "3", None),
        (Channel.RATING, "1", "delete"),
        (Channel.RATING, "-1", "delete"),
        (Channel.PICK, "accepted", "keep"),
        (Channel.PICK, "rejected", "delete"),
        (Channel.PICK, "pending", None),
        (Channel.COLOUR, "green", "keep"),
        (Channel.COLOUR, "Blue", None),
        (Channel.KEYWORD, "best", "keep"),
        (Channel.KEYWORD, "Year|2024|Best", "keep"),
        (Channel.KEYWORD, "albums|print", "keep"),
        (Channel.KEYWORD, "Print", None),
        (Channel.KEYWORD, "5", None),  # of another channel
    ],
)
def test_what_a_value_means(channel: Channel, value: str, bucket: str | None) -> None:
    assert bucket_meant(Shown(channel, value), meanings(HEAD)) == bucket


def vote(bucket: str, *, of: str = "a", born: bool = True, held: bool = False, file: str = "a.jpg") -> Vote:
    shown = Shown(Channel.RATING, "5" if bucket == "keep" else "1")
    return Vote("a", of, f"/p/{file}", shown, bucket, born, held)


def label(bucket: str, source: LabelSource, of: str = "a") -> Label:
    return Label(of, "keep", bucket, source, 1.0, f"/p/{bucket}/{of}.jpg")


def decided(
    *votes: Vote,
    taken: str | None = "unseen",
    labels: tuple[Label, ...] = (),
    place: Label | None = None,
    present: bool = True,
    unsure: bool = False,
    besides: str | None = None,
) -> Decision:
    before = SaidBefore(
        taken={} if taken == "unseen" else {"a": taken},
        labels={"a": labels} if labels else {},
        places={} if place is None else {"a": place},
        present={"a"} if present else (),
        unsure={"a"} if unsure else (),
        besides={"a": besides} if besides else {},
    )
    return decide("keep", votes, before, 100.0)


def told(decision: Decision) -> list[tuple[str, str | None, str]]:
    return [(one.content_key, one.bucket, one.source) for one in decision.labels]


KEEP, DELETE, WITHDRAWN = ("a", "keep", "rating"), ("a", "delete", "rating"), ("a", None, "rating")
MOVED = label("delete", LabelSource.MOVE)
RATED = label("keep", LabelSource.RATING)


def test_marks_become_a_label_once() -> None:
    assert told(decided(vote("keep"))) == [KEEP]
    assert told(decided(vote("keep"), vote("keep", file="copy.jpg"))) == [KEEP]
    again = decided(vote("keep"), taken="keep", labels=(RATED,))
    assert (told(again), again.taken) == ([], {})


def test_marks_that_change_are_an_act() -> None:
    assert told(decided(vote("delete", born=False), taken="keep", labels=(RATED,))) == [DELETE]


def test_marks_that_were_there_first_do_not_outdo_a_folder_but_later_ones_do() -> None:
    first = decided(vote("keep"), labels=(MOVED,))
    assert (told(first), first.taken) == ([], {"a": "keep"}), "remembered, so that it is no news tomorrow"
    assert told(decided(vote("keep", born=False), labels=(MOVED,))) == [KEEP]
    assert told(decided(vote("keep"), labels=(label("delete", LabelSource.FOLDER, of="raw"),))) == []


def test_a_later_move_stands_until_the_marks_change() -> None:
    assert told(decided(vote("keep"), taken="keep", labels=(MOVED,))) == []
    assert told(decided(vote("delete"), taken="keep", labels=(label("keep", LabelSource.MOVE),))) == [DELETE]


def test_what_was_said_already_is_not_said_twice() -> None:
    said = decided(vote("delete", born=False), labels=(MOVED,))
    assert (told(said), said.taken) == ([], {"a": "delete"})


def test_what_the_place_says_already_is_said_if_the_opposite_would_return() -> None:
    """The page said “keep”, the photo was moved into `delete/`: stars that mean “delete” end the former."""
    assert told(decided(vote("delete"), taken=None, labels=(MOVED,), besides="keep")) == [DELETE]
    assert told(decided(vote("delete"), taken=None, labels=(MOVED,), besides="delete")) == []


def test_marks_taken_away_take_back_their_own_label_only() -> None:
    gone = decided(taken="keep", labels=(RATED,))
    assert (told(gone), gone.taken) == ([WITHDRAWN], {"a": None})
    other = decided(taken="keep", labels=(MOVED,))
    assert (told(other), other.taken) == ([], {"a": None})
    place = label("delete", LabelSource.FOLDER)
    assert told(decided(taken="keep", labels=(RATED,), place=place)) == [("a", "delete", "folder")], "where it lies"


@pytest.mark.parametrize("away", [{"present": False}, {"unsure": True}])
def test_what_cannot_be_seen_withdraws_nothing(away: dict[str, bool]) -> None:
    decision = decided(taken="keep", labels=(RATED,), **away)  # type: ignore[arg-type]
    assert (told(decision), decision.taken) == ([], {})


def test_marks_that_contradict_each_other_teach_nothing_and_are_reported() -> None:
    decision = decided(vote("keep"), vote("delete", of="raw", file="a.nef"), taken="keep", labels=(RATED,))
    assert told(decision) == [WITHDRAWN]
    (conflict,) = decision.conflicts
    assert conflict.path == "/p/a.jpg"
    assert "5 stars means keep but 1 star means delete (/p/a.nef)" in conflict.reason


def test_held_votes_are_asked_about_where_a_label_would_follow() -> None:
    held = vote("delete", held=True)
    assert (told(decided(held)), decided(held).asked) == ([], (held,))
    assert decided(held, labels=(label("keep", LabelSource.MOVE),)).asked == (), "the folder counts anyway"
    assert decided(held, vote("delete")).asked == (), "said by other marks anyway"
    assert decided(held, vote("keep", held=True)).asked == (), "nothing would follow from a contradiction"
    learned = decided(held, taken="delete", labels=(label("delete", LabelSource.RATING),))
    assert (told(learned), learned.asked) == ([WITHDRAWN], (held,)), "in the same pass"
    place = label("delete", LabelSource.FOLDER)
    back = decided(held, taken="delete", labels=(label("delete", LabelSource.RATING),), place=place)
    assert (told(back), back.asked) == ([("a", "delete", "folder")], ()), "the folder says it"
