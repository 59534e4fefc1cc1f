"""Whose is a rating, a label, a keyword: nobody's yet, ours, or the user's?

The rule is old and simple: what the user set is theirs for ever, and what they took away stays away. A value is
ours only if it stands exactly as we wrote it, both by what our block claims and by what the journal remembers,
and if nothing else in the photo, its sidecars or its attributes says anything else of the kind. A value elsewhere
that we gave ourselves is an echo: a program carried it on. Whatever is in doubt is the user's, and what of ours
stands beside it is taken out, lest stars that nobody claims go stale. A rating of 0 is nobody's: cameras write it
(Canon 7D and later, Sony α6400, Nikon Z).

Pure: packets in, decisions out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from keeprate import plugin_api
from keeprate.plugin_api import Shown
from keeprate_xmp.block import holds, is_zero, read_fields
from keeprate_xmp.fields import (
    ACDSEE,
    DARKTABLE,
    DC,
    DIGIKAM,
    LIGHTROOM,
    MEDIAPRO,
    MICROSOFT,
    PHOTOSHOP,
    XMP,
    ScoreFields,
    SharedValues,
)
from keeprate_xmp.packet import Packet, Property
from keeprate_xmp.user_values import NOTHING_GIVEN, Given

_Names = frozenset[tuple[str, str]]


class Hold(StrEnum):
    """Who holds a channel."""

    FREE = "free"
    OURS = "ours"
    AGREED = "ours, and the user says the same elsewhere"
    """It stays as it stands until they differ."""
    USERS = "the user's"


@dataclass(frozen=True, slots=True)
class Channel:
    """One kind of visible mark and the properties in which programs keep it."""

    name: str
    shown: plugin_api.Channel
    """What the core calls it."""
    main: tuple[str, str]
    """The property that every viewer reads."""
    shared: _Names
    """What we write, `main` included."""
    foreign: _Names
    """What only others write; anything in there is the user's."""


