"""What the user said in one place: the stars, colour, flag and keywords of a packet or of a photo's own metadata.

The order in which properties are believed is that of the viewers that know most of them (digiKam, Immich, the
Windows Explorer). IPTC's and Photoshop's urgency is nobody's rating here, though some programs show it as one.
What stands exactly as keeprate wrote it, or as a program carried it on into a property of its own, is left out.

Pure: values in, values out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from keeprate.plugin_api import Channel, Shown
from keeprate_xmp.embedded import EmbeddedMetadata
from keeprate_xmp.fields import (
    ACDSEE,
    DARKTABLE,
    DC,
    DIGIKAM,
    DYNAMIC_MEDIA,
    LIGHTROOM,
    MEDIAPRO,
    MICROSOFT,
    XMP,
    ScoreFields,
    keyword_claim,
)
from keeprate_xmp.packet import Packet, Property

NOT_RATED = 0
_DIGIKAM_COLOURS = ("Red", "Orange", "Yellow", "Green", "Blue", "Purple", "Gray", "Black", "White")
"""digiKam:ColorLabel 1 … 9. What digiKam calls magenta it writes as xmp:Label `Purple`."""
_DARKTABLE_COLOURS = ("Red", "Yellow", "Green", "Blue", "Purple")
"""darktable:colorlabels 0 … 4."""
_DIGIKAM_PICKS = {"1": "rejected", "2": "pending", "3": "accepted"}
_ADOBE_PICKS = {"-1": "rejected", "1": "accepted"}
_LEAST_PERCENT = ((88, 5), (63, 4), (38, 3), (13, 2), (1, 1))
"""learn.microsoft.com, System.Rating: 1–12 is one star, … 88–99 five."""
_RATINGS = ((XMP, "Rating"), (ACDSEE, "rating"), (MICROSOFT, "Rating"))
_COLOURS = ((DIGIKAM, "ColorLabel"), (DARKTABLE, "colorlabels"), (XMP, "Label"))
"""The most telling first."""
_KEYWORD_LISTS = {
    (DIGIKAM, "TagsList"): "/",
    (LIGHTROOM, "hierarchicalSubject"): "|",
    (MEDIAPRO, "CatalogSets"): "|",
    (MICROSOFT, "LastKeywordXMP"): "/",
    (ACDSEE, "keywords"): None,
    (DC, "subject"): None,
}
"""What stands between a parent and its child."""


@dataclass(frozen=True, slots=True)
class Given:
    """What keeprate gave to a photo and may meet again anywhere in it."""

    ratings: frozenset[int] = frozenset()
    colours: frozenset[str] = frozenset()
    keywords: frozenset[str] = frozenset()

    @classmethod
    def of(cls, claims: Iterable[ScoreFields], keyword_root: str, shown: Iterable[Shown] = ()) -> Given:
        """Everything that blocks in packets, or the journal, claim as ours, and what else we have `shown`.

        The keywords below our root are ours without a claim as well: where a user added one to ours, the list is
        theirs, claim and all, but what we wrote still stands in it.
        """
        given = {channel: {one.value for one in shown if one.channel is channel} for channel in Channel}
        ratings = {stars for value in given[Channel.RATING] if (stars := _stars(value))}
        keywords = {f"{keyword_root}{between}{tenth}" for tenth in range(10) for between in "| "}
        keywords |= given[Channel.KEYWORD]
        return cls(frozenset(ratings), frozenset(given[Channel.COLOUR]), frozenset(keywords)).and_claims(claims)

    def and_claims(self, claims: Iterable[ScoreFields]) -> Given:
        """The same and what these claim."""
        ratings, colours, keywords = set(self.ratings), set(self.colours), set(self.keywords)
        for fields in claims:
            stars = _stars(fields.wrote_rating)
            if stars:
                ratings.add(stars)
            if fields.wrote_label is not None:
                colours.add(fields.wrote_label)
                keywords.add(fields.wrote_label)  # Shotwell makes a tag of a label
            for keyword in keyword_claim(fields.wrote_keywords):
                # Programs that rewrite packets make tags of the parents and of the last part alone, too.
                parts = keyword.split("|")
                keywords.update(("|".join(parts[: depth + 1]) for depth in range(len(parts))), parts)
                keywords.add(" ".join(parts))
        return Given(frozenset(ratings), frozenset(colours), frozenset(keywords))

    def has(self, shown: Shown) -> bool:
        if shown.channel is Channel.RATING:
            return _stars(shown.value) in self.ratings
        return shown.value in (self.colours if shown.channel is Channel.COLOUR else self.keywords)

    def covers(self, found: Property) -> bool:
        """Whether a property says something, and nothing that is not given: a program carried ours on."""
        values = tuple(_values_in(found))
        return bool(values) and all(map(self.has, values))


NOTHING_GIVEN = Given()


@dataclass(frozen=True, slots=True)
class Said:
    """What one place says that is not ours."""

    rating: int | None = None
    """`NOT_RATED` where 0 stands and nothing else, None where nothing does."""
    colour: str | None = None
    pick: str | None = None
    keywords: tuple[str, ...] = ()

    @property
    def says_something(self) -> bool:
        return bool(self.rating or self.colour or self.pick or self.keywords)


def said_in(packet: Packet | None, given: Given, photo: EmbeddedMetadata | None = None) -> Said:
    """What a packet says, and behind it the Exif and IPTC of the photo that it lies in."""
    ratings = [rating for rating in _ratings(packet, photo) if rating is not None and rating not in given.ratings]
    properties = packet.properties if packet is not None else ()
    colours = (_colour_in(found) for name in _COLOURS for found in properties if (found.namespace, found.name) == name)
    keywords = set(photo.keywords if photo is not None else ())
    keywords.update(keyword for found in properties for keyword in _keywords_in(found))
    return Said(
        rating=next((rating for rating in ratings if rating != NOT_RATED), NOT_RATED if ratings else None),
        colour=next((colour for colour in colours if colour and colour not in given.colours), None),
        pick=_pick(packet) if packet is not None else None,
        keywords=tuple(sorted(keywords - given.keywords)),
    )


def said_outside_xmp(photo: EmbeddedMetadata) -> Iterator[Shown]:
    """What a photo's Exif and IPTC say that a viewer may show; what is no rating of its own comes as it stands."""
    for text, stars in (
        (photo.rating, _stars(photo.rating)),
        (photo.rating_percent, _stars_of_percent(photo.rating_percent)),
        (photo.urgency, None),
    ):
        if text is not None and text.strip("\0 ") not in ("", "0"):
            yield Shown(Channel.RATING, str(stars) if stars is not None else f"shown as {text}")
    for keyword in photo.keywords:
        yield Shown(Channel.KEYWORD, keyword)


