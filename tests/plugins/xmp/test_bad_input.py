"""Files, folders and disks that are in no good state: each is refused with a reason, and stays as it was."""

from __future__ import annotations

import io
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from keeprate.plugin_api import Change, MarkRefusedError, Skipped, UndoOutcome
from keeprate_xmp.jpeg import XMP_SIGNATURE, read_layout, read_packet
from support.system import NOBODY, mounted_tmpfs
from support.xmp import EVERYTHING, Core, exiftool, jpeg, packet

MODES = ("sidecar", "embed")
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "IMG_1.jpg"
    path.write_bytes(jpeg())
    return path


@pytest.fixture(params=MODES)
def core(request: pytest.FixtureRequest, tmp_path: Path) -> Core:
    return Core(tmp_path, replace(EVERYTHING, mode=request.param))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def segment(payload: bytes) -> bytes:
    return b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload


@contextmanager
def mounted_read_only(folder: Path) -> Iterator[None]:
    for options in (("--bind", folder, folder), ("-o", "remount,bind,ro", folder)):
        if subprocess.run(["mount", *options], check=False, capture_output=True).returncode != 0:
            pytest.skip("needs the right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=False, capture_output=True)


class TestPlacesThatAreClosed:
    def test_a_read_only_mount_is_told_once(self, core: Core, photo: Path) -> None:
        for number in range(3):
            (core.root / f"other_{number}.jpg").write_bytes(jpeg(colour=number))
        request = core.request(dict.fromkeys(core.root.iterdir(), 0.9))
        before = contents(core.root)
        with mounted_read_only(core.root):
            (skipped,) = core.manager.plan(request)
            assert skipped == Skipped(core.root, "it lies on a file system that is mounted read-only")
        assert contents(core.root) == before
        assert len(list(core.manager.plan(request))) == 4

    def test_one_that_became_read_only_after_the_plan(self, core: Core, photo: Path) -> None:
        change = core.plan_one(photo, 0.9)
        before = contents(core.root)
        with mounted_read_only(core.root), pytest.raises(OSError, match="Read-only"):
            core.manager.apply(change)
        assert contents(core.root) == before

    def test_a_folder_that_is_closed_to_us_is_told_once(
        self, core: Core, photo: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed, names = core.root / "closed", ("a.jpg", "b.jpg", "c.jpg")
        closed.mkdir()
        for number, name in enumerate(names):
            (closed / name).write_bytes(jpeg(colour=number))
        real = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: path != closed and real(path, mode))
        outcomes = list(core.manager.plan(core.request({**{closed / name: 0.9 for name in names}, photo: 0.5})))
        assert [type(outcome) for outcome in outcomes] == [Skipped, Change]
        assert outcomes[0] == Skipped(closed, "keeprate may not write into this folder")

    def test_files_of_another_user(self, core: Core, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        place = core.mark(photo, 0.9)
        before = place.read_bytes()
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert "another user" in core.skipped(photo, 0.1)
        with pytest.raises(MarkRefusedError, match="another user"):
            core.undo(photo)
        assert place.read_bytes() == before

    def test_root_leaves_files_to_their_owners(self, core: Core, photo: Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("needs root")
        place = core.mark(photo, 0.9)
        os.chown(place, NOBODY, NOBODY)
        core.mark(photo, 0.1)
        assert (place.stat().st_uid, place.stat().st_gid) == (NOBODY, NOBODY)

    def test_a_full_disk(self, tmp_path: Path, core: Core) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        with mounted_tmpfs(disk, size="64k"):
            path = disk / "IMG_1.jpg"
            path.write_bytes(jpeg(packet("<dc:rights>" + "x" * 10_000 + "</dc:rights>")))
            change = core.plan_one(path, 0.9)
            filler = disk / "filler"
            subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], check=False, capture_output=True)
            before = contents(disk)
            with pytest.raises(OSError, match="No space"):
                core.manager.apply(change)
            assert contents(disk) == before
            filler.unlink()
            core.manager.apply(change)


class TestPackets:
    def test_two_packets_in_a_jpeg(self, core: Core, photo: Path) -> None:
        data = jpeg(packet(attributes="xmp:Rating='2'"))
        photo.write_bytes(data[:2] + segment(XMP_SIGNATURE + packet()) + data[2:])
        if core.settings.mode == "embed":
            assert "two XMP packets" in core.skipped(photo)
        else:
            assert "XMP-xmp:Rating" not in exiftool(core.mark(photo, 0.9))  # whose are the stars? Nobody can tell
        with pytest.raises(MarkRefusedError, match="two XMP packets"):
            core.read(photo)

    def test_extended_xmp_stays_as_it_is(self, tmp_path: Path, photo: Path) -> None:
        core = Core(tmp_path, replace(EVERYTHING, mode="embed"))
        guid = b"0123456789ABCDEF0123456789ABCDEF"
        more = b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>'
        extension = segment(EXTENSION + guid + len(more).to_bytes(4, "big") + bytes(4) + more)
        note = f"xmlns:xmpNote='http://ns.adobe.com/xmp/note/' xmpNote:HasExtendedXMP='{guid.decode()}'"
        data = jpeg(packet(attributes=note))
        end = next(one.end for one in read_layout(io.BytesIO(data)).segments if one.signature == XMP_SIGNATURE)
        photo.write_bytes(data[:end] + extension + data[end:])
        before = photo.read_bytes()
        core.mark(photo, 0.95)
        assert extension in photo.read_bytes()
        assert b"xmpNote:HasExtendedXMP='" + guid in photo.read_bytes()
        assert exiftool(photo)["XMP-xmp:Rating"] == 5
        assert core.undo(photo) is UndoOutcome.RESTORED
        assert photo.read_bytes() == before

    @pytest.mark.parametrize("size", [60_000, 65_000])
    def test_packets_near_the_limit_of_a_segment(self, tmp_path: Path, photo: Path, size: int) -> None:
        core = Core(tmp_path, replace(EVERYTHING, mode="embed"))
        base = len(packet("<dc:rights></dc:rights>"))
        photo.write_bytes(jpeg(packet(f"<dc:rights>{'x' * (size - base)}</dc:rights>")))
        before = photo.read_bytes()
        if size == 65_000:
            assert "longer than" in core.skipped(photo)
        else:
            core.mark(photo, 0.95)
            assert exiftool(photo)["XMP-xmp:Rating"] == 5
            assert core.undo(photo) is UndoOutcome.RESTORED
        assert photo.read_bytes() == before

    def test_20_000_keywords(self, tmp_path: Path, photo: Path) -> None:
        core = Core(tmp_path, EVERYTHING)
        items = "".join(f"<rdf:li>keyword {number}</rdf:li>" for number in range(20_000))
        sidecar = tmp_path / "IMG_1.jpg.xmp"
        sidecar.write_bytes(packet(f"<dc:subject><rdf:Bag>{items}</rdf:Bag></dc:subject>"))
        before = sidecar.read_bytes()
        start = time.process_time()
        core.mark(photo, 0.95)
        core.mark(photo, 0.05)
        assert len(core.read(photo).keywords) == 20_000
        assert f"{items}</rdf:Bag>".encode() in sidecar.read_bytes()
        core.manager.undo(replace(core.entry(photo), before=core.journal[0].before))
        assert time.process_time() - start < 20
        assert sidecar.read_bytes() == before

    @pytest.mark.parametrize("depth", [100, 9_000, 100_000])
    def test_deep_nesting_in_a_png_crashes_nobody(self, tmp_path: Path, depth: int) -> None:
        core = Core(tmp_path, EVERYTHING)
        path = tmp_path / "IMG_1.png"
        information = PngImagePlugin.PngInfo()
        deep = packet("<dc:a>" * depth + "</dc:a>" * depth).decode()
        information.add_itxt("XML:com.adobe.xmp", deep, zip=True)
        Image.new("RGB", (8, 8)).save(path, pnginfo=information)
        with pytest.raises(MarkRefusedError, match="cannot be read"):
            core.read(path)
        before = path.read_bytes()
        assert b"xmp:Rating" not in core.mark(path, 0.95).read_bytes()  # whether there is one cannot be told
        assert path.read_bytes() == before

    def test_a_sidecar_that_changes_between_plan_and_write(self, tmp_path: Path, photo: Path) -> None:
        core = Core(tmp_path, EVERYTHING)
        sidecar = tmp_path / "IMG_1.jpg.xmp"
        sidecar.write_bytes(packet())
        change = core.plan_one(photo, 0.95)
        for theirs in (packet(attributes="xmp:Rating='1'"), b"", packet()[:100]):
            sidecar.write_bytes(theirs)
            with pytest.raises(MarkRefusedError, match="changed since the plan"):
                core.manager.apply(change)
            assert sidecar.read_bytes() == theirs
        sidecar.unlink()
        with pytest.raises(FileNotFoundError):
            core.manager.apply(change)
        assert not sidecar.exists()

    def test_a_jpeg_that_lost_its_xmp_between_plan_and_write(self, tmp_path: Path, photo: Path) -> None:
        core = Core(tmp_path, replace(EVERYTHING, mode="embed"))
        photo.write_bytes(jpeg(packet()))
        change = core.plan_one(photo, 0.95)
        photo.write_bytes(jpeg())
        with pytest.raises(MarkRefusedError, match="changed since the plan"):
            core.manager.apply(change)
        with photo.open("rb") as file:
            assert read_packet(file, read_layout(file)) is None
