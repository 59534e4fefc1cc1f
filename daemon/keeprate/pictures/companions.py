"""Which files of one folder are of one shot: RAW and JPEG, an edited copy beside what it was made from, sidecars.

Names propose, pictures dispose: camera counters start anew at 10,000 and folders are filled from two cameras, so what
is known of the pictures (when they were taken, how they look) may say that they are not of one shot. A false pair
would let one photo's label count for another, so where names alone are weak and nothing else is known, there is none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from keeprate.pictures.formats import RAW_SUFFIXES, is_picture
from keeprate.pictures.similarity import hamming_distance

RULES: Final = 1
"""Goes up with every change of the rules: all files are looked at again then."""
SAME_MOMENT_S: Final = 2.0
"""Exif times of one shot differ by no more than this: some programs drop the fraction of the second."""
LOOKS_OTHER: Final = 24
"""Bits of a perceptual hash. Edits of brightness and colour stay below, so do crops of 5 % of each edge, and 83 % of
crops of 10 %; of different photos, 6 % do (decision 83)."""
LOOKS_ALIKE: Final = 12
"""What names do not say by themselves needs pictures that look the same: of 12,720 pairs of others none did."""

CAMERA_SUFFIXES: Final = (".jpg", ".jpeg", ".jpe", ".heic", ".heif", ".hif")
"""What cameras write beside a RAW, and what viewers show: first those that all of them can."""

_EDITED: Final = re.compile(
    r"(?P<base>.+?)(?:"
    # Lightroom, Google Photos, Photos exports, many others; a second edit is numbered (IMG-Edit-2)
    r"[-_ ](?:edit|edited)(?:[-_ ]\d{1,2})*| \(edited\)"
    # Google Takeout in other languages
    r"|-(?:bearbeitet|modifié|editado|editada|modificato|bewerkt|edytowane|redigerad|redigeret)"
    r"|-enhanced(?:-(?:nr|sr|rd))*"  # Lightroom: noise reduction, super resolution, RAW details
    r"|_dxo(?:_\w+)?|-dxo(?:_\w+)?"  # DxO PhotoLab, PureRAW
    r"|~\d{1,2}"  # Google Photos on Android
    r")",
    re.IGNORECASE,
)
_APPLE_EDITED: Final = re.compile(r"(?P<before>IMG_)E(?P<after>\d{4}.*)", re.IGNORECASE)
_PIXEL: Final = re.compile(r"(?P<base>.+)\.(?:RAW|PORTRAIT|NIGHT)-\d\d\.(?:COVER|ORIGINAL|MAIN)", re.IGNORECASE)

_BESIDE: Final = (".xmp", ".aae", ".mov", ".mp4", ".mp", ".thm", ".wav")
"""Files with the picture's name and this suffix in place of its own: sidecars, Live Photos, spoken notes."""
_BEHIND: Final = (".xmp", ".pp3", ".dop", ".arp", ".on1", ".json", ".supplemental-metadata.json")
"""Files with this behind the picture's whole name: sidecars of XMP, RawTherapee, DxO, ART, ON1, Google Takeout."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture file of a folder, and what is known of it."""

    name: str
    """Without its folder."""
    content_key: str
    taken_at: float | None = None
    """Seconds; only differences matter. None: unknown."""
    perceptual_hash: int | None = None
    """None: unknown; 0: too plain to tell anything by."""


def find_companions(pictures: Iterable[Picture]) -> list[tuple[Picture, ...]]:
    """The shots among the pictures of one folder that have several pictures; the one that stands for all comes first.

    That is the camera's JPEG or HEIC; failing it another picture, then the RAW; edited copies only among themselves.
    """
    by_stem: dict[str, list[Picture]] = {}
    for picture in pictures:
        by_stem.setdefault(_plain(_stem(picture.name)), []).append(picture)
    proposed: dict[str, list[Picture]] = {}
    for stem, of_stem in by_stem.items():
        base = _base(stem)
        proposed.setdefault(base if base in by_stem or _PIXEL.fullmatch(stem) else stem, []).extend(of_stem)
    found: list[tuple[Picture, ...]] = []
    for together in proposed.values():
        rest = sorted(together, key=_rank)
        while len(rest) > 1:
            leader = rest[0]
            shot = [one for one in rest if one is leader or _of_one_shot(leader, one)]
            rest = [one for one in rest if one not in shot]
            if len({one.content_key for one in shot}) > 1:
                found.append(tuple(shot))
    return found


