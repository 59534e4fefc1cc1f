"""Camera RAW files: show the picture that the camera itself made of them.

Nearly every RAW file holds a JPEG of it, large enough for any model and rendered as the photographer saw it on
the camera. It is found by reading the container's tables; only without one is the sensor data developed, by
LibRaw (rawpy, the extra `keeprate[raw]`). A RAW file whose sensor data are not all there is still being copied,
and is refused even if the JPEG is.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from PIL import Image, UnidentifiedImageError

from keeprate.pictures.containers.bmff import boxes, find_box
from keeprate.pictures.containers.raf import embedded_jpeg, sensor_data
from keeprate.pictures.containers.source import MAX_PIECE_BYTES, ByteSource, FileSource, MalformedError
from keeprate.pictures.containers.tiff import Directory, Tag, TiffFile, image_data
from keeprate.pictures.errors import PictureError
from keeprate.pictures.facts import (
    UNKNOWN_EXIF,
    Exif,
    PictureFacts,
    camera_name,
    exposure_of,
    facts_of,
    parse_time,
    read_exif,
    valid_orientation,
)
from keeprate.pictures.formats import Format
from keeprate.pictures.rendering import OVERSIZE, check_pixels, draft, reduce, upright_rgb

_OLD_JPEG, _JPEG = 6, 7
_CANON_METADATA = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_CANON_PREVIEW = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")
_MAX_PREVIEWS = 16
_LIBRAW_FLIPS = {3: 3, 5: 8, 6: 6}
"""LibRaw's way to say how a picture stands, as an Exif orientation (libraw_image_sizes_t)."""


@dataclass(frozen=True, slots=True)
class _Contents:
    """What the tables of a RAW file name."""

    previews: tuple[tuple[int, int], ...] = ()
    """(offset, length) of what may be JPEGs of the picture, largest first."""
    size: tuple[int, int] | None = None
    """Width and height of the sensor data as stored, if the tables say so."""
    exif: Exif = UNKNOWN_EXIF
    has_orientation: bool = False
    """The container says how the picture stands; otherwise the preview's own Exif does."""


def open_raw(
    stream: BinaryIO, raw_format: Format, *, shortest_edge: int, max_pixels: int
) -> tuple[Image.Image, PictureFacts]:
    """An upright RGB image of a RAW file, and its facts; arguments as in `decoding.open_picture`.

    Raises:
        PictureError: it is cut short or damaged, or holds no usable preview and cannot be developed here.
        OSError: it cannot be read.
    """
    source = FileSource(stream)
    try:
        contents = _contents(source, raw_format)
    except MalformedError as error:
        raise PictureError("the RAW file is cut short or damaged: its tables name data that are not there") from error
    if contents.size is not None:
        check_pixels(contents.size, max_pixels)
    preview = _best_preview(source, contents)
    if preview is not None and min(preview.size) >= shortest_edge:
        return _show(preview, contents, raw_format, shortest_edge, max_pixels)
    return _ask_libraw(stream, contents, raw_format, preview, shortest_edge, max_pixels)


def _show(
    preview: Image.Image, contents: _Contents, raw_format: Format, shortest_edge: int, max_pixels: int
) -> tuple[Image.Image, PictureFacts]:
    check_pixels(preview.size, max_pixels)
    full_size = contents.size or preview.size
    draft(preview, shortest_edge)
    preview.load()
    exif = contents.exif
    if not contents.has_orientation:
        exif = replace(exif, orientation=read_exif(preview).orientation)
    if exif.taken_at is None and exif.camera is None:
        own = read_exif(preview)
        exif = replace(exif, taken_at=own.taken_at, camera=own.camera, exposure=own.exposure)
    profile = preview.info.get("icc_profile")
    image = upright_rgb(reduce(preview, shortest_edge), exif.orientation, profile, shortest_edge)
    return image, facts_of(raw_format, full_size, exif)


