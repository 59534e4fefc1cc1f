"""Tests of reading the user's marks back: real files, written by exiftool or as the programs write them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from keeprate.pictures.content_key import content_key
from keeprate.plugin_api import LibraryPlace, MarkRefusedError, PhotoFile, UserMarks
from keeprate_xmp import XmpManager, XmpSettings
from support.xmp import EVERYTHING, Core, exiftool, jpeg, packet

NAMESPACES = (
    'xmlns:acdsee="http://ns.acdsee.com/iptc/1.0/" xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/" '
    'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:digiKam="http://www.digikam.org/ns/1.0/" '
    'xmlns:lr="http://ns.adobe.com/lightroom/1.0/" xmlns:darktable="http://darktable.sf.net/" '
    'xmlns:xmpDM="http://ns.adobe.com/xmp/1.0/DynamicMedia/" xmlns:acdsee-not="urn:x" '
)


def read(path: Path) -> UserMarks:
    """As somebody reads who has never written anything."""
    manager = XmpManager(LibraryPlace("test", path.parent), XmpSettings())
    return manager.read_marks(PhotoFile(path, "unused"), lambda _path, _field: None)


def listed(name: str, *items: str) -> str:
    return f"<{name}><rdf:Bag>{''.join(f'<rdf:li>{item}</rdf:li>' for item in items)}</rdf:Bag></{name}>"


def photo(folder: Path, *, embedded: bytes | None = None, name: str = "IMG_1.jpg") -> Path:
    path = folder / name
    path.write_bytes(jpeg(embedded))
    return path


def said(attributes: str, inside: str = "") -> bytes:
    return packet(inside, attributes=NAMESPACES + attributes)


@pytest.mark.parametrize(
    ("attributes", "inside", "expected"),
    [
        ("", "", UserMarks()),
        ("xmp:Rating='0'", "", UserMarks()),
        ("xmp:Rating='3'", "", UserMarks(rating=3)),
        ("xmp:Rating='-1'", "", UserMarks(rating=-1)),
        ("xmp:Rating='4.0'", "", UserMarks(rating=4)),
        ("xmp:Rating='-2'", "", UserMarks()),
        ("xmp:Rating='lots'", "", UserMarks()),
        ("xmp:Rating='nan' acdsee:rating='2'", "", UserMarks(rating=2)),
        ("xmp:Rating='0' acdsee:rating='2' MicrosoftPhoto:Rating='99'", "", UserMarks(rating=2)),
        ("xmp:Rating='5' acdsee:rating='2'", "", UserMarks(rating=5)),
        *[
            (f"MicrosoftPhoto:Rating='{percent}'", "", UserMarks(rating=stars))
            for percent, stars in ((0, None), (1, 1), (25, 2), (50, 3), (75, 4), (99, 5))
        ],
        ("photoshop:Urgency='1'", "", UserMarks()),
        ("xmp:Label='Blue'", "", UserMarks(colour="Blue")),
        ("xmp:Label=' '", "", UserMarks()),
        ("xmp:Label='Zweite Wahl'", "", UserMarks(colour="Zweite Wahl")),
        ("xmp:Label='Blue' digiKam:ColorLabel='1'", "", UserMarks(colour="Red")),
        ("xmp:Label='Blue' digiKam:ColorLabel='0'", "", UserMarks(colour="Blue")),
        ("xmp:Label='Blue'", listed("darktable:colorlabels", "2"), UserMarks(colour="Green")),
        ("", listed("darktable:colorlabels", "2", "0"), UserMarks(colour="Green, Red")),
        ("digiKam:PickLabel='1'", "", UserMarks(pick="rejected")),
        ("digiKam:PickLabel='3'", "", UserMarks(pick="accepted")),
        ("digiKam:PickLabel='0'", "", UserMarks()),
        ("xmpDM:pick='-1'", "", UserMarks(pick="rejected")),
        ("", listed("dc:subject", "b", "a", "a"), UserMarks(keywords=("a", "b"))),
        ("", listed("digiKam:TagsList", "Who/Anna"), UserMarks(keywords=("Who|Anna",))),
        (
            "",
            listed("lr:hierarchicalSubject", "Who|Anna") + listed("dc:subject", "Anna"),
            UserMarks(keywords=("Anna", "Who|Anna")),
        ),
    ],
)
def test_what_a_packet_says_in_the_photo_and_beside_it(
    tmp_path: Path, attributes: str, inside: str, expected: UserMarks
) -> None:
    assert read(photo(tmp_path, embedded=said(attributes, inside))) == expected
    beside = photo(tmp_path, name="IMG_2.jpg")
    (tmp_path / "IMG_2.jpg.xmp").write_bytes(said(attributes, inside))
    assert read(beside) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-IFD0:Rating=4"], UserMarks(rating=4)),
        (["-IFD0:RatingPercent=75"], UserMarks(rating=4)),
        (["-IFD0:Rating=2", "-IFD0:RatingPercent=99"], UserMarks(rating=2)),
        (["-IFD0:Rating=2", "-XMP-xmp:Rating=5"], UserMarks(rating=5)),
        (["-IPTC:Urgency=1"], UserMarks()),
        (["-IPTC:Keywords=Füße", "-IFD0:XPKeywords=Ähren;zwei"], UserMarks(keywords=("Füße", "zwei", "Ähren"))),
        (
            ["-XMP-digiKam:PickLabel=1", "-XMP-digiKam:ColorLabel=4", "-XMP-xmp:Rating=-1"],
            UserMarks(rating=-1, colour="Green", pick="rejected"),
        ),
    ],
)
def test_what_exiftool_writes(tmp_path: Path, options: list[str], expected: UserMarks) -> None:
    path = photo(tmp_path)
    exiftool(path)  # skips where there is none
    subprocess.run(["exiftool", "-q", "-overwrite_original", *options, path], check=True)
    assert read(path) == expected


class TestPlaces:
    def test_a_sidecar_goes_before_the_photo(self, tmp_path: Path) -> None:
        path = photo(tmp_path, embedded=said("digiKam:PickLabel='1' xmp:Label='Red'"))
        (tmp_path / "IMG_1.xmp").write_bytes(said("digiKam:PickLabel='3'"))
        assert read(path) == UserMarks(pick="accepted", colour="Red")
        (tmp_path / "IMG_1.jpg.xmp").write_bytes(said("digiKam:PickLabel='2'"))
        assert read(path) == UserMarks(pick="pending", colour="Red")

    @pytest.mark.parametrize(("beside", "refused"), [("2", False), ("5", True), ("-1", True)])
    def test_stars_that_contradict_each_other_are_refused(self, tmp_path: Path, beside: str, refused: bool) -> None:
        path = photo(tmp_path, embedded=said("xmp:Rating='2'"))
        (tmp_path / "IMG_1.xmp").write_bytes(said(f"xmp:Rating='{beside}'"))
        if not refused:
            assert read(path) == UserMarks(rating=2)
            return
        with pytest.raises(MarkRefusedError, match=r"in IMG_1\.xmp, but 2 stars in the photo itself"):
            read(path)

    def test_keywords_of_all_places_count(self, tmp_path: Path) -> None:
        path = photo(tmp_path, embedded=said("", listed("dc:subject", "Oma", "sea")))
        (tmp_path / "IMG_1.jpg.xmp").write_bytes(said("", listed("dc:subject", "Best", "sea")))
        assert read(path) == UserMarks(keywords=("Best", "Oma", "sea"))

    def test_stars_taken_away_in_a_sidecar_stay_away(self, tmp_path: Path) -> None:
        path = photo(tmp_path, embedded=said("xmp:Rating='2'"))
        (tmp_path / "IMG_1.jpg.xmp").write_bytes(said("xmp:Rating='0'"))
        assert read(path) == UserMarks()

    @pytest.mark.parametrize("raw", ["IMG_1.CR3", "IMG_1.nef", "IMG_1.Cr2"])
    def test_the_stem_s_sidecar_is_that_of_the_raw(self, tmp_path: Path, raw: str) -> None:
        path = photo(tmp_path)
        (tmp_path / "IMG_1.XMP").write_bytes(said("xmp:Rating='3'"))
        assert read(path).rating == 3
        (tmp_path / raw).write_bytes(b"a format that nobody knows")
        assert read(path) == UserMarks()
        assert read(tmp_path / raw) == UserMarks(rating=3)

    def test_names_alone_tell_where_to_look(self, tmp_path: Path) -> None:
        manager = XmpManager(LibraryPlace("test", tmp_path), XmpSettings())
        jpg, raw = tmp_path / "A.JPG", tmp_path / "A.CR3"
        names = {"A.JPG", "A.JPG.xmp", "A.XMP", "B.xmp", "A.JPG.txt"}
        assert manager.mark_places(jpg, names) == (tmp_path / "A.JPG.xmp", tmp_path / "A.XMP")
        assert manager.mark_places(jpg, names | {"A.CR3"}) == (tmp_path / "A.JPG.xmp",)
        assert manager.mark_places(jpg, names | {"A.Cr2"}) == (tmp_path / "A.JPG.xmp",)
        assert manager.mark_places(jpg, {"A.JPG.Xmp", "A.JPG.XMP"}) == (tmp_path / "A.JPG.XMP", tmp_path / "A.JPG.Xmp")
        assert manager.mark_places(raw, names | {"A.CR3"}) == (tmp_path / "A.XMP",)


class TestOurs:
    def test_nothing_of_ours_is_read(self, tmp_path: Path) -> None:
        for mode in ("sidecar", "embed"):
            core = Core(tmp_path, replace(EVERYTHING, mode=mode))
            path = photo(tmp_path, name=f"{mode}.jpg")
            core.mark(path, 0.95)
            assert core.read(path) == UserMarks()
            assert read(path) == UserMarks()  # by the block alone, as after a rename

    @pytest.mark.parametrize(
        ("old", "new", "expected"),
        [
            (b'xmp:Rating="5"', b'xmp:Rating="2"', UserMarks(rating=2)),
            (b'xmp:Rating="5"', b'xmp:Rating="-1"', UserMarks(rating=-1)),
            (b'xmp:Rating="5"', b"", UserMarks()),
            (b'xmp:Label="Green"', b'xmp:Label="Red"', UserMarks(colour="Red")),
            (
                b"<rdf:li>Score 9</rdf:li>",
                b"<rdf:li>Score 9</rdf:li><rdf:li>Oma</rdf:li>",
                UserMarks(keywords=("Oma",)),
            ),
        ],
    )
    def test_what_the_user_made_of_it(self, tmp_path: Path, old: bytes, new: bytes, expected: UserMarks) -> None:
        core = Core(tmp_path, EVERYTHING)
        path = photo(tmp_path)
        sidecar = core.mark(path, 0.95)
        assert old in sidecar.read_bytes()
        sidecar.write_bytes(sidecar.read_bytes().replace(old, new))
        assert core.read(path) == expected
        core.mark(path, 0.05)  # notes that it is the user's
        assert core.read(path) == expected

    def test_a_viewer_that_carries_our_stars_on_says_nothing(self, tmp_path: Path) -> None:
        core = Core(tmp_path, EVERYTHING)
        path = photo(tmp_path)
        exiftool(path)
        core.mark(path, 0.95)
        subprocess.run(["exiftool", "-q", "-overwrite_original", "-IFD0:Rating=5", path], check=True)
        assert core.read(path) == UserMarks()
        subprocess.run(["exiftool", "-q", "-overwrite_original", "-IFD0:Rating=1", path], check=True)
        assert core.read(path) == UserMarks(rating=1)

    def test_an_export_tells_of_which_picture_it_was_made(self, tmp_path: Path) -> None:
        core = Core(tmp_path, replace(EVERYTHING, mode="embed"))
        original = core.mark(photo(tmp_path), 0.95)
        export = tmp_path / "export.jpg"
        with Image.open(original) as picture:
            packet_of_it = picture.info["xmp"].replace(b'xmp:Rating="5"', b'xmp:Rating="1"')
        export.write_bytes(jpeg(packet_of_it, colour=30))
        assert core.read(export) == UserMarks(rating=1, of_keys=(content_key(original),))
        export.write_bytes(jpeg(packet_of_it.replace(b'xmp:Rating="1"', b""), colour=30))
        assert core.read(export) == UserMarks()  # nothing is said

    def test_a_tag_that_shotwell_makes_of_our_label(self, tmp_path: Path) -> None:
        core = Core(tmp_path, EVERYTHING)
        path = photo(tmp_path, embedded=said("", listed("dc:subject", "Green", "Oma")))
        (tmp_path / "IMG_1.jpg.xmp").write_bytes(packet())
        assert core.read(path).keywords == ("Green", "Oma")
        core.mark(path, 0.95)
        assert core.read(path).keywords == ("Oma",)

    def test_a_program_with_a_database_that_drops_our_block(self, tmp_path: Path) -> None:
        core = Core(tmp_path, EVERYTHING)
        path = photo(tmp_path)
        sidecar = core.mark(path, 0.95)
        tags = listed("dc:subject", "9") + listed("digiKam:TagsList", "Score/9", "Score")
        sidecar.write_bytes(said("xmp:Rating='5' xmp:Label='Green' digiKam:ColorLabel='4'", tags))
        assert core.read(path) == UserMarks()
        sidecar.write_bytes(said("xmp:Rating='4'", listed("dc:subject", "9", "Oma")))
        assert core.read(path) == UserMarks(rating=4, keywords=("Oma",))


class TestBadFiles:
    @pytest.mark.parametrize(
        "bad",
        [
            b"<x:xmpmeta",
            packet().replace(b"<x:xmpmeta", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x:xmpmeta"),
            packet().decode().encode("utf-16"),
            packet("<a:b xmlns:a='urn:a'>" * 100_000),
        ],
        ids=["malformed", "entities", "UTF-16", "deep"],
    )
    def test_a_packet_that_cannot_be_understood_is_refused(self, tmp_path: Path, bad: bytes) -> None:
        path = photo(tmp_path)
        (tmp_path / "IMG_1.jpg.xmp").write_bytes(bad)
        with pytest.raises(MarkRefusedError, match=r"IMG_1\.jpg\.xmp"):
            read(path)
        if len(bad) < 65_000:
            with pytest.raises(MarkRefusedError, match="cannot be read"):
                read(photo(tmp_path, embedded=bad, name="IMG_2.jpg"))

    def test_a_sidecar_that_speaks_makes_the_photo_s_own_needless(self, tmp_path: Path) -> None:
        path = photo(tmp_path, embedded=b"<x:xmpmeta")
        (tmp_path / "IMG_1.jpg.xmp").write_bytes(said("xmp:Rating='4'"))
        assert read(path) == UserMarks(rating=4)

    def test_formats_that_exiv2_does_not_know_say_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "IMG_1.x3f"
        path.write_bytes(b"?" * 100)
        assert read(path) == UserMarks()
        (tmp_path / "IMG_1.xmp").write_bytes(said("xmp:Rating='4'"))
        assert read(path) == UserMarks(rating=4)

    def test_a_photo_that_is_gone(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "IMG_1.jpg")

    @pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
    def test_other_formats(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"IMG_1.{suffix}"
        Image.new("RGB", (32, 32), "red").save(path)
        exiftool(path)
        subprocess.run(["exiftool", "-q", "-overwrite_original", "-XMP-xmp:Rating=4", path], check=True)
        assert read(path) == UserMarks(rating=4)
