from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile

from keeprate.pictures.decoding import Picture, PictureError, open_picture
from keeprate.pictures.formats import Format
from support.made_pictures import CORNERS, corners_of, encoded, quarters, saved, scene

PLENTY = 10**9


def opened(folder: Path, data: bytes, name: str = "photo.bin", shortest_edge: int = 32) -> Picture:
    return open_picture(saved(folder, name, data), shortest_edge=shortest_edge, max_pixels=PLENTY)


def refused(folder: Path, data: bytes, *, max_pixels: int = PLENTY) -> str:
    with pytest.raises(PictureError) as caught:
        open_picture(saved(folder, "photo.bin", data), shortest_edge=32, max_pixels=max_pixels)
    return caught.value.reason


def grey_of(picture: Picture) -> float:
    return float(np.asarray(picture.image).mean())


@pytest.mark.parametrize(
    ("pillow_format", "expected"),
    [
        ("JPEG", Format.JPEG),
        ("PNG", Format.PNG),
        ("WEBP", Format.WEBP),
        ("TIFF", Format.TIFF),
        ("GIF", Format.GIF),
        ("BMP", Format.BMP),
        ("HEIF", Format.HEIF),
        ("AVIF", Format.AVIF),
        ("JPEG2000", Format.JPEG_2000),
        ("PPM", Format.NETPBM),
        ("QOI", Format.QOI),
    ],
)
def test_every_format_gives_upright_rgb_and_facts(pillow_format: str, expected: Format, tmp_path: Path) -> None:
    picture = opened(tmp_path, encoded(quarters(120, 80), pillow_format))
    assert picture.image.mode == "RGB"
    assert corners_of(picture.image) == list(CORNERS)
    facts = picture.facts
    assert (facts.format, facts.width, facts.height) == (expected, 120, 80)
    assert (facts.taken_at, facts.camera) == (None, None)


def test_the_suffix_of_a_picture_does_not_matter(tmp_path: Path) -> None:
    assert opened(tmp_path, encoded(quarters(), "PNG"), "photo.jpg").facts.format == Format.PNG


class TestSize:
    @pytest.mark.parametrize(
        ("full", "shortest_edge", "least", "most"),
        [
            ((4000, 3000), 224, 448, 900),
            ((4000, 3000), 518, 1036, 2072),
            ((3000, 4000), 224, 448, 900),
            ((640, 480), 224, 448, 480),
            ((640, 480), 500, 480, 480),
            ((3000, 200), 224, 200, 200),
            ((901, 899), 224, 448, 899),
        ],
    )
    @pytest.mark.parametrize("pillow_format", ["JPEG", "BMP"])
    def test_the_shortest_edge_is_twice_what_was_asked_for(
        self,
        pillow_format: str,
        full: tuple[int, int],
        shortest_edge: int,
        least: int,
        most: int,
        tmp_path: Path,
    ) -> None:
        picture = opened(tmp_path, encoded(Image.new("RGB", full), pillow_format), shortest_edge=shortest_edge)
        assert least <= min(picture.image.size) <= most
        assert (picture.facts.width, picture.facts.height) == full
        assert picture.image.width / picture.image.height == pytest.approx(full[0] / full[1], rel=0.02)

    @pytest.mark.parametrize("size", [(1, 1), (1, 500), (2, 3)])
    def test_tiny_pictures(self, size: tuple[int, int], tmp_path: Path) -> None:
        assert opened(tmp_path, encoded(Image.new("RGB", size), "PNG")).image.size == size

    def test_too_many_pixels_are_refused_before_they_are_decoded(self, tmp_path: Path) -> None:
        bomb = encoded(Image.new("1", (20_000, 15_000)), "PNG")
        assert len(bomb) < 100_000
        reason = refused(tmp_path, bomb, max_pixels=200_000_000)
        assert reason == "300 megapixels is above the limit of 200 (pictures.max_megapixels)"

    def test_our_limit_replaces_that_of_pillow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        assert opened(tmp_path, encoded(quarters(), "PNG")).image.size == (120, 80)