def _best_preview(source: ByteSource, contents: _Contents) -> Image.Image | None:
    """The preview with the most pixels, its header read and nothing decoded; None if there is none."""
    best: Image.Image | None = None
    for offset, length in contents.previews[:_MAX_PREVIEWS]:
        if length > MAX_PIECE_BYTES:
            continue
        try:
            image = Image.open(io.BytesIO(source.read(offset, length)), formats=("JPEG",))
        except (MalformedError, UnidentifiedImageError, SyntaxError, ValueError):
            continue  # sensor data in lossless JPEG, a thumbnail that is none
        if best is None or image.width * image.height > best.width * best.height:
            best = image
    return best


def _ask_libraw(
    stream: BinaryIO,
    contents: _Contents,
    raw_format: Format,
    preview: Image.Image | None,
    shortest_edge: int,
    max_pixels: int,
) -> tuple[Image.Image, PictureFacts]:
    """A preview that only LibRaw finds (in maker notes, in rarer formats), else the developed sensor data."""
    try:
        import rawpy
    except ImportError:
        found = "no preview" if preview is None else f"a preview of only {preview.width}×{preview.height} pixels"
        raise PictureError(f"the RAW file holds {found}; install keeprate[raw] to develop it") from None
    stream.seek(0)
    with rawpy.imread(stream) as raw:
        size = (int(raw.sizes.width), int(raw.sizes.height))
        check_pixels(size, max_pixels)
        if not contents.has_orientation:
            turned = replace(contents.exif, orientation=_LIBRAW_FLIPS.get(int(raw.sizes.flip), 1))
            contents = replace(contents, exif=turned, has_orientation=True)
        found_by_libraw = _libraw_preview(raw)
        if found_by_libraw is not None and min(found_by_libraw.size) >= shortest_edge:
            return _show(found_by_libraw, contents, raw_format, shortest_edge, max_pixels)
        # Half size is four times faster and has no need to guess colours. user_flip=0: the picture is turned below.
        half = min(size) // 2 >= OVERSIZE * shortest_edge
        pixels: Any = raw.postprocess(half_size=half, use_camera_wb=True, output_bps=8, user_flip=0)
    image = upright_rgb(reduce(Image.fromarray(pixels), shortest_edge), contents.exif.orientation, None, shortest_edge)
    return image, facts_of(raw_format, contents.size or size, contents.exif)


def _libraw_preview(raw: Any) -> Image.Image | None:
    """The JPEG that LibRaw finds, its header read; None if it finds none."""
    import rawpy

    try:
        thumbnail = raw.extract_thumb()
        if thumbnail.format != rawpy.ThumbFormat.JPEG:
            return None
        return Image.open(io.BytesIO(thumbnail.data), formats=("JPEG",))
    except (rawpy.LibRawError, UnidentifiedImageError, SyntaxError, ValueError):
        return None


def _contents(source: ByteSource, raw_format: Format) -> _Contents:
    if raw_format == Format.CR3:
        return _cr3_contents(source)
    if raw_format == Format.RAF:
        sensor_data(source)  # must be there, though it is not shown
        return _Contents(previews=(embedded_jpeg(source),))
    if raw_format in (Format.TIFF, Format.CR2, Format.RW2, Format.ORF):
        return _tiff_contents(source)
    return _Contents()  # CRW, MRW, X3F: LibRaw knows where things are


def _tiff_contents(source: ByteSource) -> _Contents:
    tiff = TiffFile(source)
    previews: list[tuple[int, int]] = []
    size = (0, 0)
    main: Directory | None = None
    for directory in tiff.directories():
        main = main or directory
        _check_complete(directory, source)
        previews.extend(_jpegs_in(directory))
        stored = (directory.integer(Tag.WIDTH), directory.integer(Tag.HEIGHT))
        size = max(size, stored, key=lambda edges: edges[0] * edges[1])
    if main is None:
        raise MalformedError("no directory")
    exif, has_orientation = _exif_of(tiff, main)
    return _Contents(
        tuple(sorted(previews, key=lambda piece: -piece[1])), size if min(size) > 0 else None, exif, has_orientation
    )


