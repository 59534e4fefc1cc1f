"""Tests of marks in sidecars, from the plan to the undo, through the photo manager as keeprate drives it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pyexiv2
import pytest
from PIL import Image

from keeprate.plugin_api import MarkRefusedError, UndoOutcome
from keeprate.safe_files import file_state
from keeprate_xmp.fields import ScoreFields
from keeprate_xmp.marking import fields_of
from keeprate_xmp.packet import MAXIMUM_BYTES
from support.xmp import EVERYTHING, Core, exiftool, jpeg, packet


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "IMG_1.jpg"
    path.write_bytes(jpeg())
    return path


@pytest.fixture
def core(tmp_path: Path) -> Core:
    return Core(tmp_path)


@pytest.fixture
def marking(tmp_path: Path) -> Core:
    """With stars, label and keywords on."""
    return Core(tmp_path, EVERYTHING)


def fields_in(path: Path) -> ScoreFields:
    fields = fields_of(path.read_bytes())
    assert fields is not None
    return fields


def change_with_exiftool(path: Path, *options: str) -> None:
    exiftool(path)  # skips where there is none
    subprocess.run(["exiftool", "-q", "-overwrite_original", *options, path], check=True)


def heic(path: Path, xmp: bytes) -> None:
    """A HEIC with an XMP packet."""
    import pillow_heif

    pillow_heif.from_pillow(Image.new("RGB", (64, 64), "red")).save(path, xmp=xmp)


class TestNewSidecar:
    def test_holds_the_score_and_leaves_the_photo_alone(self, core: Core, photo: Path) -> None:
        before = photo.read_bytes(), file_state(photo)
        sidecar = core.mark(photo, 0.9134)
        assert sidecar.name == "IMG_1.jpg.xmp"
        assert (photo.read_bytes(), file_state(photo)) == before
        tags = exiftool(sidecar)
        assert tags["XMP-keeprate:Score"] == 0.9134
        assert tags["XMP-keeprate:Rank"] == 0.91
        assert tags["XMP-keeprate:Head"] == "keep"
        assert tags["XMP-keeprate:Model"] == "keep#1 on builtin"
        assert tags["XMP-keeprate:Time"] == "2026:01:02 03:04:01Z"  # exiftool's way
        assert "XMP-xmp:Rating" not in tags

    def test_with_all_that_viewers_show(self, marking: Core, photo: Path) -> None:
        tags = exiftool(marking.mark(photo, 0.95))
        assert tags["XMP-xmp:Rating"] == 5
        assert tags["XMP-xmp:Label"] == "Green"
        assert tags["XMP-dc:Subject"] == ["Score 9"]
        assert tags["XMP-keeprate:WroteRating"] == 5

    def test_the_plan_changes_nothing(self, marking: Core, photo: Path) -> None:
        change = marking.plan_one(photo, 0.95)
        assert os.listdir(photo.parent) == [photo.name]
        assert change.before is None
        assert not change.touches_photo
        assert change.summary == "IMG_1.jpg.xmp: score 0.9500, 5 stars, label Green, keyword Score|9"

    def test_somebody_else_was_faster(self, core: Core, photo: Path) -> None:
        change = core.plan_one(photo, 0.9)
        change.path.write_bytes(packet())
        with pytest.raises(MarkRefusedError, match="meanwhile"):
            core.manager.apply(change)
        assert change.path.read_bytes() == packet()

    def test_every_copy_of_a_photo_gets_its_own(self, core: Core, tmp_path: Path) -> None:
        from dataclasses import replace

        paths = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
        for path in paths:
            path.write_bytes(jpeg())
        request = core.request({paths[0]: 0.5})
        request = replace(request, photos=[replace(request.photos[0], other_paths=(paths[1],))])
        planned = [outcome.path.name for outcome in core.manager.plan(request)]
        assert planned == ["a.jpg.xmp", "b.jpg.xmp"]

    def test_a_name_that_is_no_unicode(self, core: Core, tmp_path: Path) -> None:
        path = tmp_path / os.fsdecode(b"caf\xe9.jpg")
        path.write_bytes(jpeg())
        change = core.plan_one(path, 0.9)
        assert change.summary.startswith("caf\ufffd.jpg.xmp: ".encode().decode())
        core.with_settings(stars=True).mark(path, 0.9)

    def test_a_link_gets_its_sidecar_beside_itself(self, core: Core, tmp_path: Path) -> None:
        outside = tmp_path / "elsewhere"
        (tmp_path / "library").mkdir()
        outside.mkdir()
        (outside / "IMG.jpg").write_bytes(jpeg())
        link = tmp_path / "library" / "link.jpg"
        link.symlink_to(outside / "IMG.jpg")
        assert Core(tmp_path / "library").mark(link, 0.9) == tmp_path / "library" / "link.jpg.xmp"
        assert os.listdir(outside) == ["IMG.jpg"]

    @pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
    def test_does_not_copy_what_the_viewer_reads_from_the_photo(self, core: Core, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a.{suffix}"
        Image.new("RGB", (32, 32)).save(path, xmp=packet("<dc:title>mine</dc:title>"))
        assert b"mine" not in core.mark(path, 0.9).read_bytes()

    def test_copies_what_it_would_hide(self, marking: Core, tmp_path: Path) -> None:
        path = tmp_path / "a.heic"
        heic(path, packet("<dc:title>mine</dc:title>", attributes="xmp:Rating='2'", padding=500))
        sidecar = marking.mark(path, 0.9)
        text = sidecar.read_bytes()
        assert b" " * 100 not in text, "no padding in sidecars"
        assert exiftool(sidecar)["XMP-dc:Title"] == "mine"
        assert exiftool(sidecar)["XMP-xmp:Rating"] == 2
        assert fields_in(sidecar).wrote_rating is None
        assert fields_in(sidecar).wrote_label == "Green"

    def test_hides_nothing_that_it_cannot_read(self, core: Core, tmp_path: Path) -> None:
        path = tmp_path / "a.heic"
        heic(path, packet())
        path.write_bytes(path.read_bytes()[:300])
        assert "cannot be read" in core.skipped(path)


class TestExistingSidecar:
    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
    def test_is_kept_to_the_byte(self, marking: Core, photo: Path, line_end: bytes) -> None:
        sidecar = photo.with_name("IMG_1.jpg.xmp")
        before = packet("<dc:title>mine</dc:title>", padding=99).replace(b"\n", line_end)
        sidecar.write_bytes(before)
        assert marking.mark(photo, 0.95) == sidecar
        after = sidecar.read_bytes()
        start, end = after.index(b"<rdf:Description", after.index(b"mine")), after.index(b"</rdf:RDF>")
        assert after[:start] + after[end:] == before

    def test_its_permissions_and_attributes_stay(self, core: Core, photo: Path) -> None:
        sidecar = photo.with_name("IMG_1.jpg.xmp")
        sidecar.write_bytes(packet())
        sidecar.chmod(0o640)
        os.setxattr(sidecar, "user.note", b"mine")
        core.mark(photo, 0.9)
        assert sidecar.stat().st_mode & 0o7777 == 0o640
        assert os.getxattr(sidecar, "user.note") == b"mine"

    def test_of_darktable_is_left_alone_unless_asked(self, core: Core, photo: Path) -> None:
        sidecar = photo.with_name("IMG_1.jpg.xmp")
        sidecar.write_bytes(
            packet(
                "<darktable:history><rdf:Seq/></darktable:history>",
                attributes="xmlns:darktable='http://darktable.sf.net/'",
            )
        )
        assert "darktable" in core.skipped(photo)
        core.with_settings(skip_darktable=False).mark(photo, 0.9)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "well-formed"),
            (b"<!DOCTYPE x>" + packet(), "document type"),
            (packet().decode().encode("utf-16"), "UTF-16"),
            (packet()[:-150], "well-formed"),
            (b"{}", "well-formed"),
        ],
    )
    def test_that_is_not_understood_is_left_alone(self, core: Core, photo: Path, content: bytes, reason: str) -> None:
        sidecar = photo.with_name("IMG_1.jpg.xmp")
        sidecar.write_bytes(content)
        assert reason in core.skipped(photo)
        assert sidecar.read_bytes() == content

    def test_reasons_to_leave_it(self, core: Core, photo: Path, tmp_path: Path) -> None:
        sidecar = photo.with_name("IMG_1.jpg.xmp")
        sidecar.write_bytes(packet())
        assert "moment ago" in core.with_settings(minimum_age_s=60).skipped(photo)
        core.with_settings(minimum_age_s=0)
        sidecar.chmod(0o444)
        assert "write-protected" in core.skipped(photo)
        sidecar.chmod(0o644)
        os.link(sidecar, tmp_path / "other-name")
        assert "hard links" in core.skipped(photo)

    def test_that_is_a_link_is_edited_within_the_library_only(self, core: Core, tmp_path: Path) -> None:
        library, elsewhere = tmp_path / "library", tmp_path / "elsewhere"
        for folder in (library, elsewhere):
            folder.mkdir()
            (folder / "real.xmp").write_bytes(packet())
        photo = library / "a.jpg"
        photo.write_bytes(jpeg())
        link = library / "a.jpg.xmp"
        link.symlink_to(elsewhere / "real.xmp")
        assert "out of the library" in Core(library).skipped(photo)
        link.unlink()
        link.symlink_to("real.xmp")
        Core(library).mark(photo, 0.9)
        assert link.is_symlink()
        assert fields_in(library / "real.xmp").score == "0.9000"
        assert (elsewhere / "real.xmp").read_bytes() == packet()

    def test_that_changed_after_the_plan_is_left_alone(self, core: Core, photo: Path) -> None:
        sidecar = photo.with_name("IMG_1.jpg.xmp")
        sidecar.write_bytes(packet())
        change = core.plan_one(photo, 0.9)
        sidecar.write_bytes(packet("<dc:title>new</dc:title>"))
        with pytest.raises(MarkRefusedError, match="changed since"):
            core.manager.apply(change)
        assert sidecar.read_bytes() == packet("<dc:title>new</dc:title>")

    def test_one_bad_sidecar_does_not_stop_the_others(self, core: Core, tmp_path: Path) -> None:
        photos = {tmp_path / f"{number}.jpg": number / 10 for number in range(3)}
        for path in photos:
            path.write_bytes(jpeg())
        (tmp_path / "0.jpg.xmp").mkdir()
        (tmp_path / "1.jpg.xmp").write_bytes(b"broken")
        outcomes = list(core.manager.plan(core.request(photos)))
        assert [type(outcome).__name__ for outcome in outcomes] == ["Skipped", "Skipped", "Change"]


class TestMarkingAgain:
    def test_a_small_move_is_not_worth_a_write(self, marking: Core, photo: Path) -> None:
        marking.mark(photo, 0.95)
        assert marking.plan(photo, 0.951) == []
        assert marking.plan(photo, 0.955) == []
        assert len(marking.plan(photo, 0.97)) == 1

    def test_a_small_move_that_shows_is(self, marking: Core, photo: Path) -> None:
        sidecar = marking.mark(photo, 0.751)
        marking.mark(photo, 0.749)
        assert exiftool(sidecar)["XMP-xmp:Rating"] == 3

    def test_what_is_ours_follows_the_score(self, marking: Core, photo: Path) -> None:
        sidecar = marking.mark(photo, 0.95)
        marking.mark(photo, 0.3)
        tags = exiftool(sidecar)
        assert (tags["XMP-xmp:Rating"], tags["XMP-dc:Subject"]) == (2, ["Score 3"])
        assert "XMP-xmp:Label" not in tags
        assert sidecar.read_bytes().count(b"keeprate:score") == 1

    def test_a_channel_that_was_turned_off_is_cleared(self, marking: Core, photo: Path) -> None:
        sidecar = marking.mark(photo, 0.95)
        marking.with_settings(stars=False, keywords=False).mark(photo, 0.95)
        tags = exiftool(sidecar)
        assert "XMP-xmp:Rating" not in tags
        assert "XMP-dc:Subject" not in tags
        assert tags["XMP-xmp:Label"] == "Green"

    @pytest.mark.parametrize(
        ("options", "tag", "expected"),
        [
            (["-XMP-xmp:Rating=2"], "XMP-xmp:Rating", 2),
            (["-XMP-xmp:Rating="], "XMP-xmp:Rating", None),
            (["-XMP-xmp:Rating=-1"], "XMP-xmp:Rating", -1),
            (["-XMP-xmp:Label=Blue"], "XMP-xmp:Label", "Blue"),
            (["-XMP-xmp:Label="], "XMP-xmp:Label", None),
            (["-XMP-dc:Subject+=holiday"], "XMP-dc:Subject", ["Score 9", "holiday"]),
            (["-XMP-dc:Subject="], "XMP-dc:Subject", None),
        ],
    )
    def test_what_the_user_did_to_our_marks_stays(
        self, marking: Core, photo: Path, options: list[str], tag: str, expected: Any
    ) -> None:
        sidecar = marking.mark(photo, 0.95)
        change_with_exiftool(sidecar, *options)
        for score in (0.8, 0.3, 0.95):
            marking.mark(photo, score)
            assert exiftool(sidecar).get(tag) == expected

    def test_even_if_it_equals_ours_later_and_the_journal_is_lost(self, marking: Core, photo: Path) -> None:
        sidecar = marking.mark(photo, 0.95)
        change_with_exiftool(sidecar, "-XMP-xmp:Rating=3")
        marking.mark(photo, 0.8)
        change_with_exiftool(sidecar, "-XMP-xmp:Rating=5")
        marking.journal.clear()
        marking.mark(photo, 0.3)
        assert exiftool(sidecar)["XMP-xmp:Rating"] == 5

    def test_a_rewritten_sidecar_is_updated_by_property(self, marking: Core, photo: Path) -> None:
        sidecar = photo.with_name("IMG_1.jpg.xmp")
        sidecar.write_bytes(packet("<dc:title>mine</dc:title>"))
        marking.mark(photo, 0.95)
        with pyexiv2.ImageData(sidecar.read_bytes()) as image:  # merges our block into the one Description
            image.modify_xmp({"Xmp.dc.source": "a program"})
            rewritten = image.get_bytes()
        sidecar.write_bytes(rewritten)
        assert marking.plan(photo, 0.95) == []
        marking.mark(photo, 0.3)
        tags = exiftool(sidecar)
        assert (tags["XMP-keeprate:Score"], tags["XMP-xmp:Rating"]) == (0.3, 2)
        assert (tags["XMP-dc:Source"], tags["XMP-dc:Subject"]) == ("a program", ["Score 3"])

    def test_a_sidecar_that_the_user_removed_stays_away(self, core: Core, photo: Path) -> None:
        core.mark(photo, 0.9).unlink()
        assert "removed" in core.skipped(photo, 0.1)
        core.journal.clear()  # as `keeprate undo` does
        core.mark(photo, 0.1)

    def test_one_left_over_by_another_photo_of_that_name_is_ours_to_use(self, marking: Core, photo: Path) -> None:
        sidecar = marking.mark(photo, 0.95)
        photo.write_bytes(jpeg(colour=10))
        marking.mark(photo, 0.3)
        assert exiftool(sidecar)["XMP-xmp:Rating"] == 2


class TestTheUsersOwn:
    """What the user said anywhere is never contradicted."""

    @pytest.mark.parametrize(
        ("where", "channel"),
        [
            ("embedded rating", "XMP-xmp:Rating"),
            ("other sidecar", "XMP-xmp:Rating"),
            ("Exif rating", "XMP-xmp:Rating"),
            ("Exif percent", "XMP-xmp:Rating"),
            ("KDE rating", "XMP-xmp:Rating"),
            ("embedded label", "XMP-xmp:Label"),
            ("embedded keywords", "XMP-dc:Subject"),
            ("IPTC keywords", "XMP-dc:Subject"),
        ],
    )
    def test_is_found_wherever_it_is(self, marking: Core, photo: Path, where: str, channel: str) -> None:
        match where:
            case "embedded rating":
                photo.write_bytes(jpeg(packet(attributes="xmp:Rating='3'")))
            case "other sidecar":
                photo.with_name("IMG_1.xmp").write_bytes(packet(attributes="xmp:Rating='3'"))
            case "Exif rating":
                change_with_exiftool(photo, "-IFD0:Rating=4")
            case "Exif percent":
                change_with_exiftool(photo, "-IFD0:RatingPercent=75")
            case "KDE rating":
                os.setxattr(photo, "user.baloo.rating", b"6")
            case "embedded label":
                photo.write_bytes(jpeg(packet(attributes="xmp:Label='Blue'")))
            case "embedded keywords":
                photo.write_bytes(jpeg(packet("<dc:subject><rdf:Bag><rdf:li>a</rdf:li></rdf:Bag></dc:subject>")))
            case "IPTC keywords":
                change_with_exiftool(photo, "-IPTC:Keywords=holiday")
        tags = exiftool(marking.mark(photo, 0.95))
        assert channel not in tags
        shown = {"XMP-xmp:Rating", "XMP-xmp:Label", "XMP-dc:Subject"} & tags.keys()
        assert len(shown) == 2, "the other channels are free"

    @pytest.mark.parametrize("where", ["embedded rating", "KDE rating"])
    def test_a_zero_is_nobodys(self, marking: Core, photo: Path, where: str) -> None:
        if where == "KDE rating":
            os.setxattr(photo, "user.baloo.rating", b"0")
        else:
            photo.write_bytes(jpeg(packet(attributes="xmp:Rating='0'")))
        assert exiftool(marking.mark(photo, 0.95))["XMP-xmp:Rating"] == 5

    def test_in_doubt_nothing_is_shown(self, marking: Core, photo: Path) -> None:
        photo.with_name("IMG_1.xmp").write_bytes(b"broken")
        tags = exiftool(marking.mark(photo, 0.95))
        assert "XMP-xmp:Rating" not in tags
        assert tags["XMP-keeprate:Score"] == 0.95


class TestUndo:
    def test_a_new_sidecar_goes(self, marking: Core, photo: Path) -> None:
        marking.mark(photo, 0.95)
        assert marking.manager.standing(marking.entry(photo)) == marking.journal[-1].after
        assert marking.undo(photo) is UndoOutcome.RESTORED
        assert os.listdir(photo.parent) == [photo.name]
        assert marking.manager.standing(marking.entry(photo)) is None

    def test_what_cannot_be_read_is_not_taken_for_nothing(self, marking: Core, photo: Path) -> None:
        with marking.mark(photo, 0.95).open("ab") as sidecar:
            sidecar.truncate(MAXIMUM_BYTES + 1)
        with pytest.raises(OSError, match="larger"):
            marking.manager.standing(marking.entry(photo))

    def test_an_old_one_is_as_before(self, marking: Core, photo: Path) -> None:
        sidecar = photo.with_name("IMG_1.jpg.xmp")
        sidecar.write_bytes(packet(attributes="xmp:Rating='0'"))
        marking.mark(photo, 0.95)
        assert marking.undo(photo) is UndoOutcome.RESTORED
        assert sidecar.read_bytes() == packet(attributes="xmp:Rating='0'")

    def test_if_others_changed_it_only_ours_goes(self, marking: Core, photo: Path) -> None:
        sidecar = photo.with_name("IMG_1.jpg.xmp")
        before = packet(attributes="xmp:Rating='0'")
        sidecar.write_bytes(before)
        marking.mark(photo, 0.95)
        sidecar.write_bytes(sidecar.read_bytes().replace(b"a comment", b"another comment"))
        assert marking.undo(photo) is UndoOutcome.REMOVED_OURS
        assert sidecar.read_bytes() == before.replace(b"a comment", b"another comment")

    def test_a_sidecar_of_ours_that_others_rewrote_goes_if_nothing_is_left(self, marking: Core, photo: Path) -> None:
        sidecar = marking.mark(photo, 0.95)
        change_with_exiftool(sidecar, "-XMP-xmp:Label=")
        assert marking.undo(photo) is UndoOutcome.REMOVED_OURS
        assert not sidecar.exists()

    def test_one_with_something_of_the_users_stays(self, marking: Core, photo: Path) -> None:
        sidecar = marking.mark(photo, 0.95)
        change_with_exiftool(sidecar, "-XMP-dc:Title=mine", "-XMP-xmp:Rating=1")
        assert marking.undo(photo) is UndoOutcome.REMOVED_OURS
        tags = exiftool(sidecar)
        assert {name for name in tags if name.startswith("XMP-")} == {
            "XMP-x:XMPToolkit",
            "XMP-dc:Title",
            "XMP-xmp:Rating",
        }

    def test_it_is_found_after_a_rename(self, marking: Core, photo: Path, tmp_path: Path) -> None:
        sidecar = marking.mark(photo, 0.95)
        (tmp_path / "keep").mkdir()
        renamed = photo.rename(tmp_path / "keep" / "best.jpg")
        sidecar.rename(tmp_path / "keep" / "best.jpg.xmp")
        assert marking.undo(renamed) is UndoOutcome.RESTORED
        assert os.listdir(tmp_path / "keep") == ["best.jpg"]

    def test_nothing_of_ours_and_nothing_at_all(self, marking: Core, photo: Path) -> None:
        sidecar = marking.mark(photo, 0.95)
        sidecar.write_bytes(packet())
        assert marking.undo(photo) is UndoOutcome.NOT_OURS
        assert sidecar.read_bytes() == packet()
        sidecar.unlink()
        assert marking.undo(photo) is UndoOutcome.GONE

    def test_a_broken_sidecar_is_refused(self, marking: Core, photo: Path) -> None:
        sidecar = marking.mark(photo, 0.95)
        sidecar.write_bytes(b"broken")
        with pytest.raises(MarkRefusedError):
            marking.undo(photo)
        assert sidecar.read_bytes() == b"broken"

    def test_all_of_several_in_turn(self, marking: Core, photo: Path) -> None:
        sidecar = photo.with_name("IMG_1.jpg.xmp")
        sidecar.write_bytes(packet())
        for score in (0.95, 0.3, 0.6):
            marking.mark(photo, score)
        while marking.journal:
            assert marking.undo(photo) is UndoOutcome.RESTORED
            marking.journal.pop()
        assert sidecar.read_bytes() == packet()

    def test_the_first_of_several_alone(self, marking: Core, photo: Path) -> None:
        marking.mark(photo, 0.95)
        marking.mark(photo, 0.3)
        marking.journal.pop()
        assert marking.undo(photo) is UndoOutcome.REMOVED_OURS
        assert os.listdir(photo.parent) == [photo.name]
