"""The values of KDE's attributes, as KFileMetaData writes and reads them (checked with 5.103). Pure.

`user.baloo.rating` is a number from 0 to 10 in decimal digits: two for a star, so that there are half stars; 0 and
what is no number mean no rating. `user.xdg.tags` holds tags with commas between; a `/` leads from parent to child.
"""

from __future__ import annotations

_STARS = ((0.90, 5), (0.75, 4), (0.50, 3), (0.25, 2))
"""(least rank, stars), as the photo manager xmp gives them."""


def rating_for(percentile: float) -> bytes:
    """The rating of a photo that lies at `percentile` (0–1) of its library."""
    stars = next((stars for least, stars in _STARS if percentile >= least), 1)
    return str(2 * stars).encode("ascii")


def stars_in(rating: bytes) -> int | None:
    """1–5 stars; None for no rating. Half a star counts as a whole one: it is more than none."""
    try:
        halves = int(rating.strip(b"\0 \n"))
    except ValueError:
        return None
    return (halves + 1) // 2 if 1 <= halves <= 10 else None


def is_unrated(rating: bytes) -> bool:
    """Whether a rating says nothing. What is no rating at all says something, only not to us."""
    text = rating.strip(b"\0 \n")
    return not text or (text.isdigit() and int(text) == 0)


def rating_without(rating: bytes, ours: bytes) -> bytes | None:
    """A rating is ours or it is not."""
    return None if rating == ours else rating


def joined(tags: list[str]) -> bytes | None:
    """Tags as the attribute holds them; None for none."""
    return ",".join(tags).encode() if tags else None


def has_no_tags(tags: bytes) -> bool:
    """Whether there is not one tag in the attribute."""
    return not tags.strip(b"\0 ,\n")


def tags_without(tags: bytes, ours: bytes) -> bytes | None:
    """The tags that others have added to ours."""
    ours_alone = ours.split(b",")
    return b",".join(tag for tag in tags.split(b",") if tag not in ours_alone) or None


def keywords_in(tags: bytes) -> tuple[str, ...]:
    """The tags as keywords: sorted, each once, `|` between parent and child."""
    texts = (tag.strip().strip("/") for tag in tags.decode("utf-8", "replace").strip("\0").split(","))
    return tuple(sorted({text.replace("/", "|") for text in texts if text}))