def _check_complete(directory: Directory, source: ByteSource) -> None:
    """Sensor data that reach beyond the end mean that the file is not all there yet."""
    if Tag.PANASONIC_RAW_OFFSET in directory:
        return  # Panasonic names no usable length
    for offset, length in image_data(directory):
        if offset + length > source.size:
            raise MalformedError("sensor data are missing")


def _jpegs_in(directory: Directory) -> Iterator[tuple[int, int]]:
    """Where a directory says that a JPEG lies, in the three ways that cameras say so."""
    offset, length = directory.integer(Tag.JPEG_OFFSET), directory.integer(Tag.JPEG_LENGTH)
    if offset and length:
        yield directory.base + offset, length
    panasonic = directory.entries.get(Tag.PANASONIC_JPEG)
    if panasonic is not None:
        yield panasonic.offset, panasonic.length
    if directory.integer(Tag.COMPRESSION) in (_OLD_JPEG, _JPEG):
        pieces = list(image_data(directory))
        if len(pieces) == 1:
            yield pieces[0]


def _exif_of(tiff: TiffFile, main: Directory) -> tuple[Exif, bool]:
    """The Exif of a TIFF structure, and whether it says how the picture stands."""
    try:
        orientation = valid_orientation(main.integer(Tag.ORIENTATION))
        camera = camera_name(main.text(Tag.MAKE), main.text(Tag.MODEL))
        offset = main.integer(Tag.EXIF_DIRECTORY)
        exif = Exif(orientation or 1, camera=camera)
        if offset:
            exif = _with_detail(exif, tiff.directory(offset))
    except MalformedError:
        return UNKNOWN_EXIF, False  # facts are not worth refusing a photo
    return exif, orientation is not None


def _with_detail(exif: Exif, detail: Directory) -> Exif:
    return replace(exif, taken_at=_taken_at(detail), exposure=exposure_of(detail.number))


def _taken_at(detail: Directory) -> Any:
    return parse_time(detail.text(Tag.TAKEN_AT), detail.text(Tag.TAKEN_AT_FRACTION)) or parse_time(
        detail.text(Tag.DIGITIZED_AT), detail.text(Tag.DIGITIZED_AT_FRACTION)
    )


def _cr3_contents(source: ByteSource) -> _Contents:
    """CR3: small TIFFs with the metadata in `moov`, a JPEG of 1620×1080 in a box of its own.

    The full-size JPEG inside `mdat` is not needed: 1080 pixels are twice what any model here looks at.
    """
    contents = _Contents()
    for box in boxes(source, 0, source.size):
        if box.kind == b"uuid" and box.end - box.start > 24 and source.read(box.start, 16) == _CANON_PREVIEW:
            # 8 bytes of version and count stand between the identifier and the box with the JPEG.
            preview = find_box(source, box.start + 24, box.end, b"PRVW")
            if preview is not None and preview.end - preview.start > 16:
                offset = preview.start + 16
                contents = replace(contents, previews=((offset, preview.end - offset),))
        elif box.kind == b"moov":
            contents = _with_canon_metadata(source, box.start, box.end, contents)
    return contents


def _with_canon_metadata(source: ByteSource, start: int, end: int, contents: _Contents) -> _Contents:
    for box in boxes(source, start, end):
        if box.kind != b"uuid" or box.end - box.start < 16 or source.read(box.start, 16) != _CANON_METADATA:
            continue
        parts = {part.kind: part for part in boxes(source, box.start + 16, box.end)}
        if b"CMT1" not in parts:
            continue
        tiff = TiffFile(source, parts[b"CMT1"].start)
        main = tiff.directory(tiff.first_offset)
        exif, has_orientation = _exif_of(tiff, main)
        if b"CMT2" in parts:
            detail = TiffFile(source, parts[b"CMT2"].start)
            exif = _with_detail(exif, detail.directory(detail.first_offset))
        size = (main.integer(Tag.WIDTH), main.integer(Tag.HEIGHT))
        contents = replace(contents, size=size if min(size) > 0 else None, exif=exif, has_orientation=has_orientation)
    return contents