def _values_in(found: Property) -> Iterator[Shown]:
    """What viewers take from one property."""
    name = (found.namespace, found.name)
    if name in _RATINGS:
        stars = _rating_in(found)
        if stars is not None:
            yield Shown(Channel.RATING, str(stars))
    elif name in _COLOURS:
        yield Shown(Channel.COLOUR, _colour_in(found))
    else:
        yield from (Shown(Channel.KEYWORD, keyword) for keyword in _keywords_in(found))


def _ratings(packet: Packet | None, photo: EmbeddedMetadata | None) -> Iterator[int | None]:
    if packet is not None:
        yield from (_rating_in(found) for name in _RATINGS for found in packet.all_of(*name))
    if photo is not None:
        yield _stars(photo.rating)
        yield _stars_of_percent(photo.rating_percent)


def _rating_in(found: Property) -> int | None:
    return _stars_of_percent(found.value) if found.namespace == MICROSOFT else _stars(found.value)


def _number(text: str | None) -> float | None:
    try:
        number = float((text or "").strip("\0 \t\r\n"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _stars(text: str | None) -> int | None:
    """-1, 0, 1 … 5; None for what is no rating. XMP allows fractions: 3.5 shows as 3 in what counts whole stars."""
    number = _number(text)
    return int(number) if number is not None and (number == -1 or 0 <= number <= 5) else None


def _stars_of_percent(text: str | None) -> int | None:
    number = _number(text)
    if number is None or not 0 <= number <= 100:
        return None
    return next((stars for least, stars in _LEAST_PERCENT if number >= least), NOT_RATED)


def _colour_in(found: Property) -> str:
    """The colour that a property names; empty if none."""
    if found.namespace == DIGIKAM:
        return _named(found.value, _DIGIKAM_COLOURS, first=1) or ""
    if found.namespace == DARKTABLE:
        names = {_named(item, _DARKTABLE_COLOURS, first=0) for item in found.items or ()}
        # Several are one mark of its own, not the first of them.
        return ", ".join(sorted(name for name in names if name is not None))
    return (found.value or "").strip()


def _named(text: str | None, names: tuple[str, ...], *, first: int) -> str | None:
    number = _number(text)
    if number is None or not first <= number < first + len(names):
        return None
    return names[int(number) - first]


def _pick(packet: Packet) -> str | None:
    flag = (packet.text_of(DIGIKAM, "PickLabel") or "").strip()
    return _DIGIKAM_PICKS.get(flag) or _ADOBE_PICKS.get((packet.text_of(DYNAMIC_MEDIA, "pick") or "").strip())


def _keywords_in(found: Property) -> Iterator[str]:
    if (found.namespace, found.name) not in _KEYWORD_LISTS:
        return
    separator = _KEYWORD_LISTS[found.namespace, found.name]
    for item in found.items if found.items is not None else (found.value or "",):
        parts = item.split(separator) if separator is not None else [item]
        keyword = "|".join(part.strip() for part in parts if part.strip())
        if keyword:
            yield keyword
