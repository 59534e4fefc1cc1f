"""Sidecars as other programs write them: kept to the byte outside our block, and understood.

darktable's, digiKam's, Lightroom's and Camera Raw's are written here in the way of each program; exiftool's and exiv2's
are made by the programs themselves.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.plugin_api import Skipped, UndoOutcome, UserMarks
from keeprate_xmp.block import take_out
from keeprate_xmp.fields import SharedValues
from keeprate_xmp.packet import scan
from support.xmp import EVERYTHING, Core, exiftool, jpeg

DARKTABLE = """<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:exif="http://ns.adobe.com/exif/1.0/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:darktable="http://darktable.sf.net/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
   exif:DateTimeOriginal="2024:05:06 07:08:09.000"
   xmp:Rating="{rating}"
   xmpMM:DerivedFrom="IMG_1.CR2"
   darktable:import_timestamp="63850000000000000"
   darktable:xmp_version="5"
   darktable:raw_params="0"
   darktable:auto_presets_applied="1"
   darktable:history_end="1"
   darktable:iop_order_version="4">
   <darktable:masks_history>
    <rdf:Seq/>
   </darktable:masks_history>
   <darktable:history>
    <rdf:Seq>
     <rdf:li
      darktable:num="0"
      darktable:operation="colorin"
      darktable:enabled="1"
      darktable:modversion="7"
      darktable:params="gz48eJzjYBgFowABWAbaAaNgwAEAEDgABg=="
      darktable:multi_name=""
      darktable:multi_priority="0"/>
    </rdf:Seq>
   </darktable:history>
   <darktable:colorlabels>
    <rdf:Seq>
     <rdf:li>1</rdf:li>
    </rdf:Seq>
   </darktable:colorlabels>
   <dc:subject>
    <rdf:Bag>
     <rdf:li>Grüße</rdf:li>
    </rdf:Bag>
   </dc:subject>
   <lr:hierarchicalSubject>
    <rdf:Bag>
     <rdf:li>Familie|Grüße</rdf:li>
    </rdf:Bag>
   </lr:hierarchicalSubject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""
DIGIKAM = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/"
    xmlns:acdsee="http://ns.acdsee.com/iptc/1.0/"
    xmlns:digiKam="http://www.digikam.org/ns/1.0/"
    xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
   xmp:CreatorTool="digiKam-7.9.0"
   xmp:Rating="{rating}"
   MicrosoftPhoto:Rating="0"
   acdsee:rating="{rating}"
   digiKam:PickLabel="1"
   digiKam:ColorLabel="5"
   tiff:Software="digiKam-7.9.0">
   <digiKam:TagsList>
    <rdf:Seq>
     <rdf:li>Orte/Köln</rdf:li>
    </rdf:Seq>
   </digiKam:TagsList>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
LIGHTROOM = """<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0-c000 1.000000, 0000/00/00-00:00:00     ">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
    xmlns:xmpDM="http://ns.adobe.com/xmp/1.0/DynamicMedia/"
    xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
   xmp:Rating="{rating}"
   xmp:Label="Rot"
   xmp:MetadataDate="2024-05-06T07:08:09+02:00"
   xmpMM:DocumentID="xmp.did:0a1b2c3d"
   xmpDM:pick="1"
   crs:Version="15.0"
   crs:ProcessVersion="11.0"
   crs:Exposure2012="+0.35"
   crs:HasSettings="True">
   <xmpMM:History>
    <rdf:Seq>
     <rdf:li
      stEvt:action="saved"
      stEvt:instanceID="xmp.iid:0a1b2c3d"
      stEvt:when="2024-05-06T07:08:09+02:00"
      stEvt:changed="/metadata"/>
    </rdf:Seq>
   </xmpMM:History>
   <crs:ToneCurvePV2012>
    <rdf:Seq>
     <rdf:li>0, 0</rdf:li>
     <rdf:li>255, 255</rdf:li>
    </rdf:Seq>
   </crs:ToneCurvePV2012>
   <crs:Look>
    <rdf:Description
     crs:Name="Adobe Color"
     crs:Amount="1">
    </rdf:Description>
   </crs:Look>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""
CAMERA_RAW = """<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 5.1.0-jc003">\r
   <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\r
      <rdf:Description rdf:about=""\r
            xmlns:xap="http://ns.adobe.com/xap/1.0/">\r
         <xap:Rating>{rating}</xap:Rating>\r
      </rdf:Description>\r
      <rdf:Description rdf:about=""\r
            xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/">\r
         <crs:RawFileName>IMG_1.CR2</crs:RawFileName>\r
         <crs:WhiteBalance>As Shot</crs:WhiteBalance>\r
      </rdf:Description>\r
   </rdf:RDF>\r
