"""Tests of marks on photos that are more than one file, and on the best of many that are nearly the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from keeprate.plugin_api import (
    BurstKind,
    BurstPlace,
    Change,
    Channel,
    JournalEntry,
    PhotoFile,
    ScoredPhoto,
    Shown,
    Skipped,
    UndoOutcome,
)
from keeprate_xmp.marking import fields_of
from support.xmp import EVERYTHING, Core, exiftool, jpeg, packet

RAW_KEY = "file1-of-the-raw"
EVERY_SHOWN = (
    Shown(Channel.RATING, "5"),
    Shown(Channel.COLOUR, "Green"),
    Shown(Channel.KEYWORD, "Green"),
    Shown(Channel.KEYWORD, "Score 9"),
    Shown(Channel.KEYWORD, "Score|9"),
)


def planned(core: Core, photo: ScoredPhoto) -> list[Change | Skipped]:
    return list(core.manager.plan(replace(core.request({}), photos=[photo])))


def written(core: Core, photo: ScoredPhoto) -> list[Path]:
    places = []
    for change in planned(core, photo):
        assert isinstance(change, Change), change
        core.manager.apply(change)
        core.journal.append(change)
        places.append(change.path)
    return places


def scored(core: Core, path: Path, score: float = 0.95) -> ScoredPhoto:
    (photo,) = core.request({path: score}).photos
    return photo


class TestPairs:
    @pytest.fixture
    def core(self, tmp_path: Path) -> Core:
        (tmp_path / "IMG_1.JPG").write_bytes(jpeg())
        Image.new("RGB", (32, 32), "red").save(tmp_path / "IMG_1.NEF", "TIFF")
        return Core(tmp_path, EVERYTHING)

    @pytest.fixture
    def pair(self, core: Core) -> ScoredPhoto:
        raw = PhotoFile(core.root / "IMG_1.NEF", RAW_KEY)
        return replace(scored(core, core.root / "IMG_1.JPG"), companions=(raw,))

    @pytest.mark.parametrize(
        ("mode", "adobe", "expected"),
        [
            ("sidecar", False, ["IMG_1.JPG.xmp", "IMG_1.NEF.xmp"]),
            ("sidecar", True, ["IMG_1.JPG.xmp", "IMG_1.xmp"]),
            ("embed", True, ["IMG_1.JPG", "IMG_1.xmp"]),
        ],
    )
    def test_both_are_marked_alike_and_once(
        self, core: Core, pair: ScoredPhoto, mode: str, adobe: bool, expected: list[str]
    ) -> None:
        core.with_settings(mode=mode, sidecar_name="adobe" if adobe else "extension")
        places = written(core, pair)
        assert [place.name for place in places] == expected
        for place in places:
            tags = exiftool(place)
            assert (tags["XMP-xmp:Rating"], tags["XMP-dc:Subject"]) == (5, ["Score 9"])
        assert [change.content_key for change in core.journal] == [pair.content_key, RAW_KEY]
        assert planned(core, pair) == []
        for change in reversed(core.journal):
            entry = JournalEntry(change.path, change.field, change.before, change.after, (change.path,))
            assert core.manager.undo(entry) is UndoOutcome.RESTORED
        assert sorted(path.name for path in core.root.iterdir()) == ["IMG_1.JPG", "IMG_1.NEF"]

    def test_an_existing_sidecar_of_the_raw_is_not_the_jpeg_s(self, core: Core, pair: ScoredPhoto) -> None:
        (core.root / "IMG_1.xmp").write_bytes(packet(attributes="xmp:Rating='0'"))
        assert [place.name for place in written(core, pair)] == ["IMG_1.JPG.xmp", "IMG_1.xmp"]

    def test_stars_that_the_user_gave_the_raw_keep_ours_off_both(self, core: Core, pair: ScoredPhoto) -> None:
        (core.root / "IMG_1.xmp").write_bytes(packet(attributes="xmp:Rating='2'"))
        for place in written(core, replace(pair, said=(Shown(Channel.RATING, "2"),))):
            fields = fields_of(place.read_bytes())
            assert fields is not None
            assert fields.wrote_rating is None
            assert fields.wrote_label == "Green"

    def test_a_word_said_elsewhere_later_takes_ours_away(self, core: Core, pair: ScoredPhoto) -> None:
        places = written(core, pair)
        contradicted = replace(pair, said=(Shown(Channel.RATING, "2"),))
        assert written(core, contradicted) == places
        for place in places:
            tags = exiftool(place)
            assert "XMP-xmp:Rating" not in tags
            assert "XMP-microsoft:RatingPercent" not in tags
            assert tags["XMP-dc:Subject"] == ["Score 9"]
        assert planned(core, contradicted) == planned(core, pair) == []  # nor does it come back


def test_a_change_tells_what_viewers_will_show(tmp_path: Path) -> None:
    path = tmp_path / "IMG_1.jpg"
    path.write_bytes(jpeg())
    for mode in ("embed", "sidecar"):
        core = Core(tmp_path, replace(EVERYTHING, mode=mode))
        assert core.plan_one(path, 0.95).shows == EVERY_SHOWN
    assert Core(tmp_path).plan_one(path, 0.95).shows == ()


class TestBestOfBurst:
    @pytest.fixture
    def core(self, tmp_path: Path) -> Core:
        (tmp_path / "IMG_1.jpg").write_bytes(jpeg())
        return Core(tmp_path, replace(EVERYTHING, best_of_burst=True))

    def place(self, core: Core, kind: BurstKind, position: int) -> ScoredPhoto:
        return replace(scored(core, core.root / "IMG_1.jpg"), burst=BurstPlace("b", kind, position, 3))

    def test_it_stands_beside_the_score(self, core: Core) -> None:
        (sidecar,) = written(core, self.place(core, BurstKind.BURST, 1))
        tags = exiftool(sidecar)
        assert tags["XMP-dc:Subject"] == ["Score 9", "Best of burst"]
        assert tags["XMP-lr:HierarchicalSubject"] == ["Score|9", "Best of burst"]
        assert tags["XMP-digiKam:TagsList"] == ["Score/9", "Best of burst"]
        assert tags["XMP-keeprate:WroteKeywords"] == "Score|9;Best of burst"
        assert Shown(Channel.KEYWORD, "Best of burst") in core.journal[0].shows
        assert core.read(core.root / "IMG_1.jpg").keywords == ()

    def test_it_goes_when_another_is_better(self, core: Core) -> None:
        written(core, self.place(core, BurstKind.DUPLICATES, 1))
        assert planned(core, self.place(core, BurstKind.DUPLICATES, 1)) == []
        (sidecar,) = written(core, self.place(core, BurstKind.DUPLICATES, 2))
        assert exiftool(sidecar)["XMP-dc:Subject"] == ["Score 9"]

    def test_alone(self, core: Core) -> None:
        core.with_settings(keywords=False, best_of_burst_keyword="Best; really")
        (sidecar,) = written(core, self.place(core, BurstKind.BURST, 1))
        assert exiftool(sidecar)["XMP-dc:Subject"] == ["Best, really"]
        (sidecar,) = written(core, self.place(core, BurstKind.BURST, 2))
        assert "XMP-dc:Subject" not in exiftool(sidecar)

    @pytest.mark.parametrize("kind", [BurstKind.BRACKET, BurstKind.PANORAMA])
    def test_not_where_all_are_needed(self, core: Core, kind: BurstKind) -> None:
        (sidecar,) = written(core, self.place(core, kind, 1))
        assert exiftool(sidecar)["XMP-dc:Subject"] == ["Score 9"]

    def test_not_beside_keywords_of_the_user_s(self, core: Core) -> None:
        sidecar = core.root / "IMG_1.jpg.xmp"
        sidecar.write_bytes(packet("<dc:subject><rdf:Bag><rdf:li>Oma</rdf:li></rdf:Bag></dc:subject>"))
        written(core, self.place(core, BurstKind.BURST, 1))
        assert exiftool(sidecar)["XMP-dc:Subject"] == ["Oma"]

    def test_a_list_in_another_order_is_still_ours(self, core: Core) -> None:
        (sidecar,) = written(core, self.place(core, BurstKind.BURST, 1))
        swapped = b"<rdf:li>Best of burst</rdf:li><rdf:li>Score 9</rdf:li>"
        sidecar.write_bytes(
            sidecar.read_bytes().replace(b"<rdf:li>Score 9</rdf:li><rdf:li>Best of burst</rdf:li>", swapped)
        )
        assert swapped in sidecar.read_bytes()
        written(core, self.place(core, BurstKind.BURST, 3))
        assert exiftool(sidecar)["XMP-dc:Subject"] == ["Score 9"]