# What is seen in the four corners of a picture stored as `quarters`, when its Exif orientation is 1 to 8.
TL, TR, BL, BR = CORNERS
UPRIGHT = {
    1: [TL, TR, BL, BR],
    2: [TR, TL, BR, BL],
    3: [BR, BL, TR, TL],
    4: [BL, BR, TL, TR],
    5: [TL, BL, TR, BR],
    6: [BL, TL, BR, TR],
    7: [BR, TR, BL, TL],
    8: [TR, BR, TL, BL],
}


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("pillow_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
    def test_all_eight(self, pillow_format: str, orientation: int, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture = opened(tmp_path, encoded(quarters(120, 80), pillow_format, exif=exif.tobytes()))
        size = (120, 80) if orientation < 5 else (80, 120)
        assert corners_of(picture.image) == UPRIGHT[orientation]
        assert picture.image.size == size
        assert (picture.facts.width, picture.facts.height) == size

    @pytest.mark.parametrize("orientation", [0, 9, 65535])
    def test_nonsense_is_upright(self, orientation: int, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        assert corners_of(opened(tmp_path, encoded(quarters(), "JPEG", exif=exif.tobytes())).image) == list(CORNERS)

    def test_real_examples_stand_upright(self, shared_photos: Path) -> None:
        examples = shared_photos / "good_odd" / "orientation"
        upright = open_picture(
            examples / "exif-orientation-examples__Landscape_1.jpg", shortest_edge=64, max_pixels=PLENTY
        )
        reference = np.asarray(upright.image.resize((64, 48)), np.float32)
        for number in range(2, 7):
            turned = open_picture(
                examples / f"exif-orientation-examples__Landscape_{number}.jpg", shortest_edge=64, max_pixels=PLENTY
            )
            difference = np.abs(np.asarray(turned.image.resize((64, 48)), np.float32) - reference).mean()
            assert difference < 8, number


class TestFacts:
    def test_time_and_camera_come_from_exif(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x010F], exif[0x0110] = "NIKON CORPORATION", "NIKON D70"
        exif.get_ifd(0x8769).update({0x9003: "2019:08:25 12:34:56", 0x9291: "25"})
        facts = opened(tmp_path, encoded(quarters(), "JPEG", exif=exif.tobytes())).facts
        assert facts.taken_at == datetime(2019, 8, 25, 12, 34, 56, 250_000)
        assert facts.camera == "NIKON D70"

    def test_broken_exif_is_no_reason_to_refuse(self, tmp_path: Path) -> None:
        picture = opened(tmp_path, encoded(quarters(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"))
        assert picture.facts.camera is None


class TestColours:
    """Each way to store a mid grey comes out as mid grey, not clipped, not inverted."""

    @pytest.mark.parametrize(
        ("image", "pillow_format"),
        [
            (Image.new("L", (64, 64), 128), "PNG"),
            (Image.new("LA", (64, 64), (128, 255)), "PNG"),
            (Image.new("RGBA", (64, 64), (128, 128, 128, 255)), "PNG"),
            (Image.new("P", (64, 64), 3), "PNG"),
            (Image.fromarray(np.full((64, 64), 128 * 257, np.uint16)), "PNG"),
            (Image.fromarray(np.full((64, 64), 128 * 257, np.uint16)), "TIFF"),
            (Image.fromarray(np.full((64, 64), 128 * 257, np.int32)), "TIFF"),
            (Image.fromarray(np.full((64, 64), 128, np.int32)), "TIFF"),
            (Image.fromarray(np.full((64, 64), 0.5, np.float32)), "TIFF"),
            (Image.fromarray(np.full((64, 64), 128.0, np.float32)), "TIFF"),
            (Image.new("CMYK", (64, 64), (127, 127, 127, 0)), "JPEG"),
            (Image.new("CMYK", (64, 64), (127, 127, 127, 0)), "TIFF"),
            (Image.new("YCbCr", (64, 64), (128, 128, 128)), "JPEG"),
            (Image.new("LAB", (64, 64), (137, 128, 128)), "TIFF"),
        ],
        ids=lambda value: value.mode if isinstance(value, Image.Image) else value,
    )
    def test_grey_stays_grey(self, image: Image.Image, pillow_format: str, tmp_path: Path) -> None:
        if image.mode == "P":
            image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 128, 128, 128])
        pixels = np.asarray(opened(tmp_path, encoded(image, pillow_format)).image, np.int32)
        assert np.abs(pixels - 128).max() <= 4

    def test_wide_numbers_are_scaled_to_their_own_range(self, tmp_path: Path) -> None:
        ramp = np.tile(np.linspace(-3.0, 9.0, 64, dtype=np.float32), (64, 1))
        ramp[0, 0] = np.nan
        pixels = np.asarray(opened(tmp_path, encoded(Image.fromarray(ramp), "TIFF")).image)[1, :, 0]
        assert (pixels[0], pixels[-1]) == (0, 12)  # up to 255 is taken for 8 bits in floats
        ramp[:, -1] = 1000.0
        pixels = np.asarray(opened(tmp_path, encoded(Image.fromarray(ramp), "TIFF")).image)[1, :, 0]
        assert pixels[-1] < 10

    @pytest.mark.parametrize("pillow_format", ["PNG", "WEBP", "AVIF", "TIFF"])
    def test_transparent_pictures_lie_on_white(self, pillow_format: str, tmp_path: Path) -> None:
        drawing = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
        drawing.paste((0, 0, 0, 255), (0, 0, 32, 64))
        pixels = np.asarray(opened(tmp_path, encoded(drawing, pillow_format)).image)
        assert pixels[32, 8].max() < 8
        assert pixels[32, 56].min() > 247

    def test_a_transparent_palette_entry_lies_on_white(self, tmp_path: Path) -> None:
        image = Image.new("P", (64, 64), 1)
        image.putpalette([0, 0, 0, 9, 9, 9])
        assert grey_of(opened(tmp_path, encoded(image, "GIF", transparency=1))) == 255

    def test_one_bit_pictures(self, tmp_path: Path) -> None:
        image = Image.new("1", (64, 64), 1)
        image.paste(0, (0, 0, 64, 32))
        assert grey_of(opened(tmp_path, encoded(image, "TIFF"))) == pytest.approx(127.5, abs=1)

    def test_the_first_picture_of_an_animation_is_shown(self, tmp_path: Path) -> None:
        frames = [Image.new("RGB", (64, 64), colour) for colour in ("white", "black", "black")]
        for pillow_format in ("GIF", "PNG", "WEBP", "TIFF"):
            data = encoded(frames[0], pillow_format, save_all=True, append_images=frames[1:])
            assert grey_of(opened(tmp_path, data)) > 250, pillow_format

    def test_multi_picture_jpegs_show_the_first_and_are_decoded_small(self, tmp_path: Path) -> None:
        frames = [Image.new("RGB", (800, 600), colour) for colour in ("white", "black")]
        picture = opened(tmp_path, encoded(frames[0], "MPO", save_all=True, append_images=frames[1:]))
        assert grey_of(picture) > 250
        assert picture.image.size == (100, 75)


class TestProfiles:
    @staticmethod
    def profile_with_swapped_primaries() -> bytes:
        """sRGB whose red and green colorants are exchanged: a profile that nobody can overlook."""
        profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
        red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
        profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
        return bytes(profile)

    @pytest.mark.parametrize("pillow_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
    def test_pictures_in_other_colour_spaces_are_converted(self, pillow_format: str, tmp_path: Path) -> None:
        image = Image.new("RGB", (64, 64), (230, 20, 20))
        profile = self.profile_with_swapped_primaries()
        red, green, blue = np.asarray(opened(tmp_path, encoded(image, pillow_format, icc_profile=profile)).image)[
            32, 32
        ]
        assert green > 200
        assert max(red, blue) < 60

    def test_a_converted_picture_is_still_large_enough(self, tmp_path: Path) -> None:
        data = encoded(scene(1100, 700), "PNG", icc_profile=self.profile_with_swapped_primaries())
        assert opened(tmp_path, data, shortest_edge=200).image.size == (629, 400)

    @pytest.mark.parametrize(
        "profile",
        [b"", b"nonsense", b"\0" * 200, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()],
        ids=["none", "short", "zeros", "sRGB"],
    )
    def test_srgb_and_nonsense_change_nothing(self, profile: bytes, tmp_path: Path) -> None:
        image = scene(100, 80)
        picture = opened(tmp_path, encoded(image, "PNG", icc_profile=profile))
        assert picture.image.tobytes() == image.tobytes()


def halves(data: bytes) -> bytes:
    return data[: len(data) // 2]


class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "the file is empty"),
            (b"hello, this is a text", "the file is no picture of a known format"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "the file is no picture of a known format"),
            (
                halves(encoded(scene(200, 150), "JPEG")),
                "the JPEG is cut short: part of its image data is missing",
            ),
            (
                b"\0\0\0\x0cJXL \r\n\x87\n",
                "JPEG XL cannot be read: the installed Pillow has no decoder for it",
            ),
            (b"\xff\xd8\xff", "the JPEG is damaged, cut short, or of a variant that cannot be read"),
        ],
        ids=["empty", "text", "PostScript", "half a JPEG", "JPEG XL", "3 bytes"],
    )
    def test_reasons_are_sentences(self, data: bytes, reason: str, tmp_path: Path) -> None:
        assert refused(tmp_path, data) == reason

    @pytest.mark.parametrize("pillow_format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "HEIF", "AVIF", "JPEG2000"])
    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.97])
    def test_a_photo_that_is_still_being_copied_is_refused(
        self, pillow_format: str, share: float, tmp_path: Path
    ) -> None:
        data = encoded(scene(300, 200), pillow_format)
        assert refused(tmp_path, data[: int(len(data) * share)])

    @pytest.mark.parametrize("share", [0.2, 0.6, 0.97])
    def test_a_cut_progressive_jpeg_is_refused_too(self, share: float, tmp_path: Path) -> None:
        data = encoded(scene(1600, 1200), "JPEG", progressive=True)
        assert "cut short" in refused(tmp_path, data[: int(len(data) * share)])

    def test_a_missing_file_is_an_os_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            open_picture(tmp_path / "gone.jpg", shortest_edge=32, max_pixels=PLENTY)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_a_pipe_is_an_os_error(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.jpg")
        with pytest.raises(OSError):
            open_picture(tmp_path / "pipe.jpg", shortest_edge=32, max_pixels=PLENTY)

    @pytest.mark.parametrize(
        ("raised", "reason"),
        [
            (MemoryError(), "there is not enough memory to decode the PNG"),
            (SyntaxError("broken\nPNG file"), "the PNG cannot be decoded: broken PNG file"),
            (OSError("broken data stream when reading image file"), "the PNG is damaged: its image data make no sense"),
            (OSError(22, "Invalid argument"), "the PNG cannot be decoded: [Errno 22] Invalid argument"),
            (ValueError(), "the PNG cannot be decoded: ValueError"),
            (IndexError("x" * 500), "the PNG cannot be decoded: " + "x" * 120),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_whatever_a_decoder_raises(
        self, raised: Exception, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = encoded(quarters(), "PNG")

        def fail(*_: object) -> None:
            raise raised

        monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
        assert refused(tmp_path, data) == reason

    def test_a_failing_disk_is_not_the_pictures_fault(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = saved(tmp_path, "photo.png", encoded(quarters(), "PNG"))

        def fail(*_: object) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
        with pytest.raises(OSError, match="Input/output"):
            open_picture(path, shortest_edge=32, max_pixels=PLENTY)


class TestManners:
    def test_many_threads_decode_at_once(self, tmp_path: Path) -> None:
        paths = [
            saved(tmp_path, f"{number}.{pillow_format}", encoded(scene(400, 300, number), pillow_format))
            for number in range(4)
            for pillow_format in ("JPEG", "PNG", "HEIF", "AVIF", "TIFF")
        ]

        def look(path: Path) -> bytes:
            return open_picture(path, shortest_edge=64, max_pixels=PLENTY).image.tobytes()

        alone = [look(path) for path in paths]
        with ThreadPoolExecutor(8) as threads:
            for _ in range(3):
                assert list(threads.map(look, paths)) == alone

    def test_no_warning_leaks(self, tmp_path: Path) -> None:
        image = Image.new("P", (64, 64), 1)
        image.putpalette([0, 0, 0, 9, 9, 9])
        odd = encoded(image, "PNG", transparency=bytes([255, 7]))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            opened(tmp_path, odd)
            opened(tmp_path, encoded(quarters(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0broken"))

    def test_nobody_elses_warnings_are_silenced(self, tmp_path: Path) -> None:
        opened(tmp_path, encoded(quarters(), "PNG"))
        with pytest.warns(UserWarning, match="ours"):
            warnings.warn("ours", stacklevel=1)

    @pytest.mark.parametrize("pillow_format", ["JPEG", "PNG", "TIFF"])
    def test_the_picture_outlives_its_file(self, pillow_format: str, tmp_path: Path) -> None:
        path = saved(tmp_path, "photo", encoded(quarters(), pillow_format))
        picture = open_picture(path, shortest_edge=32, max_pixels=PLENTY)
        path.write_bytes(b"")
        path.unlink()
        assert corners_of(picture.image.copy()) == list(CORNERS)