def contradicts(one: Picture, other: Picture) -> bool:
    """Whether what is known of two pictures says that they are not of one shot, whatever their names say."""
    if one.taken_at is not None and other.taken_at is not None:
        return abs(one.taken_at - other.taken_at) > SAME_MOMENT_S
    return bool(
        one.perceptual_hash
        and other.perceptual_hash
        and hamming_distance(one.perceptual_hash, other.perceptual_hash) > LOOKS_OTHER
    )


def leads(one: str, other: str) -> bool:
    """Whether the picture called `one` stands for a shot rather than the one called `other`."""
    return _rank_of_name(one) < _rank_of_name(other)


def attendants(shots: Iterable[Sequence[str]], others: Iterable[str]) -> list[list[str]]:
    """For each shot (the names of its pictures) those of `others` that go where it goes: sidecars, the film of a Live
    Photo. None goes with two.

    All are names of one folder, without it; what is a picture itself is none.
    """
    free: dict[str, list[str]] = {}
    for name in sorted(others):
        if not is_picture(name):
            free.setdefault(_plain(name), []).append(name)
    return [[name for wanted in _names_beside(pictures) for name in free.pop(wanted, ())] for pictures in shots]


def _names_beside(pictures: Iterable[str]) -> Iterator[str]:
    for picture in map(_plain, pictures):
        stem = _stem(picture)
        yield from (picture + suffix for suffix in _BEHIND)
        yield from (stem + suffix for suffix in _BESIDE)
        if stem.startswith("img_"):
            yield f"img_o{stem[4:]}.aae"  # Apple: what was done to the picture before the last edit


def _of_one_shot(leader: Picture, other: Picture) -> bool:
    """Whether two pictures whose names propose it are of one shot."""
    if leader.taken_at is not None and other.taken_at is not None:
        return not contradicts(leader, other)
    said_by_name = _is_raw(leader.name) != _is_raw(other.name) or _is_edited(other.name) or _is_pixels(other.name)
    if not leader.perceptual_hash or not other.perceptual_hash:
        return said_by_name
    distance = hamming_distance(leader.perceptual_hash, other.perceptual_hash)
    return distance <= (LOOKS_OTHER if said_by_name else LOOKS_ALIKE)


def _rank(picture: Picture) -> tuple[int, int, str]:
    return _rank_of_name(picture.name)


def _rank_of_name(name: str) -> tuple[int, int, str]:
    suffix = _suffix(name)
    kind = 0 if suffix in CAMERA_SUFFIXES else 2 if suffix in RAW_SUFFIXES else 1
    first = CAMERA_SUFFIXES.index(suffix) if kind == 0 else 0
    return kind + 3 * _is_edited(name), first, name


def _is_raw(name: str) -> bool:
    return _suffix(name) in RAW_SUFFIXES


def _is_edited(name: str) -> bool:
    stem = _stem(_plain(name))
    return bool(_EDITED.fullmatch(stem) or _APPLE_EDITED.fullmatch(stem))


def _is_pixels(name: str) -> bool:
    return _PIXEL.fullmatch(_stem(name)) is not None


def _base(stem: str) -> str:
    """The stem of the picture that one of this stem was made from; `stem` itself where the name says nothing."""
    if pixel := _PIXEL.fullmatch(stem):
        return _plain(pixel["base"])
    if edited := _EDITED.fullmatch(stem):
        return _plain(edited["base"])
    if apple := _APPLE_EDITED.fullmatch(stem):
        return _plain(apple["before"] + apple["after"])
    return stem


def _stem(name: str) -> str:
    return name[: name.rfind(".")] if "." in name[1:] else name


def _suffix(name: str) -> str:
    return name[name.rfind(".") :].lower()


def _plain(name: str) -> str:
    """As names compare on disks that do not tell `IMG.JPG` from `img.jpg`, accents composed or not."""
    return unicodedata.normalize("NFC", name).casefold()
