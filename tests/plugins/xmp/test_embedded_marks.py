"""Tests of marks inside JPEGs, from the plan to the undo, through the photo manager as keeprate drives it."""

from __future__ import annotations

import io
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from keeprate.pictures.content_key import content_key
from keeprate.plugin_api import MarkRefusedError, UndoOutcome
from keeprate_xmp.jpeg import read_layout, read_packet
from support.xmp import EVERYTHING, Core, exiftool, jpeg, packet

SECOND = 1_000_000_000


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "IMG_1.jpg"
    path.write_bytes(jpeg())
    os.utime(path, ns=(1_500_000_000_123_456_789,) * 2)
    return path


@pytest.fixture
def core(tmp_path: Path) -> Core:
    return Core(tmp_path, replace(EVERYTHING, mode="embed"))


def packet_in(path: Path) -> bytes:
    with path.open("rb") as file:
        found = read_packet(file, read_layout(file))
    assert found is not None
    return found


class TestWriting:
    def test_stars_in_the_photo_itself(self, core: Core, photo: Path) -> None:
        key, before = content_key(photo), photo.stat()
        change = core.plan_one(photo, 0.95)
        assert change.touches_photo
        assert core.mark(photo, 0.95) == photo
        tags = exiftool(photo)
        assert tags["XMP-xmp:Rating"] == 5
        assert tags["XMP-keeprate:Score"] == 0.95
        assert tags["IFD0:Make"] == "Maker of cameras"
        assert tags["File:Comment"] == "a comment"
        assert content_key(photo) == key
        assert photo.stat().st_mtime_ns == before.st_mtime_ns + 2 * SECOND
        assert os.listdir(photo.parent) == [photo.name]

    def test_later_changes_keep_the_length(self, core: Core, photo: Path) -> None:
        core.mark(photo, 0.95)
        size = photo.stat().st_size
        for score in (0.3, 0.05, 0.8):
            core.mark(photo, score)
            assert photo.stat().st_size == size

    def test_padding_is_used_up_first(self, core: Core, photo: Path) -> None:
        photo.write_bytes(jpeg(packet(padding=2000)))
        size = photo.stat().st_size
        core.mark(photo, 0.95)
        assert photo.stat().st_size == size

    def test_the_users_packet_stays_to_the_byte(self, core: Core, photo: Path) -> None:
        before = packet("<dc:title>mine</dc:title>")
        photo.write_bytes(jpeg(before))
        core.mark(photo, 0.95)
        after = packet_in(photo)
        start, end = after.index(b"<rdf:Description", after.index(b"mine")), after.index(b"</rdf:RDF>")
        assert after[:start] + after[end:] == before

    def test_nothing_changed_nothing_planned(self, core: Core, photo: Path) -> None:
        core.mark(photo, 0.95)
        assert core.plan(photo, 0.955) == []

    @pytest.mark.parametrize("suffix", ["png", "tif", "webp", "gif"])
    def test_everything_else_gets_a_sidecar(self, core: Core, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a.{suffix}"
        Image.new("RGB", (32, 32)).save(path)
        before = path.read_bytes()
        assert core.mark(path, 0.9).name == f"a.{suffix}.xmp"
        assert path.read_bytes() == before

    def test_a_png_called_jpg_as_well(self, core: Core, photo: Path) -> None:
        Image.new("RGB", (32, 32)).save(photo, "PNG")
        change = core.plan_one(photo, 0.9)
        assert change.path.suffix == ".xmp"
        assert "not a JPEG" in change.summary

    def test_a_camera_zero_gives_way_and_comes_back(self, core: Core, photo: Path) -> None:
        before = jpeg(packet(attributes="xmp:Rating='0'"))
        photo.write_bytes(before)
        core.mark(photo, 0.95)
        assert exiftool(photo)["XMP-xmp:Rating"] == 5
        assert core.undo(photo) is UndoOutcome.RESTORED
        assert photo.read_bytes() == before

    def test_the_users_rating_stays(self, core: Core, photo: Path) -> None:
        photo.write_bytes(jpeg(packet(attributes="xmp:Rating='2'")))
        core.mark(photo, 0.95)
        tags = exiftool(photo)
        assert (tags["XMP-xmp:Rating"], tags["XMP-xmp:Label"]) == (2, "Green")

    def test_a_rating_in_a_sidecar_counts(self, core: Core, photo: Path) -> None:
        photo.with_name("IMG_1.jpg.xmp").write_bytes(packet(attributes="xmp:Rating='2'"))
        core.mark(photo, 0.95)
        assert "XMP-xmp:Rating" not in exiftool(photo)

    def test_after_a_move_ours_is_still_ours(self, core: Core, photo: Path) -> None:
        core.mark(photo, 0.95)
        moved = photo.rename(photo.with_name("moved.jpg"))
        core.mark(moved, 0.3)
        assert exiftool(moved)["XMP-xmp:Rating"] == 2

    def test_all_metadata_stripped_means_do_not_rate(self, core: Core, photo: Path) -> None:
        core.mark(photo, 0.95)
        photo.write_bytes(jpeg())
        core.mark(photo, 0.3)
        tags = exiftool(photo)
        assert "XMP-xmp:Rating" not in tags
        assert tags["XMP-keeprate:UserOwns"] == "keywords label rating"


class TestRefused:
    def test_read_only_packets(self, core: Core, photo: Path) -> None:
        photo.write_bytes(jpeg(packet(end="r")))
        assert "read-only" in core.skipped(photo)

    @pytest.mark.parametrize(
        ("broken", "reason"),
        [
            (packet()[:-150], "well-formed"),
            (b"<!DOCTYPE x>" + packet(), "document type"),
            (packet().decode().encode("utf-16"), "UTF-16"),
            (packet("<dc:a>" + "x" * 64_600 + "</dc:a>"), "longer than"),
        ],
    )
    def test_packets_that_are_not_understood(self, core: Core, photo: Path, broken: bytes, reason: str) -> None:
        photo.write_bytes(jpeg(broken))
        assert reason in core.skipped(photo)

    def test_files_that_are_not_ready(self, core: Core, photo: Path) -> None:
        whole = photo.read_bytes()
        assert "moment ago" in core.with_settings(minimum_age_s=60).skipped(photo)
        core.with_settings(minimum_age_s=0)
        photo.write_bytes(whole[:300])
        assert "cut off" in core.skipped(photo)
        photo.write_bytes(whole[:-2])
        change = core.plan_one(photo, 0.9)
        with pytest.raises(MarkRefusedError, match="no end"):
            core.manager.apply(change)
        assert photo.read_bytes() == whole[:-2]

    def test_write_protected(self, core: Core, photo: Path) -> None:
        photo.chmod(0o444)
        assert "write-protected" in core.skipped(photo)

    def test_hard_links_get_a_sidecar(self, core: Core, photo: Path) -> None:
        os.link(photo, photo.with_name("other.jpg"))
        change = core.plan_one(photo, 0.9)
        assert change.path.name == "IMG_1.jpg.xmp"
        assert "hard links" in change.summary

    def test_no_room_behind_an_index_of_further_pictures(self, core: Core, photo: Path) -> None:
        index = b"\xff\xe2\x00\x10MPF\0II*\0\x08\0\0\0\0\0"
        for padding, fits in ((2000, True), (10, False)):
            data = jpeg(packet(padding=padding))
            photo.write_bytes(data[:2] + index + data[2:])
            if fits:
                core.mark(photo, 0.95)
                assert exiftool(photo)["XMP-xmp:Rating"] == 5
            else:
                assert "MPF" in core.skipped(photo)

    def test_another_picture_than_the_one_scored(self, core: Core, photo: Path) -> None:
        change = core.plan_one(photo, 0.9)
        photo.write_bytes(jpeg(colour=10))
        with pytest.raises(MarkRefusedError, match="another picture"):
            core.manager.apply(change)

    def test_xmp_that_changed_after_the_plan(self, core: Core, photo: Path) -> None:
        change = core.plan_one(photo, 0.9)
        photo.write_bytes(jpeg(packet()))
        with pytest.raises(MarkRefusedError, match="changed since"):
            core.manager.apply(change)
        assert photo.read_bytes() == jpeg(packet())

    def test_a_file_that_is_only_in_the_cloud(self, core: Core, photo: Path) -> None:
        photo.unlink()
        with photo.open("wb") as file:
            file.write(jpeg()[:3])
            file.truncate(1 << 20)
        if photo.stat().st_blocks:
            os.truncate(photo, 0)
            os.truncate(photo, 1 << 20)  # no block at all: what a placeholder looks like
            core.with_settings(mode="sidecar")
        assert "not on this machine" in core.skipped(photo)


class TestLinks:
    def test_a_link_within_the_library_is_followed_and_written_once(self, core: Core, photo: Path) -> None:
        link = photo.with_name("link.jpg")
        link.symlink_to(photo.name)
        request = core.request({photo: 0.9, link: 0.9})
        (change,) = list(core.manager.plan(request))
        core.manager.apply(change)  # type: ignore[arg-type]
        assert link.is_symlink()
        assert exiftool(photo)["XMP-xmp:Rating"] == 5

    def test_one_out_of_the_library_gets_a_sidecar_beside_it(self, tmp_path: Path) -> None:
        library, elsewhere = tmp_path / "library", tmp_path / "elsewhere"
        library.mkdir()
        elsewhere.mkdir()
        (elsewhere / "real.jpg").write_bytes(jpeg())
        link = library / "link.jpg"
        link.symlink_to(elsewhere / "real.jpg")
        assert Core(library, replace(EVERYTHING, mode="embed")).mark(link, 0.9) == library / "link.jpg.xmp"
        assert (elsewhere / "real.jpg").read_bytes() == jpeg()

    def test_a_library_that_is_itself_a_link(self, tmp_path: Path, photo: Path) -> None:
        root = tmp_path / "root"
        (tmp_path / "real").mkdir()
        photo.rename(tmp_path / "real" / "a.jpg")
        root.symlink_to("real")
        assert Core(root, replace(EVERYTHING, mode="embed")).mark(root / "a.jpg", 0.9) == root / "a.jpg"


class TestUndo:
    @pytest.mark.parametrize("before", [jpeg(), jpeg(packet(padding=77)), jpeg(packet(padding=3000))])
    def test_byte_for_byte_with_the_old_time(self, core: Core, photo: Path, before: bytes) -> None:
        photo.write_bytes(before)
        os.utime(photo, ns=(5 * SECOND, 1_500_000_000 * SECOND + 7))
        for score in (0.95, 0.3):
            core.mark(photo, score)
        while core.journal:
            assert core.manager.standing(core.entry(photo)) == core.journal[-1].after
            assert core.undo(photo) is UndoOutcome.RESTORED
            core.journal.pop()
        assert photo.read_bytes() == before
        assert photo.stat().st_mtime_ns == 1_500_000_000 * SECOND + 7

    def test_after_a_move(self, core: Core, photo: Path) -> None:
        before = photo.read_bytes()
        core.mark(photo, 0.95)
        moved = photo.rename(photo.with_name("moved.jpg"))
        photo.write_bytes(jpeg(colour=10))  # another photo took its name
        assert core.undo(moved) is UndoOutcome.RESTORED
        assert moved.read_bytes() == before
        assert photo.read_bytes() == jpeg(colour=10)

    def test_if_exif_changed_the_xmp_is_still_restored(self, core: Core, photo: Path) -> None:
        core.mark(photo, 0.95)
        exiftool(photo)
        subprocess.run(["exiftool", "-q", "-overwrite_original", "-IFD0:Artist=me", photo], check=True)
        assert core.undo(photo) is UndoOutcome.RESTORED
        tags = exiftool(photo)
        assert tags["IFD0:Artist"] == "me"
        assert not [name for name in tags if name.startswith("XMP")]

    def test_if_others_changed_the_xmp_only_ours_goes(self, core: Core, photo: Path) -> None:
        core.mark(photo, 0.95)
        exiftool(photo)
        subprocess.run(
            ["exiftool", "-q", "-overwrite_original", "-XMP-dc:Title=mine", "-XMP-xmp:Rating=1", photo],
            check=True,
        )
        assert core.undo(photo) is UndoOutcome.REMOVED_OURS
        tags = exiftool(photo)
        assert (tags["XMP-dc:Title"], tags["XMP-xmp:Rating"]) == ("mine", 1)
        assert not [name for name in tags if "keeprate" in name or name == "XMP-xmp:Label"]

    def test_if_all_xmp_was_stripped_there_is_nothing_to_take_back(self, core: Core, photo: Path) -> None:
        photo.write_bytes(jpeg(packet()))
        core.mark(photo, 0.95)
        photo.write_bytes(jpeg())
        assert core.undo(photo) is UndoOutcome.NOT_OURS
        photo.unlink()
        assert core.undo(photo) is UndoOutcome.GONE

    def test_a_write_protected_photo_is_refused(self, core: Core, photo: Path) -> None:
        core.mark(photo, 0.95)
        photo.chmod(0o444)
        with pytest.raises(MarkRefusedError, match="write-protected"):
            core.undo(photo)

    def test_pixels_are_the_same_all_along(self, core: Core, photo: Path) -> None:
        def pixels() -> bytes:
            with Image.open(io.BytesIO(photo.read_bytes())) as picture:
                return picture.tobytes()

        before = pixels()
        core.mark(photo, 0.95)
        assert pixels() == before
        core.undo(photo)
        assert pixels() == before
