from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from keeprate.pictures.content_key import content_key, content_key_of
from support.made_pictures import (
    cr3_raw,
    encoded,
    jpeg_segment,
    png_chunk,
    quarters,
    raf_raw,
    saved,
    scene,
    tiff_raw,
)
from support.waiting import join

SCENE = scene(320, 240)
JPEG = encoded(SCENE, "JPEG", quality=85)
SCHEMES = {
    "JPEG": "jpeg1",
    "PNG": "png1",
    "WEBP": "webp1",
    "TIFF": "tiff1",
    "HEIF": "heif1",
    "AVIF": "heif1",
    "GIF": "file1",
    "BMP": "file1",
}


def exif(description: str, orientation: int) -> bytes:
    fields = Image.Exif()
    fields[0x010E] = description
    fields[0x0112] = orientation
    return fields.tobytes()


@pytest.mark.parametrize(("pillow_format", "scheme"), SCHEMES.items())
def test_each_format_has_its_scheme(pillow_format: str, scheme: str, tmp_path: Path) -> None:
    data = encoded(SCENE, pillow_format)
    key = content_key_of(data)
    name, _, digits = key.partition("-")
    assert (name, len(digits)) == (scheme, 64 if scheme == "file1" else 32)
    assert content_key(saved(tmp_path, "picture", data)) == key
    assert content_key_of(memoryview(data)) == key


def test_keys_never_change_between_versions() -> None:
    """Catalogs outlive programs: if this fails, the scheme's version has to be raised."""
    tables = jpeg_segment(0xDB, bytes(range(65))) + jpeg_segment(0xC0, bytes(9)) + jpeg_segment(0xC4, bytes(20))
    jpeg = b"\xff\xd8" + tables + jpeg_segment(0xDA, bytes(6)) + b"data\xff\0more\xff\xd0end" + b"\xff\xd9"
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"any") + png_chunk(b"IEND", b"")
    webp = b"RIFF" + struct.pack("<I", 4 + 12) + b"WEBPVP8 " + struct.pack("<I", 4) + b"bits"
    pictures = (jpeg, png, webp, tiff_raw(b"preview"), raf_raw(b"jpeg"), cr3_raw(b"jpeg"))
    assert [content_key_of(data) for data in pictures] == [
        "jpeg1-0c85a2a1df60d40c93d917aa4d04fabf",
        "png1-45e95f9d5df6cb1477286550fefbd222",
        "webp1-5e7a0c723fed789d12b344f402dea7bd",
        "tiff1-eb3af866952a88e785a5bc4c63855014",
        "raf1-bd9ffa03e0a06ea673c9af07e2232c43",
        "crx1-337ac94a84d7edf93203571bd28f1c58",
    ]


@pytest.mark.parametrize(
    ("pillow_format", "orientation"),
    # pillow-heif would turn the pixels themselves
    [("JPEG", 6), ("PNG", 6), ("WEBP", 6), ("TIFF", 6), ("HEIF", 1), ("AVIF", 6)],
)
def test_exif_and_orientation_do_not_count(pillow_format: str, orientation: int) -> None:
    plain = encoded(SCENE, pillow_format)
    described = encoded(SCENE, pillow_format, exif=exif("a day at the sea", orientation))
    assert plain != described
    assert content_key_of(plain) == content_key_of(described)


