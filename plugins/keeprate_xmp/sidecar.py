"""Which file is the sidecar of a photo.

Names only; nothing here reads what a sidecar says. `IMG.jpg.xmp` is what darktable, digiKam and Immich look for
first. `IMG.xmp` belongs to a camera RAW file and is never made for anything else: of a pair IMG.CR3 + IMG.JPG
it would be taken for the RAW's.
"""

from __future__ import annotations

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
    found = (_existing(_by_extension(photo)), _existing(_by_stem(photo)))
    return [path for path in found if path is not None]


def possible_sidecars(photo: Path) -> list[Path]:
    """Every name that a sidecar of a photo may bear."""
    return [path for name in (_by_extension(photo), _by_stem(photo)) for path in (name, name.with_suffix(".XMP"))]


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


def _existing(path: Path) -> Path | None:
    for candidate in (path, path.with_suffix(".XMP")):
        if candidate.is_symlink() or candidate.exists():
            return candidate
    return None
