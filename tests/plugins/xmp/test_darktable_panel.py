"""Sidecars that darktable wrote with keeprate's panel in it: stars that the panel gave are nobody's word."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from keeprate.plugin_api import LibraryPlace, PhotoFile, UserMarks
from keeprate_xmp import XmpManager, XmpSettings

# As darktable 4.2.1 writes it, shortened.
SIDECAR = """<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:darktable="http://darktable.sf.net/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
   xmp:Rating="{rating}"
   darktable:xmp_version="5">
   <darktable:colorlabels><rdf:Seq><rdf:li>{colour}</rdf:li></rdf:Seq></darktable:colorlabels>
   <dc:subject><rdf:Bag><rdf:li>Anna</rdf:li><rdf:li>colour green</rdf:li><rdf:li>keeprate</rdf:li>
    <rdf:li>score 8</rdf:li><rdf:li>stars 4</rdf:li></rdf:Bag></dc:subject>
   <lr:hierarchicalSubject><rdf:Bag><rdf:li>Anna</rdf:li><rdf:li>keeprate|colour green</rdf:li>
    <rdf:li>keeprate|score 8</rdf:li><rdf:li>keeprate|stars 4</rdf:li></rdf:Bag></lr:hierarchicalSubject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>"""


@pytest.mark.parametrize(
    ("rating", "colour", "expected"),
    [
        (4, 2, UserMarks(keywords=("Anna",))),
        (5, 2, UserMarks(rating=5, keywords=("Anna",))),
        (-1, 0, UserMarks(rating=-1, colour="Red", keywords=("Anna",))),
    ],
)
def test_what_the_panel_gave_is_not_the_users(rating: int, colour: int, expected: UserMarks, tmp_path: Path) -> None:
    photo = tmp_path / "IMG_1.jpg"
    Image.new("RGB", (8, 8)).save(photo)
    (tmp_path / "IMG_1.jpg.xmp").write_text(SIDECAR.format(rating=rating, colour=colour))
    manager = XmpManager(LibraryPlace("test", tmp_path), XmpSettings())
    assert manager.read_marks(PhotoFile(photo, "unused"), lambda _path, _field: None) == expected
