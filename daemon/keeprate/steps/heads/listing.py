"""Photos in the order of their scores, as people and programs see them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import islice

from keeprate.catalog import files, heads, scores
from keeprate.plugin_api import BurstPlace
from keeprate.steps.labels.shots import Said, said_of_shots
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
    buckets = _buckets(session, name)
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


@dataclass(frozen=True, slots=True)
class PhotoPage:
    """A part of what is listed."""

    total: int
    offset: int
    """How many come before."""
    photos: tuple[ListedPhoto, ...]


def listed_part(
    session: Session, head: str | None, library: str | None, *, everything: bool, rising: bool, top: int, offset: int
) -> PhotoPage:
    """`top` photos of what `listed` gives (`rising`: from its end), from `offset` on, at a fraction of its cost.

    Raises:
        UsageError: there is no such head, or no library.
    """
    name = head or next(iter(session.heads()), None)
    if name is None:
        session.libraries()  # says that there is none
        return PhotoPage(0, offset, ())
    libraries = session.libraries_of(name)
    with session.catalog.db.atomic():  # what is counted and what is shown are of one moment
        buckets = _buckets(session, name)
        said = said_of_shots(session, name)
        labelled = {} if everything else said.of_photos()
        wanted: deque[tuple[str, str]] = deque(maxlen=offset + top if rising else None)
        total = 0
        for photo in scores.order(session.catalog, name, library):
            if photo[1] in libraries and photo[0] not in labelled:
                if rising or offset <= total < offset + top:
                    wanted.append(photo)
                total += 1
        if rising:
            wanted.reverse()
            wanted = deque(islice(wanted, offset, None))
        photos = tuple(_photo(session, name, buckets, said, *photo) for photo in wanted)
    return PhotoPage(total, offset, photos)


def _buckets(session: Session, head: str) -> tuple[str, ...]:
    """What the shares of the scores are of."""
    buckets = session.heads(head)[head]
    version = heads.in_use(session.catalog, head)
    return version.buckets if version else scores.guessed_for(session.catalog, head) or buckets


def _photo(
    session: Session, head: str, buckets: tuple[str, ...], said: Said, content_key: str, library: str
) -> ListedPhoto:
    """One of those of which `scores.order` has just told."""
    scored = scores.of_photo(session.catalog, content_key, head)
    assert scored is not None  # noqa: S101 (within one transaction)
    paths = _paths(session, content_key, library)
    others = [key for key in said.companions.photos(content_key) if key != content_key]
    companions = sorted((path, key) for key in others for path in _paths(session, key, library))
    label = said.of_photo(content_key)
    return ListedPhoto(
        paths[0], scored[0], head, dict(zip(buckets, scored[1], strict=True)), content_key,
        label.bucket if label else None, scored[2], library, (*paths[1:], *(path for path, _ in companions)),
    )  # fmt: skip


def _paths(session: Session, content_key: str, library: str) -> list[str]:
    return [file.path for file in files.of_photo(session.catalog, content_key) if file.library == library]


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
