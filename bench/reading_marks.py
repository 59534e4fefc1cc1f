"""What it costs to see that nobody has set any stars: the marks step on a library in which nothing has changed.

    python bench/reading_marks.py [--files 100000] [--folders 1000] [--repeat 5] [--in FOLDER] [--json]

A library of small valid JPEGs, each tenth with a sidecar beside it, one in fifty of these with 5 stars. Its marks are
read once, by the real worker and the real photo managers; that is timed for a sample (`--sample`), the rest is noted as
read. Then the step is run again and again. Every file that this process opens beneath the library is counted by an
audit hook; no worker may be started.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from keeprate.catalog import user_marks
from keeprate.steps.marks import reading_marks_run
from keeprate.steps.marks.managers import readers_for
from keeprate.steps.marks.reading_marks_run import MarksRead, read_marks
from keeprate.steps.marks.taking_marks import take_marks
from keeprate.steps.photos.scanning import scan_library
from keeprate.steps.session import Session
from keeprate.steps.worker_client import worker
from measuring import expect, open_library, scratch_home, show, tell, time_of, write_library

SIDECAR = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{}"/></rdf:RDF></x:xmpmeta>'
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folders", type=int, default=1_000)
    parser.add_argument("--sample", type=int, default=2_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--in", dest="place", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with scratch_home(chosen.place) as scratch:
        figures = measure(
            scratch / "library", files=chosen.files, folders=chosen.folders, sample=chosen.sample, repeat=chosen.repeat
        )
    if chosen.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures, f"{chosen.files:,} files in {chosen.folders:,} folders, each tenth with a sidecar")


def measure(root: Path, *, files: int, folders: int, sample: int, repeat: int) -> dict[str, float]:
    tell(f"writing {files:,} photos …")
    write_library(root, files=files, folders=folders)
    for number, photo in enumerate(sorted(root.rglob("*.jpg"))):
        if number % 10 == 0:
            photo.with_name(f"{photo.name}.xmp").write_text(SIDECAR.format(5 if number % 500 == 0 else 3))
    _, session = open_library(root)
    with session, worker() as client:
        (library,) = session.libraries()
        tell("scan …")
        scan_library(session, library)
        tell(f"reading the marks of {sample:,} …")
        note_as_read(session, files - sample)
        found: list[MarksRead] = []

        def read() -> None:
            found.append(read_marks(session, client))

        first = time_of(read)
        expect(found[-1].read == min(sample, files), f"{found[-1].read} files were read instead of {sample}")
        client.close()
        opened: list[str] = []
        prefix = f"{root}/"

        def note_opening(event: str, arguments: tuple[object, ...]) -> None:
            if event == "open" and str(arguments[0]).startswith(prefix):
                opened.append(str(arguments[0]))

        sys.addaudithook(note_opening)
        again = [time_of(read) for _ in range(repeat + 1)][1:]
        expect(all(one.read == 0 for one in found[1:]), "files were read again that had not changed")
        expect(client.pid is None, "a worker was started for nothing")
        deciding = [time_of(lambda: take_marks(session)) for _ in range(repeat)]
    return {
        "first_reading_per_s": min(sample, files) / first.wall_s,
        "unchanged_s": statistics.median(one.wall_s for one in again),
        "unchanged_cpu_s": statistics.median(one.cpu_s for one in again),
        "deciding_s": statistics.median(one.wall_s for one in deciding),
        "files_opened": len(opened),
    }


def note_as_read(session: Session, count: int) -> None:
    """Note `count` files as read, as they look now, without reading them."""
    (library,) = session.libraries()
    unread, _ = reading_marks_run._differences(session.catalog, library, readers_for(library), None)
    with session.catalog.db.atomic():
        for one in unread[:count]:
            user_marks.note_signature(session.catalog, one.path, library.name, one.signature)


if __name__ == "__main__":
    main()
