"""Mark a pile of photos, mark them again, undo it all, and count every byte and value that should not have moved.

Every picture (and sidecar) is copied; the copies are marked in every way that keeprate has (XMP sidecars and XMP inside
JPEGs with stars, label and keywords; view folder, playlist, collection, contact sheet and modification times; KDE's
attributes; the Finder's, in a store that stands for a Mac's), marked again with other scores, then undone. exiftool and
Pillow, which know nothing of keeprate, say what is different. Exit status 1 if anything that belongs to the user moved.

    python bench/prove_harmless.py [FOLDER…] [--only WAY]… [--at-most N] [--in FOLDER] [--json]
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from harmless_ways import Way, ways
from keeprate.pictures.content_key import content_key
from keeprate.pictures.formats import is_picture
from keeprate.plugin_api import (
    Change,
    JournalEntry,
    MarkRefusedError,
    MarkRequest,
    ScoredPhoto,
    Skipped,
)
from keeprate_xmp.jpeg import read_layout

SHARED = Path(os.environ.get("KEEPRATE_SHARED", Path(__file__).resolve().parents[2] / "shared"))
DEFAULT_FOLDERS = [SHARED / "photos" / name for name in ("metadata", "good_odd", "bad")]
NAMES = ("xmp sidecar", "xmp embed", "order", "kde", "finder")
EVERY_FIFTH = 5
"""So many photos bear values of the user's where a way writes into attributes."""
OUR_TAGS = {
    "XMP-xmp:Rating",
    "XMP-xap:Rating",
    "XMP-microsoft:RatingPercent",
    "XMP-xmp:Label",
    "XMP-dc:Subject",
    "XMP-lr:HierarchicalSubject",
    "XMP-digiKam:TagsList",
}
COMPUTED_GROUPS = ("ExifTool", "System", "Composite", "SourceFile", "XMP-keeprate")


@dataclass
class Report:
    """What one round (one way) of marking and undoing did."""

    way: str
    files: int = 0
    written: int = 0
    rewritten: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    user_values_changed: int = 0
    other_bytes_changed: int = 0
    pixels_changed: int = 0
    undone_byte_exact: int = 0
    undone_same_metadata: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    plan_ms: float = 0.0
    idle_plan_ms: float = 0.0
    write_ms: float = 0.0

    @property
    def harmless(self) -> bool:
        return not (self.user_values_changed or self.other_bytes_changed or self.pixels_changed or self.failures)


