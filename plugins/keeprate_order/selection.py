"""Which photos a view shows, in which order, and how they are grouped. Pure.

A view can show the scores of any head. Of a single bucket, or grouped by bucket, it shows what most probably belongs
there; what counts as score is then the probability of that bucket.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from keeprate.plugin_api import BurstKind, MarkRequest, ScoredPhoto
from keeprate_order.settings import View

UNDATED = "undated"
_ONE_IS_ENOUGH = (BurstKind.BURST, BurstKind.DUPLICATES)


class NothingToShowError(Exception):
    """The view cannot be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Section:
    """Photos that are shown together, in their order; the name is empty where all are in one row."""

    name: str
    photos: tuple[ScoredPhoto, ...]


def sections_of(view: View, request: MarkRequest) -> list[Section]:
    """What `view` shows, section by section.

    Raises:
        NothingToShowError: the head that it names has no scores, or no such bucket.
    """
    scored = request.of_head(view.head) if view.head and view.head != request.head else request
    if scored is None:
        raise NothingToShowError(f"the head {view.head!r} has no scores in this library")
    photos = chosen(scored.photos, reviewed=view.reviewed, best_of_burst_only=view.best_of_burst_only)
    if view.bucket or view.by == "bucket":
        buckets = photos[0].buckets if photos else (view.bucket,)
        if view.bucket and view.bucket not in buckets:
            raise NothingToShowError(f"the head {scored.head!r} has no bucket {view.bucket!r}: {', '.join(buckets)}")
        photos = _surest_first(photos)
    groups: dict[str, list[ScoredPhoto]] = {}
    for photo in photos if view.best_first else reversed(photos):
        if not view.bucket or view.bucket == probable_bucket(photo):
            groups.setdefault(_section_name(view, photo), []).append(photo)
    return [Section(name, tuple(groups[name][: view.limit or None])) for name in sorted(groups)]


def chosen(photos: Iterable[ScoredPhoto], *, reviewed: bool, best_of_burst_only: bool = False) -> list[ScoredPhoto]:
    """`photos` without those that are left out.

    Of a burst the best of those that would be shown stays, so that none is hidden for ever by one that was sorted.
    """
    shown = [photo for photo in photos if reviewed or photo.label is None]
    if not best_of_burst_only:
        return shown
    best: dict[str, int] = {}
    for photo in shown:
        if photo.burst is not None:
            position = photo.burst.position
            best[photo.burst.burst] = min(position, best.get(photo.burst.burst, position))
    return [
        photo
        for photo in shown
        if photo.burst is None
        or photo.burst.kind not in _ONE_IS_ENOUGH
        or photo.burst.position == best[photo.burst.burst]
    ]


def probable_bucket(photo: ScoredPhoto) -> str:
    """The bucket of the highest probability, the first of equals."""
    return photo.buckets[max(range(len(photo.buckets)), key=photo.probabilities.__getitem__)]


def _surest_first(photos: Sequence[ScoredPhoto]) -> list[ScoredPhoto]:
    """The photos with the probability of their most probable bucket as score, the highest first."""
    return sorted((replace(photo, score=max(photo.probabilities)) for photo in photos), key=lambda photo: -photo.score)


def _section_name(view: View, photo: ScoredPhoto) -> str:
    match view.by:
        case "date":
            return UNDATED if photo.taken_at is None else f"{photo.taken_at:%Y-%m-%d}"
        case "bucket":
            name = probable_bucket(photo).replace("/", "_").replace("\0", "_")
            return f"_{name.lstrip('.')}" if name.startswith(".") or not name else name
        case "score":
            return ""
