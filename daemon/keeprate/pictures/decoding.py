"""Open a picture safely: the right size, the right way up, in RGB, or a reason why not.

This is where the errors of Pillow, pillow-heif and LibRaw end: callers see `PictureError` with a sentence for a
person, or `OSError` when the file itself cannot be read. Any number of threads may decode at once.
"""

from __future__ import annotations

import errno
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pillow_heif
from PIL import (  # noqa: F401  importing a plugin registers it; only these formats are ever tried
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    QoiImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from keeprate.pictures.containers.source import open_regular
from keeprate.pictures.errors import PictureError
from keeprate.pictures.facts import PictureFacts, facts_of, mean_quantisation, read_exif
from keeprate.pictures.formats import RAW_FORMATS, RAW_SUFFIXES, SNIFF_BYTES, Format, sniff
from keeprate.pictures.raw import open_raw
from keeprate.pictures.rendering import check_pixels, draft, reduce, upright_rgb

__all__ = ["Picture", "PictureError", "PictureFacts", "open_picture"]

_DECODERS = {
    Format.JPEG: "JPEG",
    Format.PNG: "PNG",
    Format.WEBP: "WEBP",
    Format.TIFF: "TIFF",
    Format.GIF: "GIF",
    Format.BMP: "BMP",
    Format.NETPBM: "PPM",
    Format.QOI: "QOI",
    Format.HEIF: "HEIF",
    Format.AVIF: "AVIF",
    Format.JPEG_2000: "JPEG2000",
    Format.JPEG_XL: "JXL",
}
"""Pillow's name of the one decoder that may read a format: no guessing, no PostScript, no surprises."""
_NAMES = {
    Format.JPEG_2000: "JPEG 2000",
    Format.JPEG_XL: "JPEG XL",
    Format.WEBP: "WebP",
    Format.NETPBM: "Netpbm picture",
}
_CUT_SHORT = re.compile(
    r"truncat|unexpected end|end of file|eof|not enough|unspecified size|cut|incomplete|input/output", re.IGNORECASE
)
_NONSENSE = re.compile(r"decoder error|broken data|unrecognized data", re.IGNORECASE)
_DECODERS_OWN = frozenset({errno.EINVAL, errno.EOVERFLOW})
"""What the system answers to a decoder that follows a broken table to a place that cannot be."""
_MAX_REASON_LETTERS = 120
_FOREIGN_MODULES = r"PIL\.|pillow_heif|rawpy"
_FOREIGN_WARNINGS = ("ignore", None, Warning, re.compile(_FOREIGN_MODULES), 0)
"""The entry of `warnings.filters` that `filterwarnings("ignore", module=_FOREIGN_MODULES)` makes."""

_heif_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture."""

    image: Image.Image
    """Mode RGB, 8 bits a channel, upright; usually reduced."""
    facts: PictureFacts


def open_picture(path: Path, *, shortest_edge: int, max_pixels: int) -> Picture:
    """Decode a picture for a model that looks at `shortest_edge` pixels.

    The image's shortest edge is at least twice `shortest_edge`, or that of the full picture if it is smaller
    (of a RAW file: of its preview, which is never smaller than `shortest_edge`). Of animations and multi-page
    files it is the first picture.

    Args:
        path: the file; it is only read.
        shortest_edge: pixels, ≥ 1.
        max_pixels: pictures with more pixels (width × height) are refused before they are decoded.

    Raises:
        PictureError: it is no picture, damaged, cut short, too large, or needs a decoder that is not installed.
        OSError: it cannot be read.
    """
    with open_regular(path) as stream:
        head = stream.read(SNIFF_BYTES)
        stream.seek(0)
        picture_format = sniff(head)
        is_raw = picture_format in RAW_FORMATS or (
            picture_format == Format.TIFF and path.suffix.lower() in RAW_SUFFIXES
        )
        if picture_format == Format.UNKNOWN:
            raise PictureError("the file is no picture of a known format" if head else "the file is empty")
        with _as_picture_error("RAW file" if is_raw else _name(picture_format)):
            silence_pillow()
            if is_raw:
                return Picture(*open_raw(stream, picture_format, shortest_edge=shortest_edge, max_pixels=max_pixels))
            return _decode(stream, picture_format, shortest_edge, max_pixels)


def _decode(stream: BinaryIO, picture_format: Format, shortest_edge: int, max_pixels: int) -> Picture:
    if picture_format == Format.HEIF:
        _register_heif()
    decoder = _DECODERS[picture_format]
    if decoder not in Image.OPEN:
        raise PictureError(f"{_name(picture_format)} cannot be read: the installed Pillow has no decoder for it")
    with Image.open(stream, formats=(decoder,)) as image:
        full_size = image.size
        check_pixels(full_size, max_pixels)
        if picture_format == Format.JPEG:  # HEIC's "draft" would be a thumbnail, which may show something else
            draft(image, shortest_edge)
        image.load()
        check_pixels(image.size, max_pixels)  # a HEIC's true size shows only now
        exif = read_exif(image)
        quantisation = mean_quantisation(image)
        profile = image.info.get("icc_profile")
        upright = upright_rgb(reduce(image, shortest_edge), exif.orientation, profile, shortest_edge)
    if upright is image:
        upright = image.copy()
    return Picture(upright, facts_of(picture_format, full_size, exif, quantisation))


def _name(picture_format: Format) -> str:
    return _NAMES.get(picture_format, picture_format.upper())


def _register_heif() -> None:
    """Teach Pillow HEIC, once: registering twice from two threads would leave it half done for a moment."""
    with _heif_lock:
        if "HEIF" not in Image.OPEN:
            pillow_heif.register_heif_opener()


def silence_pillow() -> None:
    """Switch off Pillow's global size limit (ours, which is given with every call, replaces it) and its warnings.

    Both are settings of the process; setting them again and again to the same value is safe from any thread,
    while `warnings.catch_warnings` is not.
    """
    Image.MAX_IMAGE_PIXELS = None
    if _FOREIGN_WARNINGS not in warnings.filters:
        warnings.filterwarnings("ignore", module=_FOREIGN_MODULES)


def _message(error: Exception) -> str:
    """What a decoder says, in one line; LibRaw says it in bytes."""
    said = error.args[0] if error.args else ""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(error)
    return " ".join(text.split())[:_MAX_REASON_LETTERS] or type(error).__name__


@contextmanager
def _as_picture_error(name: str) -> Iterator[None]:
    """Translate whatever a decoder raises. Nothing narrower will do: they raise from SyntaxError to MemoryError."""
    try:
        yield
    except PictureError:
        raise
    except MemoryError as error:
        raise PictureError(f"there is not enough memory to decode the {name}") from error
    except UnidentifiedImageError as error:
        raise PictureError(f"the {name} is damaged, cut short, or of a variant that cannot be read") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None and error.errno not in _DECODERS_OWN:
            raise  # the disk's, not the decoder's
        message = _message(error)
        if _CUT_SHORT.search(message):
            raise PictureError(f"the {name} is cut short: part of its image data is missing") from error
        if _NONSENSE.search(message):
            raise PictureError(f"the {name} is damaged: its image data make no sense") from error
        raise PictureError(f"the {name} cannot be decoded: {message}") from error
