"""Tests of keeprate_xmp.jpeg: the XMP segment is swapped, every other byte stays."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from keeprate.pictures.content_key import content_key_of
from keeprate_xmp.jpeg import (
    MAXIMUM_PACKET_BYTES,
    XMP_SIGNATURE,
    JpegError,
    Layout,
    read_layout,
    read_packet,
    splice,
)
from support.xmp import jpeg, packet


def segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload


def with_segments(*segments: bytes) -> bytes:
    """A JPEG with these segments right after the start, before its own."""
    data = jpeg()
    return data[:2] + b"".join(segments) + data[2:]


def layout_of(data: bytes) -> Layout:
    return read_layout(io.BytesIO(data))


def packet_in(data: bytes) -> bytes | None:
    return read_packet(io.BytesIO(data), layout_of(data))


XMP_SEGMENT = segment(0xE1, XMP_SIGNATURE + packet())
EXTENDED = segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40 + b"depth map")
MPF = segment(0xE2, b"MPF\0II*\0\x08\0\0\0\0\0")
TRAILER = b"\0\0\0\x18ftypmp42 and then a film"


class TestSplice:
    @pytest.mark.parametrize(
        "data",
        [
            jpeg(),
            jpeg(packet()),
            jpeg() + TRAILER,
            with_segments(XMP_SEGMENT, EXTENDED, MPF),
            with_segments(segment(0xE0, b"JFIF\0"), b"\xff\xff" + segment(0xE2, b"ICC_PROFILE\0")),
            with_segments(MPF),
        ],
        ids=["plain", "with XMP", "motion photo", "extended XMP", "fill bytes", "second picture"],
    )
    def test_in_and_out_again(self, data: bytes) -> None:
        marked = splice(data, packet(padding=100))
        assert packet_in(marked) == packet(padding=100)
        assert content_key_of(marked) == content_key_of(data)
        assert splice(marked, packet_in(data)) == data

    def test_everything_else_is_where_it_was(self) -> None:
        data = with_segments(XMP_SEGMENT, EXTENDED) + TRAILER
        marked = splice(data, packet(padding=1))
        assert marked == data.replace(XMP_SEGMENT, segment(0xE1, XMP_SIGNATURE + packet(padding=1)))

    def test_a_new_segment_follows_jfif_and_exif(self) -> None:
        markers = [one.signature[:4] for one in layout_of(jpeg(packet())).segments]
        assert markers[:3] == [b"JFIF", b"Exif", b"http"]

    def test_a_new_segment_lies_before_the_index_of_further_pictures(self) -> None:
        marked = splice(with_segments(MPF), packet())
        found = layout_of(marked)
        assert found.xmp is not None
        assert found.multi_picture is not None
        assert found.xmp.start < found.multi_picture.start

    def test_pillow_sees_the_same_picture(self) -> None:
        data = jpeg()
        with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(splice(data, packet()))) as after:
            assert before.tobytes() == after.tobytes()
            assert before.getexif() == after.getexif()
            assert after.getxmp()


class TestRefused:
    def test_a_packet_that_is_too_long(self) -> None:
        splice(jpeg(), b"x" * MAXIMUM_PACKET_BYTES)
        with pytest.raises(JpegError, match="longer"):
            splice(jpeg(), b"x" * (MAXIMUM_PACKET_BYTES + 1))

    def test_a_new_length_behind_the_index_of_further_pictures(self) -> None:
        data = with_segments(MPF, XMP_SEGMENT)
        assert splice(data, packet().replace(b"Some Tool", b"Same Tool")) != data
        for other in (packet(padding=1), None):
            with pytest.raises(JpegError, match="MPF"):
                splice(data, other)

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "no JPEG"),
            (b"\x89PNG\r\n\x1a\n", "no JPEG"),
            (jpeg()[:300], "cut off"),
            (jpeg()[:-2], "no end"),
            (b"\xff\xd8\xff\xd9\0\0", "no picture"),
            (b"\xff\xd8\xff\xe1\x00\x01xxxx", "damaged"),
            (b"\xff\xd8" + b"\xff" * 100_000, "too many"),
            (b"\xff\xd8" + segment(0xE5, b"") * 20_000, "too many"),
            (with_segments(XMP_SEGMENT, XMP_SEGMENT), "two XMP packets"),
        ],
    )
    def test_files_that_are_not_sound(self, data: bytes, reason: str) -> None:
        with pytest.raises(JpegError, match=reason):
            splice(data, packet())
