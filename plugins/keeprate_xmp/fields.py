"""What we write into XMP: our own properties, and the values of the properties that viewers share.

Pure: values in, text out. Where the text goes is `packet`'s business, whether it may go there `ownership`'s.
The scales come from what viewers read: stars 1–5 (never 0, which means unrated, never -1, which hides a photo),
English colour names, a keyword per tenth.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from keeprate.plugin_api import Channel, MarkRequest, ScoredPhoto, Shown

KEEPRATE = "urn:keeprate:xmp:1/"
"""Our namespace; why no web address: docs/decisions/0020-xmp-namespace.md."""
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = "http://ns.adobe.com/xap/1.0/"
DC = "http://purl.org/dc/elements/1.1/"
MICROSOFT = "http://ns.microsoft.com/photo/1.0"
"""As Windows writes it. exiv2 ends it with a slash but understands both; exiftool complains of the slash."""
LIGHTROOM = "http://ns.adobe.com/lightroom/1.0/"
DIGIKAM = "http://www.digikam.org/ns/1.0/"
ACDSEE = "http://ns.acdsee.com/iptc/1.0/"
PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/"
DARKTABLE = "http://darktable.sf.net/"
DYNAMIC_MEDIA = "http://ns.adobe.com/xmp/1.0/DynamicMedia/"
MEDIAPRO = "http://ns.iview-multimedia.com/mediapro/1.0/"

USUAL_PREFIXES = {
    KEEPRATE: "keeprate",
    XMP: "xmp",
    DC: "dc",
    MICROSOFT: "MicrosoftPhoto",
    LIGHTROOM: "lr",
    DIGIKAM: "digiKam",
}
"""The prefix that we bind where a packet has none for the namespace yet."""

_STARS = ((0.90, 5), (0.75, 4), (0.50, 3), (0.25, 2))
_PERCENT_OF_STARS = {"1": "1", "2": "25", "3": "50", "4": "75", "5": "99"}
"""MicrosoftPhoto:Rating, as the Windows Explorer maps stars (learn.microsoft.com, System.Rating)."""


KEYWORD_SEPARATOR = ";"
"""Between the keywords of one claim; Windows does not allow it within one either."""


@dataclass(frozen=True, slots=True)
class VisibleMarks:
    """What viewers would show; None for a channel that is off."""

    rating: str | None = None
    """"1" … "5"."""
    label: str | None = None
    """"Green" for the best tenth, "Red" for the worst quarter, else None."""
    keywords: str | None = None
    """`ROOT|0` … `ROOT|9`, `Best of burst`, or both with `;` between."""


@dataclass(frozen=True, slots=True)
class ScoreFields:
    """Our properties in one packet, as text. `wrote_…` is exactly what we put into a shared property and still
    claim as ours; `user_owns` names the channels that the user took over after we had written them: never
    written again, not even when they are empty.
    """

    score: str
    rank: str
    head: str
    model: str
    time: str
    key: str
    wrote_rating: str | None = None
    wrote_label: str | None = None
    wrote_keywords: str | None = None
    replaced_rating: str | None = None
    """The `0` of a camera that stood where our rating stands now."""
    user_owns: frozenset[str] = frozenset()

    def properties(self) -> list[tuple[str, str]]:
        """(name in our namespace, value) of everything that is set, in the order in which it is written."""
        pairs = [
            ("score", self.score),
            ("rank", self.rank),
            ("head", self.head),
            ("model", self.model),
            ("time", self.time),
            ("key", self.key),
            ("wroteRating", self.wrote_rating),
            ("wroteLabel", self.wrote_label),
            ("wroteKeywords", self.wrote_keywords),
            ("replacedRating", self.replaced_rating),
            ("userOwns", " ".join(sorted(self.user_owns)) or None),
        ]
        return [(name, value) for name, value in pairs if value is not None]

    def shown(self) -> tuple[Shown, ...]:
        """What of it viewers show; keywords as they stand in both kinds of lists, and the tag that Shotwell makes of a
        label.
        """
        keywords = {form for keyword in keyword_claim(self.wrote_keywords) for form in (keyword, flat(keyword))}
        keywords |= {self.wrote_label} if self.wrote_label is not None else set()
        shown = [Shown(Channel.KEYWORD, keyword) for keyword in sorted(keywords)]
        if self.wrote_label is not None:
            shown.insert(0, Shown(Channel.COLOUR, self.wrote_label))
        if self.wrote_rating is not None:
            shown.insert(0, Shown(Channel.RATING, self.wrote_rating))
        return tuple(shown)

    def shared(self) -> SharedValues:
        """What stands in shared properties if everything that we claim still stands."""
        return SharedValues.of(self.wrote_rating, self.wrote_label, self.wrote_keywords)

    def claim(self, channel: str) -> str | None:
        """What we wrote into a channel: `rating`, `label` or `keywords`."""
        return {"rating": self.wrote_rating, "label": self.wrote_label, "keywords": self.wrote_keywords}[channel]


@dataclass(frozen=True, slots=True)
class SharedValues:
    """Our values of the properties that others read and write too."""

    simple: tuple[tuple[str, str, str], ...]
    """(namespace, name, text)."""
    lists: tuple[tuple[str, str, str, tuple[str, ...]], ...]
    """(namespace, name, `Bag` or `Seq`, the items)."""

    @classmethod
    def of(cls, rating: str | None, label: str | None, keywords: str | None) -> SharedValues:
        """The values for the three channels, as our block claims them; a keyword `ROOT|9` is `ROOT 9` in flat lists.

        Flat, because a bare `9` would be a senseless tag; all three lists, because Immich reads TagsList
        *instead* of the others.
        """
        simple: list[tuple[str, str, str]] = []
        if rating is not None:
            simple.append((XMP, "Rating", rating))
            if rating in _PERCENT_OF_STARS:
                simple.append((MICROSOFT, "Rating", _PERCENT_OF_STARS[rating]))
        if label is not None:
            simple.append((XMP, "Label", label))
        claimed = keyword_claim(keywords)
        if not claimed:
            return cls(tuple(simple), ())
        return cls(
            tuple(simple),
            (
                (DC, "subject", "Bag", tuple(flat(keyword) for keyword in claimed)),
                (LIGHTROOM, "hierarchicalSubject", "Bag", claimed),
                (DIGIKAM, "TagsList", "Seq", tuple(keyword.replace("|", "/") for keyword in claimed)),
            ),
        )


def keyword_claim(claim: str | None) -> tuple[str, ...]:
    """The keywords that a `wroteKeywords` claims."""
    return tuple(claim.split(KEYWORD_SEPARATOR)) if claim else ()


def flat(keyword: str) -> str:
    """A keyword for lists that know no hierarchy."""
    return keyword.replace("|", " ")


def visible_marks(
    percentile: float, *, stars: bool, label: bool, keyword_root: str | None, further_keyword: str | None = None
) -> VisibleMarks:
    """What a photo shows that lies at `percentile` (0–1) of its library, in the channels that are on."""
    rating = next((str(count) for least, count in _STARS if percentile >= least), "1") if stars else None
    colour = None
    if label:
        colour = "Green" if percentile >= 0.90 else "Red" if percentile < 0.25 else None
    keywords = [f"{keyword_root}|{min(int(percentile * 10), 9)}"] if keyword_root is not None else []
    keywords += [further_keyword] if further_keyword is not None else []
    claim = KEYWORD_SEPARATOR.join(keyword.replace(KEYWORD_SEPARATOR, ",") for keyword in keywords)
    return VisibleMarks(rating, colour, claim or None)


def score_fields(photo: ScoredPhoto, content_key: str, request: MarkRequest) -> ScoreFields:
    """Our properties for a file of a photo whose picture has this key, without any claim on shared ones yet."""
    return ScoreFields(
        score=f"{photo.score:.4f}",
        rank=f"{photo.percentile:.2f}",
        head=request.head,
        model=request.model,
        time=_utc(request.scored_at),
        key=content_key,
    )


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
