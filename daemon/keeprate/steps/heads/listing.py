"""Photos in the order of their scores, as people and programs see them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from keeprate.catalog import heads, scores
from keeprate.plugin_api import BurstPlace
from keeprate.steps.labels.shots import said_of_shots
from keeprate.steps.session import Session


@dataclass(frozen=True, slots=True)
class ListedPhoto:
    path: str
    score: float
    head: str
    probabilities: dict[str, float]
    content_key: str
    label: str | None
    version: int
    """Of the head; 0: a first guess, nothing has been learned yet."""
    library: str
    other_files: tuple[str, ...]
    """Further files of the photo: its copies, and those of the same shot (RAW, edited copies)."""
    burst: BurstPlace | None = None
    """Its place among those that are nearly the same; only where groups are asked for."""


def listed(session: Session, head: str | None, library: str | None, *, everything: bool) -> list[ListedPhoto]:
    """The photos that `head` (None: the first one) has scored, best first; with `everything` also those with a label.

    Raises:
        UsageError: there is no such head, or no library.
    """
    name = head or next(iter(session.heads()), None)
    if name is None:
        session.libraries()  # says that there is none
        return []
    buckets = session.heads(name)[name]
    version = heads.in_use(session.catalog, name)
    buckets = version.buckets if version else scores.guessed_for(session.catalog, name) or buckets
    libraries = session.libraries_of(name)
    said = {key: label.bucket for key, label in said_of_shots(session, name).of_photos().items() if label.bucket}
    return [
        ListedPhoto(
            photo.paths[0], photo.score, name, dict(zip(buckets, photo.probabilities, strict=True)),
            photo.content_key, photo.label, photo.version, photo.library,
            (*photo.paths[1:], *(path for path, _ in photo.companions)),
        )
        for photo in scores.ranked(session.catalog, name, said, library)
        if photo.library in libraries and (everything or photo.label is None)
    ]  # fmt: skip


def by_group(session: Session, photos: list[ListedPhoto]) -> list[ListedPhoto]:
    """Each group in the place of its first photo, best first; what is alone stays where it is."""
    from keeprate.steps.photos.grouping_run import burst_places

    places = {
        (library, key): place
        for library in dict.fromkeys(photo.library for photo in photos)
        for key, place in burst_places(session, library, photos[0].head).items()
    }
    placed = [replace(photo, burst=places.get((photo.library, photo.content_key))) for photo in photos]
    together: dict[tuple[str, str], list[ListedPhoto]] = {}
    for photo in placed:
        group = photo.burst.burst if photo.burst is not None else photo.content_key
        together.setdefault((photo.library, group), []).append(photo)
    group_of_best = {id(min(group, key=_position)): group for group in together.values()}
    return [one for photo in placed for one in sorted(group_of_best.get(id(photo), ()), key=_position)]


def _position(photo: ListedPhoto) -> int:
    return photo.burst.position if photo.burst is not None else 0