@pytest.mark.parametrize("pillow_format", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF", "GIF", "BMP"])
def test_another_picture_has_another_key(pillow_format: str) -> None:
    keys = {content_key_of(encoded(scene(320, 240, seed), pillow_format)) for seed in range(4)}
    assert len(keys) == 4


class TestJpeg:
    def test_segments_that_talk_about_the_picture_do_not_count(self) -> None:
        talk = jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>") + jpeg_segment(
            0xFE, b"a comment with \xff\xd9 in it"
        )
        talk += jpeg_segment(0xEF, b"") + jpeg_segment(0xE2, b"MPF\0")
        assert content_key_of(JPEG[:2] + talk + JPEG[2:]) == content_key_of(JPEG)

    def test_what_follows_the_picture_does_not_count(self) -> None:
        assert content_key_of(JPEG + b"MotionPhoto_Data" + JPEG) == content_key_of(JPEG)

    def test_a_single_byte_of_a_quantisation_table_counts(self) -> None:
        position = JPEG.index(b"\xff\xdb") + 20
        changed = JPEG[:position] + bytes([JPEG[position] ^ 1]) + JPEG[position + 1 :]
        assert content_key_of(changed) != content_key_of(JPEG)
        assert content_key_of(changed).startswith("jpeg1-")

    def test_a_single_bit_of_the_scan_counts(self) -> None:
        position = JPEG.index(b"\xff\xda") + 400
        changed = JPEG[:position] + bytes([JPEG[position] ^ 1]) + JPEG[position + 1 :]
        assert content_key_of(changed) != content_key_of(JPEG)

    @pytest.mark.parametrize(
        "options",
        [{"progressive": True}, {"restart_marker_blocks": 3}, {"quality": 100, "subsampling": 0}, {"optimize": True}],
        ids=str,
    )
    def test_all_kinds_of_scans_are_read_to_their_end(self, options: dict[str, Any]) -> None:
        data = encoded(SCENE, "JPEG", **options)
        assert content_key_of(data + b"trailer") == content_key_of(data)
        assert content_key_of(data).startswith("jpeg1-")
        assert content_key_of(data[:-2]).startswith("file1-")

    def test_a_marker_across_two_pieces_is_found(self) -> None:
        """The scan is searched in pieces of 1 MiB; the end marker may straddle them."""
        start = b"\xff\xd8" + jpeg_segment(0xDA, bytes(6))
        for length in range((1 << 20) - 3, (1 << 20) + 2):
            data = start + b"\x01" * length + b"\xff\xd9"
            assert content_key_of(data).startswith("jpeg1-")
            assert content_key_of(data + b"\x02trailer") == content_key_of(data)

    @pytest.mark.parametrize(
        "data",
        [
            JPEG[: len(JPEG) // 2],
            JPEG[:-2],
            JPEG[:3],
            JPEG[:2] + b"\xff\xd9" + JPEG[2:],
            JPEG[:2] + b"\0\0" + JPEG[2:],
            b"\xff\xd8\xff\xe0\0\x01" + JPEG[2:],
            b"\xff\xd8\xff" + b"\xff" * 5000,
            b"\xff\xd8" + jpeg_segment(0xE0, b"") * 20_000,
        ],
        ids=["half", "no end", "3 bytes", "end first", "no marker", "length 1", "only fill", "20,000 segments"],
    )
    def test_what_is_no_whole_jpeg_is_identified_by_the_file(self, data: bytes) -> None:
        assert content_key_of(data) == "file1-" + hashlib.sha256(data).hexdigest()


class TestPng:
    def test_text_times_and_profiles_do_not_count(self) -> None:
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>")
        assert content_key_of(encoded(SCENE, "PNG", pnginfo=text, icc_profile=b"none", dpi=(72, 72))) == content_key_of(
            encoded(SCENE, "PNG")
        )

    def test_how_the_data_are_cut_does_not_count(self) -> None:
        data = encoded(SCENE, "PNG")
        start = data.index(b"IDAT") - 4
        raw, chunks, position = b"", b"", start
        while data[position + 4 : position + 8] == b"IDAT":
            (length,) = struct.unpack(">I", data[position : position + 4])
            raw += data[position + 8 : position + 8 + length]
            position += length + 12
        for at in range(0, len(raw), 777):
            chunks += png_chunk(b"IDAT", raw[at : at + 777])
        recut = data[:start] + chunks + data[position:]
        assert recut != data
        assert content_key_of(recut) == content_key_of(data)

    def test_a_palette_counts(self) -> None:
        image = quarters().quantize(8)
        before = encoded(image, "PNG")
        image.putpalette(bytes(range(24)))
        assert content_key_of(encoded(image, "PNG")) != content_key_of(before)

    def test_an_animation_counts_whole(self) -> None:
        frames = [scene(64, 48, seed) for seed in range(3)]
        first = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
        other = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:2] + frames[:1])
        assert content_key_of(first) != content_key_of(other)
        assert content_key_of(first).startswith("png1-")

    def test_a_png_without_its_end_is_identified_by_the_file(self) -> None:
        data = encoded(SCENE, "PNG")
        assert content_key_of(data[:-12]).startswith("file1-")
        assert content_key_of(data[: len(data) // 2]).startswith("file1-")
        assert content_key_of(data[:8] + png_chunk(b"IEND", b"")).startswith("file1-")


class TestWebp:
    def test_metadata_chunks_do_not_count(self) -> None:
        described = encoded(SCENE, "WEBP", exif=exif("sea", 3), xmp=b"<x/>", icc_profile=b"profile")
        assert content_key_of(described) == content_key_of(encoded(SCENE, "WEBP"))

    @pytest.mark.parametrize("cut", [13, 40, 1000])
    def test_a_cut_webp_is_identified_by_the_file(self, cut: int) -> None:
        assert content_key_of(encoded(SCENE, "WEBP")[:-cut]).startswith("file1-")


class TestTiff:
    @pytest.mark.parametrize(
        "options", [{}, {"compression": "tiff_lzw"}, {"big_tiff": True}, {"tiffinfo": {305: "us"}}], ids=str
    )
    def test_strips_count_and_tags_that_talk_do_not(self, options: dict[str, Any]) -> None:
        plain = content_key_of(encoded(SCENE, "TIFF", **options))
        described = content_key_of(encoded(SCENE, "TIFF", **options, description="a day at the sea", software="none"))
        assert plain == described
        assert plain.startswith("tiff1-")

    def test_all_pages_count(self) -> None:
        pages = [scene(64, 48, seed) for seed in range(3)]
        assert content_key_of(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])) != content_key_of(
            encoded(pages[0], "TIFF", save_all=True, append_images=pages[2:])
        )

    def test_sensor_data_count_and_the_orientation_does_not(self) -> None:
        plain = content_key_of(tiff_raw(JPEG))
        assert plain.startswith("tiff1-")
        assert content_key_of(tiff_raw(JPEG, orientation=8)) == plain
        assert content_key_of(tiff_raw(JPEG, sensor=b"\x5b" * 4000)) != plain

    def test_directories_in_a_circle_end(self) -> None:
        circle = struct.pack("<2sHIH", b"II", 42, 8, 1) + struct.pack("<HHII", 256, 4, 1, 5) + struct.pack("<I", 8)
        assert content_key_of(circle).startswith("file1-")

    def test_naming_the_same_strip_again_and_again_is_refused(self) -> None:
        count = 200_000
        table = struct.pack("<HHII", 273, 4, count, 100) + struct.pack("<HHII", 279, 4, count, 100 + 4 * count)
        head = struct.pack("<2sHIH", b"II", 42, 8, 2) + table + bytes(4)
        data = head.ljust(100, b"\0") + struct.pack("<I", 0) * count + struct.pack("<I", 900_000) * count
        assert content_key_of(data).startswith("file1-")


