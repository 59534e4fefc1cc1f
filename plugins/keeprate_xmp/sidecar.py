"""Which file is the sidecar of a photo.

Names only; nothing here reads what a sidecar says. `IMG.jpg.xmp` is what darktable, digiKam and Immich look for
first. `IMG.xmp` belongs to a camera RAW file and is never made for anything else: of a pair IMG.CR3 + IMG.JPG
it would be taken for the RAW's.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from keeprate.pictures.formats import RAW_SUFFIXES

_STEM_NAMED = RAW_SUFFIXES - {".dng"}
"""DNG is no maker's own format: Adobe's programs write into it and make no sidecar."""
_READ_FROM_SIDECAR_ONLY = RAW_SUFFIXES | {
    ".heic",
    ".heics",
    ".heif",
    ".heifs",
    ".hif",
    ".avif",
    ".avifs",
    ".jxl",
}


def sidecar_for(photo: Path, *, adobe_name: bool) -> Path:
    """The sidecar to write: an existing one, else the name for a new one."""
    by_extension, by_stem = _by_extension(photo), _by_stem(photo)
    existing = _existing(by_extension)
    if existing is not None:
        return existing
    if photo.suffix.lower() in _STEM_NAMED:
        existing = _existing(by_stem)
        if existing is not None:
            return existing
        if adobe_name:
            return by_stem
    return by_extension


def all_sidecars(photo: Path) -> list[Path]:
    """The existing sidecars that a viewer may read for a photo, whoever they belong to."""
    found: dict[tuple[int, int], Path] = {}
    for path in possible_sidecars(photo):
        try:
            state = path.lstat()
        except OSError:
            continue
        # Where names differ in case only for us, they are one file.
        found.setdefault((state.st_dev, state.st_ino), path)
    return list(found.values())


def possible_sidecars(photo: Path) -> list[Path]:
    """Every name that a sidecar of a photo may bear."""
    return [path for name in (_by_extension(photo), _by_stem(photo)) for path in _spellings(name)]


def sidecars_that_speak_of(photo: Path) -> list[Path]:
    """The existing sidecars whose marks are this photo's, the most telling first.

    IMG.xmp is not that of IMG.JPG where there is an IMG.CR3.
    """
    found = all_sidecars(photo)
    by_stem = _by_stem(photo).name.lower()
    if _is_raw(photo) or all(path.name.lower() != by_stem for path in found):
        return found
    raws = (photo.with_name(name) for name in _raw_names(photo))
    return [path for path in found if path.name.lower() != by_stem] if any(raw.exists() for raw in raws) else found


def names_that_speak_of(photo: Path, beside: Collection[str]) -> tuple[Path, ...]:
    """The same from the names `beside` in the folder of the photo, without touching a file."""
    by_extension, by_stem = photo.name, photo.stem
    found = [name for suffix in _cases(".xmp") if (name := by_extension + suffix) in beside]
    of_stem = [name for suffix in _cases(".xmp") if (name := by_stem + suffix) in beside]
    if of_stem and (_is_raw(photo) or not any(name in beside for name in _raw_names(photo))):
        found += of_stem
    return tuple(photo.with_name(name) for name in found)


def hides_embedded(photo: Path) -> bool:
    """Whether viewers read the sidecar *instead* of what is embedded (Geeqie: all but JPEG, PNG, TIFF, WebP).

    A new sidecar for such a photo must carry the embedded properties. For the others it must not: a copy would
    go stale and outrank what the user edits in the photo later.
    """
    return photo.suffix.lower() in _READ_FROM_SIDECAR_ONLY


def _by_extension(photo: Path) -> Path:
    return photo.with_name(f"{photo.name}.xmp")


def _by_stem(photo: Path) -> Path:
    return photo.with_name(f"{photo.stem}.xmp")


def _is_raw(photo: Path) -> bool:
    return photo.suffix.lower() in RAW_SUFFIXES


def _raw_names(photo: Path) -> Iterator[str]:
    """The names of camera RAW files that would be of the same shot."""
    return (photo.stem + spelling for suffix in RAW_SUFFIXES for spelling in _cases(suffix))


def _existing(path: Path) -> Path | None:
    return next((candidate for candidate in _spellings(path) if os.path.lexists(candidate)), None)


def _spellings(sidecar: Path) -> list[Path]:
    return [sidecar.with_suffix(suffix) for suffix in _cases(".xmp")]


def _cases(suffix: str) -> tuple[str, str, str]:
    """A suffix as cameras and people write it."""
    return suffix, suffix.upper(), f".{suffix[1:].capitalize()}"
