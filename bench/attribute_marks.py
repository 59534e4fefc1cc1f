"""How long keeprate takes to write stars into KDE's attributes of many photos, journal and all.

    python bench/attribute_marks.py [--photos 10000] [--in FOLDER] [--json]

A library of small JPEGs is scanned and given scores. The write step gives all of them stars; again by other scores; and
finds nothing to do. Then all is taken back. What a file system takes on its disk for all of that is shown per photo.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
from pathlib import Path

from PIL import Image

from keeprate.config.edit import add_library
from keeprate.paths import locate_home
from keeprate.steps.marks.undoing import undo
from keeprate.steps.photos.scanning import scan_library
from keeprate.steps.session import Session, open_session
from keeprate.steps.tasks import UndoTask
from marking import give_scores, mark
from measuring import expect, scratch_home, show, tell, time_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--in", dest="place", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with scratch_home(chosen.place) as scratch:
        tell(f"writing {chosen.photos:,} photos …")
        write_photos(scratch / "library", chosen.photos)
        home = locate_home()
        buckets = {"keep": "keep", "delete": ["delete", "trash:"]}
        table = {"name": "bench", "root": str(scratch / "library"), "heads": {"keep": {"buckets": buckets}}}
        add_library(home.config_file, table | {"marks": {"kde": {"stars": True}}})
        with open_session(home) as session:
            (library,) = session.libraries()
            scan_library(session, library)
            figures = measure(session, scratch / "library", chosen.photos)
    if chosen.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures, f"KDE's stars for {chosen.photos:,} photos")


def write_photos(root: Path, photos: int) -> None:
    """Small JPEGs, each of a colour of its own, 500 to a folder."""
    for number in range(photos):
        folder = root / f"{number // 500:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        target = io.BytesIO()
        colour = (number * 7 % 256, number // 256 * 5 % 256, number % 64 * 4)
        Image.new("RGB", (16, 16), colour).save(target, "JPEG", comment=b"%d" % number, quality=95)
        data = target.getvalue()  # the last quantiser makes each content another one
        at = data.index(b"\xff\xdb\x00\x43\x00") + 66
        digits = bytes(1 + number // 250**place % 250 for place in range(3))
        (folder / f"IMG_{number:05d}.JPG").write_bytes(data[:at] + digits + data[at + 3 :])


def measure(session: Session, root: Path, photos: int) -> dict[str, float]:
    keys = [row[0] for row in session.catalog.conn.execute("SELECT DISTINCT content_key FROM files ORDER BY path")]
    expect(len(keys) == photos, f"{len(keys)} of {photos} photos were found")
    figures: dict[str, float] = {}
    occupied = _blocks(root)
    for version, name in ((1, "new"), (2, "again"), (2, "unchanged")):
        if name != "unchanged":
            give_scores(session, keys, version)
        tell(f"marking: {name} …")
        outcome, taken = mark(session)
        wanted = {"new": photos, "again": photos // 2, "unchanged": 0}[name]
        expect(outcome.written >= wanted, f"{outcome.written} of {wanted} were marked: {outcome.left_alone[:3]}")
        expect(name != "unchanged" or outcome.written == 0, f"{outcome.written} were marked once more")
        figures[f"{name}_s"], figures[f"{name}_processor_s"] = taken.wall_s, taken.cpu_s
    figures["bytes_a_photo"] = (_blocks(root) - occupied) * 512 / photos
    tell("taking all of it back …")
    taken = time_of(lambda: undo(session, UndoTask()))
    figures["undo_s"] = taken.wall_s
    left = sum(bool(os.listxattr(path)) for path in root.rglob("*.JPG"))
    expect(left == 0, f"{left} photos still carry something")
    return figures


def _blocks(root: Path) -> int:
    return sum(path.stat().st_blocks for path in root.rglob("*.JPG"))


if __name__ == "__main__":
    main()
