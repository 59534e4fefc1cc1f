"""Work out what one packet should say: the decision and the new bytes, without touching a file."""

from __future__ import annotations

from dataclasses import dataclass, replace

from keeprate.plugin_api import BurstKind, MarkRequest, ScoredPhoto, Shown
from keeprate_xmp.block import insert, read_fields, take_out
from keeprate_xmp.fields import ScoreFields, VisibleMarks, keyword_claim, score_fields, visible_marks
from keeprate_xmp.ownership import CHANNELS, Evidence, Hold, Verdict, judge
from keeprate_xmp.packet import Packet, PacketError, keep_length, scan
from keeprate_xmp.settings import XmpSettings
from keeprate_xmp.user_values import NOTHING_GIVEN, Given
from keeprate_xmp.verification import verify_edit


@dataclass(frozen=True, slots=True)
class Wish:
    """What we would like to write for one photo."""

    fields: ScoreFields
    visible: VisibleMarks
    minimum_change: float
    said: tuple[Shown, ...] = ()
    """What the user says about the photo, wherever it stands."""
    given: Given = NOTHING_GIVEN
    """What keeprate ever gave to the photo."""

    @property
    def shows_something(self) -> bool:
        return self.visible != VisibleMarks()

    def value(self, channel: str) -> str | None:
        return {"rating": self.visible.rating, "label": self.visible.label, "keywords": self.visible.keywords}[channel]


@dataclass(frozen=True, slots=True)
class MarkedPacket:
    """The outcome: new bytes of a packet and what changed, in words."""

    data: bytes
    summary: str
    shows: tuple[Shown, ...]


def wish_for(photo: ScoredPhoto, content_key: str, request: MarkRequest, settings: XmpSettings) -> Wish:
    """What the settings ask for a file of a photo."""
    marks = visible_marks(
        photo.percentile,
        stars=settings.stars,
        label=settings.label,
        keyword_root=settings.keyword_root if settings.keywords else None,
        further_keyword=settings.best_of_burst_keyword if settings.best_of_burst and _is_best_of_many(photo) else None,
    )
    given = Given.of((), settings.keyword_root, photo.given)
    return Wish(score_fields(photo, content_key, request), marks, settings.minimum_change, photo.said, given)


def _is_best_of_many(photo: ScoredPhoto) -> bool:
    burst = photo.burst
    return burst is not None and burst.position == 1 and burst.kind in (BurstKind.BURST, BurstKind.DUPLICATES)


def is_settled(here: Packet, wish: Wish) -> bool:
    """Whether the packet says what it should, answered without a look at the photo or the journal.

    False does not mean that something will change, only that the rest of the evidence is needed. A rating that
    the user set elsewhere while ours stands here is noticed by what `wish` says of it, else when ours would change.
    """
    found = read_fields(here)
    if found is None:
        return False
    verdict = judge(Evidence(key=found.key, here=here, said=wish.said, given=wish.given))
    return not _worth_writing(found, _fields_to_write(wish, verdict, found), wish.minimum_change)


def mark(evidence: Evidence, wish: Wish, *, constant_length: bool) -> MarkedPacket | None:
    """`evidence.here` with our block brought up to date; None if it may stay as it is.

    With `constant_length` the padding of the packet gives and takes, as far as it goes.

    Raises:
        PacketError: it cannot be done without touching what is not ours.
    """
    verdict = judge(evidence)
    found = read_fields(evidence.here)
    fields = _fields_to_write(wish, verdict, found)
    if found is not None and not _worth_writing(found, fields, wish.minimum_change):
        return None
    before = evidence.here.data
    data = insert(take_out(evidence.here, verdict.removable), fields)
    if constant_length:
        data = keep_length(data, len(before))
    verify_edit(before, data, verdict.removable)
    return MarkedPacket(data, _summary(found, fields), fields.shown())


def clear(base: bytes, *, constant_length: bool) -> bytes | None:
    """The packet without anything of ours; None if there is nothing of ours in it.

    Raises:
        PacketError: it cannot be done without touching what is not ours.
    """
    packet = scan(base)
    found = read_fields(packet)
    if found is None:
        return None
    data = take_out(packet, found.shared())
    if constant_length:
        data = keep_length(data, len(base))
    verify_edit(base, data, found.shared())
    return data


def says_nothing(packet: bytes) -> bool:
    """Whether a packet holds no property at all."""
    return not scan(packet).properties


def fields_of(packet: bytes | None) -> ScoreFields | None:
    """Our properties in a packet that may be anything; None where there are none."""
    if packet is None:
        return None
    try:
        return read_fields(scan(packet))
    except PacketError:
        return None


def _fields_to_write(wish: Wish, verdict: Verdict, found: ScoreFields | None) -> ScoreFields:
    writes: dict[str, str | None] = {}
    for channel in CHANNELS:
        hold = verdict.of(channel.name)
        if hold is Hold.AGREED and found is not None:
            writes[channel.name] = found.claim(channel.name)
        else:
            writes[channel.name] = None if hold is Hold.USERS else wish.value(channel.name)
    return replace(
        wish.fields,
        wrote_rating=writes["rating"],
        wrote_label=writes["label"],
        wrote_keywords=writes["keywords"],
        replaced_rating=None,
        user_owns=verdict.user_owns,
    )


def _worth_writing(found: ScoreFields, wanted: ScoreFields, minimum_change: float) -> bool:
    """Whether anything visible, or the score by enough, differs; model, rank and time alone do not count."""
    if (found.key, found.head) != (wanted.key, wanted.head):
        return True
    try:
        moved = abs(float(found.score) - float(wanted.score))
    except ValueError:
        return True
    claims = [
        (fields.wrote_rating, fields.wrote_label, fields.wrote_keywords, fields.user_owns) for fields in (found, wanted)
    ]
    return not moved < minimum_change or claims[0] != claims[1]


def _summary(found: ScoreFields | None, fields: ScoreFields) -> str:
    parts = [f"score {fields.score}" + (f" (was {found.score})" if found is not None else "")]
    if fields.wrote_rating is not None:
        parts.append(f"{fields.wrote_rating} star{'s' if fields.wrote_rating != '1' else ''}")
    if fields.wrote_label is not None:
        parts.append(f"label {fields.wrote_label}")
    if fields.wrote_keywords is not None:
        parts.append(f"keyword {', '.join(keyword_claim(fields.wrote_keywords))}")
    if fields.user_owns:
        parts.append(f"yours: {', '.join(sorted(fields.user_owns))}")
    return ", ".join(parts)