class TestBoxes:
    @pytest.mark.parametrize("make", [raf_raw, cr3_raw])
    def test_sensor_data_count_and_the_preview_does_not(self, make: Callable[..., bytes]) -> None:
        plain = content_key_of(make(JPEG))
        assert not plain.startswith("file1-")
        assert content_key_of(make(JPEG + b"edited")) == plain
        assert content_key_of(make(JPEG, b"\x99" * 3000)) != plain
        assert content_key_of(make(JPEG)[:-1]).startswith("file1-")

    @pytest.mark.parametrize("pillow_format", ["HEIF", "AVIF"])
    def test_a_cut_file_is_identified_by_the_file(self, pillow_format: str) -> None:
        data = encoded(SCENE, pillow_format)
        for length in (12, 40, len(data) // 2, len(data) - 1):
            assert content_key_of(data[:length]).startswith("file1-")


class TestFiles:
    def test_an_empty_file_has_a_key(self, tmp_path: Path) -> None:
        assert content_key(saved(tmp_path, "empty.jpg", b"")) == "file1-" + hashlib.sha256(b"").hexdigest()

    def test_a_missing_file_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            content_key(tmp_path / "gone.jpg")

    def test_a_folder_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(OSError):
            content_key(tmp_path)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_a_pipe_is_an_error_and_never_waited_for(self, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe.jpg"
        os.mkfifo(pipe)
        outcome: list[BaseException] = []

        def read() -> None:
            try:
                content_key(pipe)
            except OSError as error:
                outcome.append(error)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        join(reader)
        assert len(outcome) == 1

    def test_a_file_that_shrinks_while_it_is_read_is_no_crash(self, tmp_path: Path) -> None:
        """As when a copy is started over: a mapped file would kill the process with SIGBUS here."""
        path = tmp_path / "shrinks.bin"
        stop = threading.Event()

        def keep_shrinking() -> None:
            while not stop.is_set():
                path.write_bytes(bytes(3_000_000))
                os.truncate(path, 10)

        writer = threading.Thread(target=keep_shrinking)
        path.write_bytes(b"")
        writer.start()
        try:
            keys = {content_key(path) for _ in range(50)}
        finally:
            stop.set()
            join(writer)
        assert all(key.startswith("file1-") for key in keys)

    def test_a_large_file_needs_little_memory(self, tmp_path: Path) -> None:
        """300 MB of a JPEG that never ends: read twice, once as a JPEG and once as a file."""
        path = tmp_path / "large.jpg"
        with path.open("wb") as stream:
            stream.write(b"\xff\xd8" + jpeg_segment(0xDA, bytes(6)))
            stream.truncate(300_000_000)
        code = (
            "import resource, sys, pathlib; from keeprate.pictures.content_key import content_key;"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; content_key(pathlib.Path(sys.argv[1]));"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
        )
        command = [sys.executable, "-c", code, str(path)]
        grown = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        assert grown < 30_000  # KiB
