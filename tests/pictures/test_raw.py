from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keeprate.pictures.decoding import Picture, PictureError, open_picture
from keeprate.pictures.formats import Format
from support.made_pictures import CORNERS, corners_of, cr3_raw, encoded, quarters, raf_raw, saved, tiff_raw

PREVIEW = encoded(quarters(1200, 800), "JPEG")
SMALL_PREVIEW = encoded(quarters(120, 80), "JPEG")


def opened(folder: Path, name: str, data: bytes, max_pixels: int = 10**9) -> Picture:
    return open_picture(saved(folder, name, data), shortest_edge=200, max_pixels=max_pixels)


def exif(orientation: int) -> bytes:
    fields = Image.Exif()
    fields[0x0112], fields[0x0110] = orientation, "X-T4"
    return fields.tobytes()


class TestPreviews:
    """The camera's own JPEG is shown, without LibRaw."""

    @pytest.fixture(autouse=True)
    def no_rawpy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "rawpy", None)

    def test_tiff_based(self, tmp_path: Path) -> None:
        picture = opened(tmp_path, "DSC1.NEF", tiff_raw(PREVIEW))
        facts = picture.facts
        assert corners_of(picture.image) == list(CORNERS)
        assert picture.image.size == (600, 400)
        assert (facts.format, facts.width, facts.height) == (Format.TIFF, 6000, 4000)
        assert (facts.camera, facts.taken_at) == ("NIKON D750", datetime(2021, 7, 4, 15, 16, 17))

    def test_the_raw_file_says_how_its_preview_stands(self, tmp_path: Path) -> None:
        picture = opened(tmp_path, "DSC1.nef", tiff_raw(PREVIEW, orientation=6))
        assert corners_of(picture.image) == ["bottom left", "top left", "bottom right", "top right"]
        assert picture.image.size == (400, 600)
        assert (picture.facts.width, picture.facts.height) == (4000, 6000)

    def test_canon_cr3(self, tmp_path: Path) -> None:
        picture = opened(tmp_path, "IMG_1.CR3", cr3_raw(PREVIEW, orientation=8))
        facts = picture.facts
        assert corners_of(picture.image) == ["top right", "bottom right", "top left", "bottom left"]
        assert (facts.format, facts.width, facts.height) == (Format.CR3, 5464, 8192)
        assert (facts.camera, facts.taken_at) == ("Canon EOS R5", datetime(2022, 2, 3, 4, 5, 6))

    def test_fujifilm_raf_whose_preview_says_how_it_stands(self, tmp_path: Path) -> None:
        picture = opened(tmp_path, "DSCF1.RAF", raf_raw(encoded(quarters(1200, 800), "JPEG", exif=exif(3))))
        assert corners_of(picture.image) == ["bottom right", "bottom left", "top right", "top left"]
        assert (picture.facts.format, picture.facts.camera) == (Format.RAF, "X-T4")

    def test_panasonic_rw2(self, shared_photos: Path) -> None:
        panasonic = shared_photos / "good_odd" / "raw" / "exiftool__Panasonic.rw2"
        picture = open_picture(panasonic, shortest_edge=8, max_pixels=10**9)
        assert (picture.facts.format, picture.facts.camera) == (Format.RW2, "Panasonic DMC-LX3")

    @pytest.mark.parametrize(
        ("data", "found"),
        [(tiff_raw(SMALL_PREVIEW), "a preview of only 120×80 pixels"), (tiff_raw(b"no JPEG"), "no preview")],
        ids=["small", "none"],
    )
    def test_without_a_usable_preview_the_extra_is_named(self, data: bytes, found: str, tmp_path: Path) -> None:
        with pytest.raises(PictureError) as caught:
            opened(tmp_path, "DSC1.nef", data)
        assert caught.value.reason == f"the RAW file holds {found}; install keeprate[raw] to develop it"

    @pytest.mark.parametrize(
        ("name", "data"),
        [("a.nef", tiff_raw(PREVIEW)), ("a.cr3", cr3_raw(PREVIEW)), ("a.raf", raf_raw(PREVIEW))],
        ids=["tiff", "cr3", "raf"],
    )
    @pytest.mark.parametrize("missing", [1, 2000, 8000])
    def test_a_raw_file_that_is_still_being_copied_is_refused(
        self, name: str, data: bytes, missing: int, tmp_path: Path
    ) -> None:
        with pytest.raises(PictureError, match="cut short"):
            opened(tmp_path, name, data[:-missing])

    def test_a_cut_preview_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(PictureError, match="cut short"):
            opened(tmp_path, "a.nef", tiff_raw(PREVIEW[: len(PREVIEW) // 2]))

    def test_the_limit_counts_the_sensors_pixels(self, tmp_path: Path) -> None:
        with pytest.raises(PictureError) as caught:
            opened(tmp_path, "a.nef", tiff_raw(PREVIEW), max_pixels=20_000_000)
        assert caught.value.reason == "24 megapixels is above the limit of 20 (pictures.max_megapixels)"

    def test_a_plain_tiff_is_no_raw_file(self, tmp_path: Path) -> None:
        assert opened(tmp_path, "scan.tif", encoded(quarters(), "TIFF")).image.size == (120, 80)


class TestLibRaw:
    @pytest.fixture(autouse=True)
    def rawpy(self) -> None:
        pytest.importorskip("rawpy", reason="the extra keeprate[raw] is not installed")

    def test_sensor_data_are_developed(self, shared_photos: Path) -> None:
        kodak = next((shared_photos / "good_odd" / "raw").glob("*.KDC"))
        picture = open_picture(kodak, shortest_edge=100, max_pixels=10**9)
        assert picture.image.mode == "RGB"
        assert min(picture.image.size) >= 200
        assert np.asarray(picture.image).std() > 10

    def test_what_libraw_cannot_read_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(PictureError, match="RAW file cannot be decoded"):
            opened(tmp_path, "a.nef", tiff_raw(b"no JPEG"))
        with pytest.raises(PictureError, match="RAW file"):
            opened(tmp_path, "a.mrw", b"\0MRM" + bytes(500))
