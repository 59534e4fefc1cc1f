"""Photos in the order of their scores, as people and programs see them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import islice

from keeprate.catalog import files, heads, scores
from keeprate.catalog.connection import reading
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
    session: Session, head: str | None, library: str | None, *, everything: bool, rising: bool, top: int, offset: int,
    groups: bool = False,
) -> PhotoPage:  # fmt: skip
    """`top` photos of what `listed` gives (`rising`: from its end), from `offset` on, at a fraction of its cost.

    With `groups` as `by_group` has them.

    Raises:
        UsageError: there is no such head, or no library.
    """
    name = head or next(iter(session.heads()), None)
    if name is None:
        session.libraries()  # says that there is none
        return PhotoPage(0, offset, ())
    libraries = session.libraries_of(name)
    with reading(session.catalog):  # what is counted and what is shown are of one moment
        buckets = _buckets(session, name)
        said = said_of_shots(session, name)
        labelled = {} if everything else said.of_photos()
        order = (
            photo
            for photo in scores.order(session.catalog, name, library)
            if photo[1] in libraries and photo[0] not in labelled
        )
        if groups:
            whole = list(order)
            if rising:
                whole.reverse()
            grouped = _grouped(session, name, whole)
            photos = tuple(
                replace(_photo(session, name, buckets, said, *photo), burst=place)
                for photo, place in grouped[offset : offset + top]
            )
            return PhotoPage(len(whole), offset, photos)
        wanted: deque[tuple[str, str]] = deque(maxlen=offset + top if rising else None)
        total = 0
        for photo in order:
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
    if not photos:
        return []
    listed_as = {(photo.content_key, photo.library): photo for photo in photos}
    grouped = _grouped(session, photos[0].head, list(listed_as))
    return [replace(listed_as[photo], burst=place) for photo, place in grouped]


def _grouped(
    session: Session, head: str, photos: list[tuple[str, str]]
) -> list[tuple[tuple[str, str], BurstPlace | None]]:
    """The same for (content key, library), each with its place."""
    from keeprate.steps.photos.grouping_run import burst_places

    libraries = dict.fromkeys(library for _, library in photos)
    places = {library: burst_places(session, library, head) for library in libraries}
    placed = [(photo, places[photo[1]].get(photo[0])) for photo in photos]
    together: dict[tuple[str, str], list[tuple[tuple[str, str], BurstPlace | None]]] = {}
    for photo, place in placed:
        if place is not None:
            together.setdefault((photo[1], place.burst), []).append((photo, place))
    group_of_best = {}
    for group in together.values():
        group.sort(key=_position)
        group_of_best[group[0][0]] = group
    return [
        one for photo, place in placed for one in ([(photo, None)] if place is None else group_of_best.get(photo, ()))
    ]


def _position(placed: tuple[tuple[str, str], BurstPlace | None]) -> int:
    _, place = placed
    return 0 if place is None else place.position
