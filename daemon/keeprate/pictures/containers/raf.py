"""Fujifilm's RAF: a header of offsets to an embedded JPEG (with all metadata), a table, and the sensor data.

The picture is the sensor data alone. Layout: exiftool's FujiFilm.pm (ProcessRAF); libopenraw's raf notes.
"""

from __future__ import annotations

from keeprate.pictures.containers.source import ByteSource, MalformedError, PayloadDigest

_MAGIC = b"FUJIFILMCCD-RAW "
_JPEG_FIELD, _SENSOR_FIELD = 84, 100


def embedded_jpeg(source: ByteSource) -> tuple[int, int]:
    """(offset, length) of the JPEG that the camera put into a RAF.

    Raises:
        MalformedError: it is no RAF, or is cut short.
    """
    return _field(source, _JPEG_FIELD)


def sensor_data(source: ByteSource) -> tuple[int, int]:
    """(offset, length) of the sensor data of a RAF.

    Raises:
        MalformedError: it is no RAF, or is cut short.
    """
    return _field(source, _SENSOR_FIELD)


def digest_raf(source: ByteSource, digest: PayloadDigest) -> None:
    """Hash the sensor data of a RAF.

    Raises:
        MalformedError: it is cut short, holds no sensor data, or is no RAF.
    """
    offset, length = sensor_data(source)
    digest.note(length)
    digest.payload(offset, length)


def _field(source: ByteSource, where: int) -> tuple[int, int]:
    if source.read(0, 16) != _MAGIC:
        raise MalformedError("no RAF header")
    field = source.read(where, 8)
    offset, length = int.from_bytes(field[:4], "big"), int.from_bytes(field[4:], "big")
    if not length or offset + length > source.size:
        raise MalformedError("a part of the RAF is missing")
    return offset, length