class Journal:
    """What the core does: remembers every change, and knows the last one of each place."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def last_written(self, path: Path, field_name: str) -> bytes | None:
        for change in reversed(self.changes):
            if (change.path, change.field) == (path, field_name):
                return change.after
        return None


def collect(folders: list[Path], target: Path, at_most: int | None) -> list[Path]:
    """Copy the pictures into `target`, and each lone sidecar beside a JPEG of its own."""
    copies = []
    sources = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    pictures = [path for path in sources if is_picture(path.name)]
    sidecars = [path for path in sources if path.suffix.lower() == ".xmp"]
    if at_most is not None:
        pictures = pictures[:: max(1, len(pictures) // at_most)]
        sidecars = sidecars[:: max(1, len(sidecars) // max(1, at_most // 4))]
    for number, picture in enumerate(pictures):
        folder = target / f"{number:04d}"
        folder.mkdir()
        copies.append(Path(shutil.copyfile(picture, folder / picture.name)))
    for number, sidecar in enumerate(sidecars):
        folder = target / f"sidecar-{number:04d}"
        folder.mkdir()
        copy = folder / f"{sidecar.stem}.jpg"
        Image.new("RGB", (64, 48), (number * 5 % 256, 90, 160)).save(copy)
        shutil.copyfile(sidecar, folder / f"{sidecar.stem}.jpg.xmp")
        copies.append(copy)
    return copies


def scored_photos(photos: list[Path], turn: int) -> list[ScoredPhoto]:
    """Best first; the scores differ from turn to turn. Copies of a picture are one photo."""
    by_key: dict[str, list[Path]] = {}
    for path in photos:
        by_key.setdefault(content_key(path), []).append(path)
    scored = []
    for number, (key, paths) in enumerate(by_key.items()):
        value = ((number * 37 + turn * 41) % 101) / 100
        scored.append(
            ScoredPhoto(
                key, paths[0], tuple(paths[1:]), ("keep", "delete"), (value, 1 - value), value, value, None, None
            )
        )
    return sorted(scored, key=lambda photo: -photo.score)


def mark_all(way: Way, scored: list[ScoredPhoto], journal: Journal, turn: int, report: Report) -> None:
    """Plan and apply marks for all photos."""
    manager = way.manager
    request = MarkRequest(
        manager.library, "keep", f"keep#{turn} on builtin", datetime.now(UTC), scored, journal.last_written
    )
    files = sum(len(photo.files()) for photo in scored)
    start = time.perf_counter()
    planned = list(manager.plan(request))
    report.plan_ms += (time.perf_counter() - start) * 1000 / files
    start = time.perf_counter()
    for outcome in planned:
        if isinstance(outcome, Skipped):
            report.refused[outcome.reason] += turn == 1
            continue
        try:
            manager.apply(outcome)
        except MarkRefusedError as error:
            report.refused[str(error).replace(outcome.path.name, "the file")] += turn == 1
            continue
        journal.changes.append(outcome)
        if turn == 1:
            report.written += 1
        else:
            report.rewritten += 1
    report.write_ms += (time.perf_counter() - start) * 1000 / max(1, len(planned))
    start = time.perf_counter()
    again = [outcome for outcome in manager.plan(request) if isinstance(outcome, Change)]
    written = {(change.path, change.field) for change in journal.changes}
    again = [outcome for outcome in again if (outcome.path, outcome.field) in written]
    report.idle_plan_ms += (time.perf_counter() - start) * 1000 / files
    report.failures += [f"planned again though nothing changed: {outcome.path.name}" for outcome in again]


def undo_all(way: Way, changes: list[Change], report: Report) -> None:
    for change in changes:
        photo = change.path.with_suffix("") if change.path.suffix == ".xmp" else change.path
        entry = JournalEntry(change.path, change.field, change.before, change.after, (photo,))
        try:
            way.manager.undo(entry)
        except (MarkRefusedError, OSError) as error:
            report.failures.append(f"undo of {change.path.name}: {error}")


def contents(folder: Path) -> dict[Path, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}


def read_tags(folder: Path, files: Iterable[Path]) -> dict[Path, dict[str, Any]]:
    """Everything that exiftool finds, by file and by `Group:Tag` (copies numbered); nothing of what it cannot read.

    What exiftool calls a tag that it does not know depends on the files before: compare runs over the same files.
    """
    names = [str(folder / path) for path in files]
    if not names:
        return {}
    run = subprocess.run(
        ["exiftool", "-json", "-a", "-u", "-n", "-G1:4", "-struct", "-q", "-@", "-"],
        input="\n".join(names).encode(),
        capture_output=True,
        check=False,
    )
    return {
        Path(entry["SourceFile"]).relative_to(folder): entry
        for entry in json.loads(run.stdout.decode(errors="replace") or "[]")
    }


def user_values(tags: dict[str, Any], *, xmp: bool) -> dict[str, list[str]]:
    """The values that are the user's (or the camera's), either in XMP or outside it, by tag."""
    found: dict[str, list[str]] = {}
    for name, value in tags.items():
        if name.startswith(COMPUTED_GROUPS) or name.startswith("XMP-") != xmp:
            continue
        if name.endswith(("Start", "Offset", "Offsets")):
            continue  # places in the file move; the bytes are compared as well
        group, _, tag = name.rpartition(":")
        found.setdefault(f"{group.partition(':')[0]}:{tag}", []).append(repr(value))
    return {name: sorted(values) for name, values in found.items()}


def count_changed_values(before: dict[str, Any], now: dict[str, Any], name: str, report: Report) -> None:
    """Compare what exiftool read from one file that keeprate has changed."""
    other, other_now = user_values(before, xmp=False), user_values(now, xmp=False)
    changed = [tag for tag in other.keys() | other_now.keys() if other.get(tag) != other_now.get(tag)]
    own, own_now = user_values(before, xmp=True), user_values(now, xmp=True)
    # A rating of 0 is a camera's and means nothing.
    changed += [
        tag for tag, values in own.items() if own_now.get(tag) != values and not (tag in OUR_TAGS and values == ["0"])
    ]
    changed += [tag for tag in own_now.keys() - own.keys() - OUR_TAGS if not tag.startswith("XMP-x:")]
    report.user_values_changed += len(changed)
    report.failures += [f"{name}: {tag} changed" for tag in changed]


def outside_xmp(data: bytes) -> list[bytes]:
    """All of a JPEG but its XMP segment; any other file as a whole."""
    try:
        layout = read_layout(io.BytesIO(data))
    except ValueError:
        return [data]
    segments = [data[one.start : one.end] for one in layout.segments if one is not layout.xmp]
    return [*segments, data[layout.scan_start :]]


def pixels(data: bytes) -> str:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return hashlib.blake2b(picture.tobytes()).hexdigest()
    except Exception as error:  # whatever Pillow cannot read must stay unreadable in the same way
        return type(error).__name__


@dataclass(frozen=True)
class State:
    """What must be there again in the end."""

    contents: dict[Path, bytes]
    """By path within the folder, as all the others."""
    times_ns: dict[Path, int]
    attributes: dict[Path, dict[str, bytes]]

    @classmethod
    def of(cls, root: Path, way: Way) -> State:
        found = contents(root)
        return cls(
            found,
            {path: (root / path).stat().st_mtime_ns for path in found if way.sets_times},
            {path: dict(way.attributes_of(root / path)) for path in found},
        )


def run_way(number: int, folders: list[Path], place: Path | None, at_most: int | None) -> Report:
    """Mark in the way of that number, mark again, undo; compare after each."""
    with tempfile.TemporaryDirectory(prefix="keeprate-harmless-", dir=place) as name:
        root, views = Path(name) / "library", Path(name) / "views"
        root.mkdir()
        views.mkdir()
        way = ways(root, views)[number]()
        report = Report(way.name)
        photos = collect(folders, root, at_most)
        for photo in photos[::EVERY_FIFTH]:
            way.give_user_values(photo)
        report.files = len(photos)
        before = State.of(root, way)
        originals = Path(name) / "originals"
        shutil.copytree(root, originals)
        journal = Journal()
        for turn in (1, 2):
            mark_all(way, scored_photos(photos, turn), journal, turn, report)
            compare(before, originals, root, way, report)
        undo_all(way, journal.changes[::-1], report)
        judge_undone(before, originals, root, way, report)
        if way.name.startswith("xmp"):
            # Once more, but as if somebody else had changed every file: what is ours is taken out by property.
            journal = Journal()
            mark_all(way, scored_photos(photos, 1), journal, 1, Report(way.name))
            undo_all(way, [changed_by_others(change) for change in journal.changes], report)
            judge_undone(before, originals, root, way, report)
        report.failures += [f"left behind: {path.name}" for path in views.rglob("*")]
    return report


def changed_by_others(change: Change) -> Change:
    """The journal entry of a place whose bytes are no longer what we wrote."""
    return replace(change, after=(change.after or b"") + b"<!-- what others made of it -->")


def compare(before: State, originals: Path, root: Path, way: Way, report: Report) -> None:
    """What marking changed that is not ours."""
    now = contents(root)
    changed = [path for path, data in before.contents.items() if now.get(path) != data]
    for path in changed:
        if path.suffix == ".xmp":
            continue
        data, marked = before.contents[path], now.get(path, b"")
        if outside_xmp(marked) != outside_xmp(data) or not way.fields_in_photos:
            report.other_bytes_changed += 1
        if pixels(marked) != pixels(data):
            report.pixels_changed += 1
    tags_before, tags_now = read_tags(originals, changed), read_tags(root, changed)
    for path in changed:
        count_changed_values(tags_before.get(path, {}), tags_now.get(path, {}), path.name, report)
    for path, attributes in before.attributes.items():
        found = way.attributes_of(root / path)
        lost = [name for name, value in attributes.items() if found.get(name) != value]
        report.user_values_changed += len(lost)
        report.failures += [f"{path.name}: {name} changed" for name in lost]


def judge_undone(before: State, originals: Path, root: Path, way: Way, report: Report) -> None:
    """What is not as before."""
    now = State.of(root, way)
    report.failures += [f"left behind: {path.name}" for path in now.contents.keys() - before.contents.keys()]
    changed = [path for path, data in before.contents.items() if now.contents.get(path) != data]
    tags_before, tags_now = read_tags(originals, changed), read_tags(root, changed)
    for path, data in before.contents.items():
        if now.times_ns.get(path) != before.times_ns.get(path) or now.attributes[path] != before.attributes[path]:
            report.failures.append(f"after undo, time or attributes: {path.name}")
        elif now.contents.get(path) == data:
            report.undone_byte_exact += 1
        else:
            tags, old = tags_now.get(path, {}), tags_before.get(path, {})
            same = bool(old) and all(user_values(tags, xmp=xmp) == user_values(old, xmp=xmp) for xmp in (True, False))
            (report.undone_same_metadata if same else report.failures).append(f"after undo: {path.name}")


def as_table(reports: list[Report]) -> str:
    rows = [("", *[report.way for report in reports])]
    rows += [
        (title, *[str(value(report)) for report in reports])
        for title, value in (
            ("files", lambda report: report.files),
            ("written", lambda report: report.written),
            ("written again", lambda report: report.rewritten),
            ("left alone, with a reason", lambda report: sum(report.refused.values())),
            ("user values changed (must be 0)", lambda report: report.user_values_changed),
            ("files with other bytes changed (must be 0)", lambda report: report.other_bytes_changed),
            ("files with other pixels (must be 0)", lambda report: report.pixels_changed),
            ("undone byte for byte", lambda report: report.undone_byte_exact),
            ("undone, same metadata", lambda report: len(report.undone_same_metadata)),
            ("failures (must be 0)", lambda report: len(report.failures)),
            ("ms a photo, planning two changes", lambda report: f"{report.plan_ms / 2:.2f}"),
            ("ms a photo, planning nothing", lambda report: f"{report.idle_plan_ms / 2:.2f}"),
            ("ms a write", lambda report: f"{report.write_ms / 2:.2f}"),
        )
    ]
    lines = [f"{row[0]:<44}" + "".join(f"{cell:>12}" for cell in row[1:]) for row in rows]
    for report in reports:
        lines += [f"\n{report.way}: left alone because"] * bool(report.refused)
        lines += [f"{count:6} {reason}" for reason, count in report.refused.most_common() if count]
        lines += [f"{report.way}: {name}" for name in report.undone_same_metadata]
        lines += [f"{report.way}: FAILED {text}" for text in report.failures]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, default=DEFAULT_FOLDERS)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--only", action="append", choices=NAMES, metavar="WAY", help=f"one of {', '.join(NAMES)}")
    parser.add_argument("--in", dest="place", type=Path, help="where to make the copies (default: tmp)")
    parser.add_argument("--at-most", type=int, help="take an even sample of about so many pictures")
    arguments = parser.parse_args()
    if shutil.which("exiftool") is None:
        print("needs exiftool (Debian: libimage-exiftool-perl)", file=sys.stderr)
        return 2
    missing = [str(folder) for folder in arguments.folders if not folder.is_dir()]
    if missing:
        print(f"no such folder: {', '.join(missing)}", file=sys.stderr)
        return 2
    chosen = [number for number, name in enumerate(NAMES) if name in (arguments.only or NAMES)]
    reports = [run_way(number, arguments.folders, arguments.place, arguments.at_most) for number in chosen]
    if arguments.json:
        print(json.dumps([vars(report) | {"harmless": report.harmless} for report in reports], indent=1))
    else:
        print(as_table(reports))
    return 0 if all(report.harmless for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
