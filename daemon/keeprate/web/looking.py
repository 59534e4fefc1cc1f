"""What the page shows, taken from the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

from keeprate.service.control import Live
from keeprate.service.status import status
from keeprate.steps.heads.listing import ListedPhoto, PhotoPage, listed_part
from keeprate.steps.session import Session

PHOTOS_A_PAGE = 60
RESERVED_KEYS = "uw"
"""Undo and withdraw."""


def status_of(session: Session, live: Live) -> dict[str, Any]:
    """What the status page is made from."""
    return {"now": status(session, None, live), "live": live}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which photos, in which order."""

    head: str | None
    library: str | None
    order: Literal["desc", "asc"]
    everything: bool
    """Also photos that have a label."""
    offset: int

    def at(self, offset: int) -> dict[str, Any]:
        """The query of the page that begins there."""
        return {
            "head": self.head, "library": self.library, "order": self.order, "all": 1 if self.everything else None,
            "offset": offset or None,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a photo can be said to be."""

    name: str
    key: str
    """On the keyboard; empty: none is left for it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One photo as the page shows it."""

    photo: ListedPhoto
    name: str
    folder: str
    """Relative to the library's root."""


@dataclass(frozen=True, slots=True)
class Review:
    """One page of photos, and where the others are."""

    asked: Asked
    head: str | None
    heads: tuple[str, ...]
    libraries: tuple[str, ...]
    buckets: tuple[Bucket, ...]
    score_of: str
    """The bucket whose probability is the score."""
    photos: tuple[Shown, ...]
    total: int

    @property
    def previous(self) -> int | None:
        return None if self.asked.offset == 0 else max(0, min(self.asked.offset, self.total) - PHOTOS_A_PAGE)

    @property
    def next(self) -> int | None:
        end = self.asked.offset + len(self.photos)
        return end if end < self.total else None


def review_of(session: Session, asked: Asked) -> Review:
    """The photos asked for, with what they can be said to be.

    Raises:
        UsageError: there is no such head or library.
    """
    if asked.library is not None:
        session.libraries(asked.library)
    heads = session.heads()
    head = asked.head or next(iter(heads), None)
    if head is not None:
        session.heads(head)  # says which there are
    found = PhotoPage(0, asked.offset, ())
    if head is not None:
        found = listed_part(
            session, head, asked.library, everything=asked.everything, rising=asked.order == "asc",
            top=PHOTOS_A_PAGE, offset=asked.offset,
        )  # fmt: skip
    roots = {library.name: str(library.root) for library in session.config.library}
    return Review(
        asked=asked,
        head=head,
        heads=tuple(heads),
        libraries=tuple(roots),
        buckets=buckets_with_keys(heads[head] if head is not None else ()),
        score_of=next(iter(found.photos[0].probabilities), "") if found.photos else "",
        photos=tuple(_shown(photo, roots.get(photo.library, "")) for photo in found.photos),
        total=found.total,
    )


def _shown(photo: ListedPhoto, root: str) -> Shown:
    path = PurePath(photo.path)
    folder = str(path.parent)
    return Shown(photo, path.name, folder.removeprefix(root).lstrip("/") or ".")


def buckets_with_keys(names: tuple[str, ...]) -> tuple[Bucket, ...]:
    """Each bucket with the first letter of its name as its key, or a number where another one has that."""
    taken: set[str] = set(RESERVED_KEYS)
    found = []
    for position, name in enumerate(names, 1):
        letter = name[:1].lower()
        key = letter if letter.isascii() and letter.isalpha() and letter not in taken else str(position)
        key = key if len(key) == 1 else ""
        taken.add(key)
        found.append(Bucket(name, key))
    return tuple(found)
