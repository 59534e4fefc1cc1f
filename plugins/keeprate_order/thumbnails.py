"""Small pictures for contact sheets, each made once: a file is named after the picture's content, not its path.

They hold nothing but the picture: no place, no camera, no time. A picture that cannot be read, or that killed the
process that read it, gets an empty file, so that it is not tried again; a browser shows its name instead.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from keeprate.plugin_api import MarkRefusedError, Opening, ScoredPhoto
from keeprate.safe_files import FileChangedError, create_file

LONGEST_EDGE = 240
"""Pixels."""
SUFFIX = ".jpg"
_QUALITY = 80
_MAXIMUM_PIXELS = 300_000_000  # photos that reach a sheet have been decoded once before, under the user's own limit
_THREADS = 4


def file_name(photo: ScoredPhoto) -> str:
    """The name of a photo's thumbnail: 32 hexadecimal digits."""
    return hashlib.sha256(os.fsencode(photo.content_key)).hexdigest()[:32] + SUFFIX


def make_missing(folder: Path, photos: Sequence[ScoredPhoto], opening: Opening) -> None:
    """Make the thumbnails of `photos` that `folder` does not hold yet.

    A photo that cannot be reached now is left for the next time.

    Raises:
        OSError: the folder cannot be written.
    """
    there = set(os.listdir(folder))  # noqa: PTH208 (names only, thousands of them)
    missing = {name: photo for photo in photos if (name := file_name(photo)) not in there}
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as threads:
        for name, data in _in_turn(threads, missing, opening):
            if data is not None:
                with suppress(FileExistsError):
                    create_file(folder / name, data)


def _in_turn(
    threads: ThreadPoolExecutor, missing: dict[str, ScoredPhoto], opening: Opening
) -> Iterator[tuple[str, bytes | None]]:
    def made(photo: ScoredPhoto) -> bytes | None:
        try:
            with opening(photo.path):
                return _thumbnail(photo.path)
        except MarkRefusedError:
            return b""

    yield from zip(missing, threads.map(made, missing.values()), strict=True)


def _thumbnail(photo: Path) -> bytes | None:
    """A JPEG; nothing at all for what is no readable picture; None if the file cannot be reached."""
    from PIL import Image  # the resident process loads this plugin too, and makes no pictures

    from keeprate.pictures.decoding import open_picture
    from keeprate.pictures.errors import PictureError

    try:
        image = open_picture(photo, shortest_edge=LONGEST_EDGE // 2, max_pixels=_MAXIMUM_PIXELS).image
    except PictureError:
        return b""
    except (OSError, FileChangedError):
        return None
    image.thumbnail((LONGEST_EDGE, LONGEST_EDGE), Image.Resampling.LANCZOS)
    target = io.BytesIO()
    image.save(target, "JPEG", quality=_QUALITY)
    return target.getvalue()