CHANNELS = (
    Channel(
        "rating",
        plugin_api.Channel.RATING,
        (XMP, "Rating"),
        frozenset({(XMP, "Rating"), (MICROSOFT, "Rating")}),
        frozenset({(ACDSEE, "rating"), (PHOTOSHOP, "Urgency")}),
    ),
    Channel(
        "label",
        plugin_api.Channel.COLOUR,
        (XMP, "Label"),
        frozenset({(XMP, "Label")}),
        frozenset({(DIGIKAM, "ColorLabel"), (PHOTOSHOP, "Urgency"), (DARKTABLE, "colorlabels")}),
    ),
    Channel(
        "keywords",
        plugin_api.Channel.KEYWORD,
        (DC, "subject"),
        frozenset({(DC, "subject"), (LIGHTROOM, "hierarchicalSubject"), (DIGIKAM, "TagsList")}),
        frozenset(
            {
                (ACDSEE, "categories"),
                (ACDSEE, "keywords"),
                (MEDIAPRO, "CatalogSets"),
                (MICROSOFT, "LastKeywordXMP"),
            }
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that says something about one photo file."""

    key: str
    """Content key of the photo."""
    here: Packet
    """The packet that would be written to."""
    elsewhere: tuple[Packet, ...] = ()
    """The other packets: embedded, or the sidecar with the other name."""
    journal: ScoreFields | None = None
    """What the journal says that we last wrote here."""
    outside: tuple[Shown, ...] = ()
    """What Exif, IPTC or an extended attribute say."""
    said: tuple[Shown, ...] = ()
    """What the user says about the photo wherever keeprate reads it: in its other files, in another way."""
    given: Given = NOTHING_GIVEN
    """What we ever gave to the photo, beside what our block and the journal claim."""
    complete: bool = True
    """False if something could not be read: then nothing counts as free."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who holds each channel, and what of ours may be taken out."""

    holds: tuple[tuple[str, Hold], ...]
    user_owns: frozenset[str]
    """Channels that were ours once and that the user has set or emptied since."""
    removable: SharedValues
    """Our values, wherever they still stand as we wrote them."""

    def of(self, channel: str) -> Hold:
        return dict(self.holds)[channel]


def judge(evidence: Evidence) -> Verdict:
    """Decide every channel of one photo file."""
    found = read_fields(evidence.here)
    verdicts: list[tuple[str, Hold]] = []
    taken_over = set(found.user_owns if found is not None else ())
    simple: list[tuple[str, str, str]] = []
    lists: list[tuple[str, str, str, tuple[str, ...]]] = []
    claims = [fields for fields in (found, evidence.journal) if fields is not None]
    given = evidence.given.and_claims(claims)
    for channel in CHANNELS:
        claim = _trusted_claim(channel.name, found, evidence)
        values = _values(channel.name, claim)
        verdict = _hold(channel, claim, found, evidence, given if claim is not None else NOTHING_GIVEN)
        verdicts.append((channel.name, verdict))
        if verdict is Hold.USERS and (claim is not None or _stripped(channel.name, found, evidence)):
            taken_over.add(channel.name)
        simple += values.simple
        lists += values.lists
    return Verdict(tuple(verdicts), frozenset(taken_over), SharedValues(tuple(simple), tuple(lists)))


def _hold(channel: Channel, claim: str | None, found: ScoreFields | None, evidence: Evidence, echoes: Given) -> Hold:
    """Who holds a channel of which our block says `claim`; `echoes` may stand elsewhere and mean nothing."""
    ours = _values(channel.name, claim)
    if found is not None and channel.name in found.user_owns:
        return Hold.USERS
    theirs = {shown.value for shown in evidence.said if shown.channel is channel.shown}
    outside = any(shown.channel is channel.shown and not echoes.has(shown) for shown in evidence.outside)
    if outside or theirs - {claim} or _stripped(channel.name, found, evidence):
        return Hold.USERS
    if any(_others(channel, evidence.here, ours, echoes)):
        return Hold.USERS
    for packet in evidence.elsewhere:
        fields = read_fields(packet)
        claimed = _values(channel.name, fields.claim(channel.name) if fields is not None else None)
        if not all(echoes.covers(one) for one in _others(channel, packet, claimed, echoes)):
            return Hold.USERS
    standing = evidence.here.all_of(*channel.main)
    if claim is not None:
        if not any(holds(one, ours) for one in standing):
            return Hold.USERS
        return Hold.AGREED if theirs else Hold.OURS
    writable = not standing or (channel.name == "rating" and len(standing) == 1)
    return Hold.FREE if evidence.complete and writable else Hold.USERS


def _trusted_claim(channel: str, found: ScoreFields | None, evidence: Evidence) -> str | None:
    """What our block says that we wrote, if the journal agrees.

    A renamed or copied photo has no journal entry under its new path; then its content key must be the one in the
    block, so that a sidecar that was left over from another photo proves nothing.
    """
    claim = found.claim(channel) if found is not None else None
    if found is None or claim is None:
        return None
    if evidence.journal is not None:
        return claim if evidence.journal.claim(channel) == claim else None
    return claim if found.key == evidence.key else None


def _stripped(channel: str, found: ScoreFields | None, evidence: Evidence) -> bool:
    """Whether we marked this very photo here, and somebody took out all that we wrote."""
    journal = evidence.journal
    return found is None and journal is not None and journal.key == evidence.key and journal.claim(channel) is not None


def _others(channel: Channel, packet: Packet, ours: SharedValues, echoes: Given) -> Iterable[Property]:
    """The properties of a channel that hold a value which is not ours, nor carried on by a program."""
    for found in packet.properties:
        name = (found.namespace, found.name)
        if (name in channel.foreign and _says_something(found) and not echoes.covers(found)) or (
            name in channel.shared and _says_something(found) and not holds(found, ours)
        ):
            yield found


def _says_something(found: Property) -> bool:
    if found.value is not None:
        return bool(found.value.strip()) and not is_zero(found.value)
    return found.items is None or bool(found.items)


def _values(channel: str, claim: str | None) -> SharedValues:
    return SharedValues.of(
        claim if channel == "rating" else None,
        claim if channel == "label" else None,
        claim if channel == "keywords" else None,
    )