</x:xmpmeta>\r
"""
SAMPLES = {
    "darktable": (DARKTABLE, UserMarks(rating=3, colour="Yellow", keywords=("Familie|Grüße", "Grüße"))),
    "digiKam": (DIGIKAM, UserMarks(rating=3, colour="Blue", pick="rejected", keywords=("Orte|Köln",))),
    "Lightroom": (LIGHTROOM, UserMarks(rating=3, colour="Rot", pick="accepted")),
    "Camera Raw": (CAMERA_RAW, UserMarks(rating=3)),
}


@pytest.fixture
def core(tmp_path: Path) -> Core:
    (tmp_path / "IMG_1.jpg").write_bytes(jpeg())
    return Core(tmp_path, replace(EVERYTHING, skip_darktable=False))


def is_kept(core: Core, sidecar: Path, before: bytes) -> None:
    """Mark twice and undo; outside our block every byte stands, and in the end every byte does."""
    photo = core.root / "IMG_1.jpg"
    said = core.read(photo)
    for score in (0.95, 0.05):
        assert core.mark(photo, score) == sidecar
        packet = scan(sidecar.read_bytes())
        block = next(node for node in packet.nodes if b"xmlns:keeprate" in packet.data[node.start : node.end])
        rest = packet.data[: block.start] + packet.data[block.end + 1 :]
        assert rest == before
        assert core.read(photo) == said
    for change in reversed(core.journal):
        core.journal[-1] = change
        assert core.undo(photo) is UndoOutcome.RESTORED
    assert sidecar.read_bytes() == before


@pytest.mark.parametrize("program", SAMPLES)
def test_a_rated_one(core: Core, program: str) -> None:
    text, said = SAMPLES[program]
    sidecar = core.root / "IMG_1.jpg.xmp"
    sidecar.write_bytes(text.format(rating=3).encode())
    assert core.read(core.root / "IMG_1.jpg") == said
    is_kept(core, sidecar, sidecar.read_bytes())


@pytest.mark.parametrize("program", SAMPLES)
def test_one_whose_zero_gives_way_to_our_stars(core: Core, program: str) -> None:
    text, said = SAMPLES[program]
    photo, sidecar = core.root / "IMG_1.jpg", core.root / "IMG_1.jpg.xmp"
    sidecar.write_bytes(text.format(rating=0).encode())
    before = sidecar.read_bytes()
    core.mark(photo, 0.95)
    tags = exiftool(sidecar)
    assert tags.get("XMP-xmp:Rating", tags.get("XMP-xap:Rating")) == 5
    assert core.read(photo) == replace(said, rating=None)
    stripped = take_out(scan(sidecar.read_bytes()), SharedValues.of("5", "Green", "Score|9"))
    assert stripped == before
    core.undo(photo)
    assert sidecar.read_bytes() == before


@pytest.mark.parametrize("program", ["exiftool", "exiv2"])
def test_one_made_by_the_program_itself(core: Core, program: str) -> None:
    if shutil.which(program) is None or shutil.which("exiftool") is None:
        pytest.skip(f"needs exiftool and {program}")
    photo, sidecar = core.root / "IMG_1.jpg", core.root / "IMG_1.jpg.xmp"
    options = ["-XMP-xmp:Rating=2", "-XMP-dc:Subject=Oma", "-XMP-dc:Title=Am See", "-XMP-digiKam:PickLabel=3"]
    if program == "exiftool":
        subprocess.run(["exiftool", "-q", *options, "-o", sidecar], check=True)
    else:
        subprocess.run(["exiftool", "-q", "-overwrite_original", *options, photo], check=True)
        subprocess.run(["exiv2", "-f", "-eX", photo.name], check=True, cwd=core.root, capture_output=True)
        (core.root / "IMG_1.xmp").rename(sidecar)
    assert core.read(photo) == UserMarks(rating=2, pick="accepted", keywords=("Oma",))
    is_kept(core, sidecar, sidecar.read_bytes())


def test_real_ones(core: Core, shared_photos: Path) -> None:
    samples = sorted((shared_photos / "metadata" / "sidecar").glob("*.xmp"))
    refused = []
    for sample in samples:
        core.with_settings(stars=False).journal.clear()  # some hold a 0, which gives way to ours
        sidecar = core.root / "IMG_1.jpg.xmp"
        sidecar.write_bytes(sample.read_bytes())
        if isinstance(core.plan(core.root / "IMG_1.jpg", 0.95)[0], Skipped):
            refused.append(sample.name)
        else:
            is_kept(core, sidecar, sample.read_bytes())
        assert sidecar.read_bytes() == sample.read_bytes()
    assert len(refused) < len(samples) / 5
