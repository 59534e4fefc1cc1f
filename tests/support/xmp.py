"""Photos, packets and a small stand-in for keeprate's core, for the tests of the XMP photo manager."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from keeprate.pictures.content_key import content_key
from keeprate.plugin_api import (
    Change,
    JournalEntry,
    LibraryPlace,
    MarkRequest,
    PhotoFile,
    ScoredPhoto,
    Skipped,
    UndoOutcome,
    UserMarks,
)
from keeprate_xmp import XmpManager, XmpSettings
from keeprate_xmp.jpeg import splice

EVERYTHING = XmpSettings(stars=True, label=True, keywords=True, minimum_age_s=0)
SCORES_ONLY = XmpSettings(minimum_age_s=0)


def jpeg(packet: bytes | None = None, *, colour: int = 90) -> bytes:
    """A small JPEG with Exif, a comment and, if given, an XMP packet."""
    exif = Image.Exif()
    exif[0x010F] = "Maker of cameras"
    exif[0x0132] = "2024:05:06 07:08:09"
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((64, 48)).point(lambda value: (value + colour) % 256).save(
        buffer, "JPEG", exif=exif, comment=b"a comment"
    )
    return splice(buffer.getvalue(), packet) if packet is not None else buffer.getvalue()


def packet(inside: str = "", *, attributes: str = "", end: str = "w", padding: int = 0, about: str = "") -> bytes:
    """A packet as Adobe's programs write it, with `attributes` of and elements `inside` its one Description."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Some Tool">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        "  <!-- a comment -->\n"
        f'  <rdf:Description rdf:about="{about}" xmlns:xmp="http://ns.adobe.com/xap/1.0/"\n'
        '    xmlns:dc="http://purl.org/dc/elements/1.1/"\n'
        f'    dc:format="image/jpeg" {attributes}>{inside}</rdf:Description>\n'
        " </rdf:RDF>\n</x:xmpmeta>\n"
        f'{" " * padding}<?xpacket end="{end}"?>'
    ).encode()


def exiftool(path: Path, *options: str) -> dict[str, Any]:
    """What exiftool, which knows nothing of keeprate, reads from a file."""
    if shutil.which("exiftool") is None:
        pytest.skip("needs exiftool")
    run = subprocess.run(["exiftool", "-json", "-n", "-struct", "-G1", *options, path], capture_output=True, check=True)
    tags: dict[str, Any] = json.loads(run.stdout)[0]
    return tags


@dataclass
class Core:
    """Does with a photo manager what keeprate does: scores, plans, applies, remembers, undoes."""

    root: Path
    settings: XmpSettings = SCORES_ONLY
    journal: list[Change] = field(default_factory=list)
    turn: int = 0

    @property
    def manager(self) -> XmpManager:
        return XmpManager(LibraryPlace("test", self.root), self.settings)

    def last_written(self, path: Path, field_name: str) -> bytes | None:
        standing = (
            change.after for change in reversed(self.journal) if (change.path, change.field) == (path, field_name)
        )
        return next(standing, None)

    def request(self, scores: dict[Path, float]) -> MarkRequest:
        self.turn += 1
        photos = [
            ScoredPhoto(content_key(path), path, (), ("keep", "delete"), (score, 1 - score), score, score, None, None)
            for path, score in scores.items()
        ]
        return MarkRequest(
            LibraryPlace("test", self.root),
            "keep",
            f"keep#{self.turn} on builtin",
            datetime(2026, 1, 2, 3, 4, self.turn % 60, tzinfo=UTC),
            photos,
            self.last_written,
        )

    def plan(self, path: Path, score: float) -> list[Change | Skipped]:
        return list(self.manager.plan(self.request({path: score})))

    def plan_one(self, path: Path, score: float) -> Change:
        (outcome,) = self.plan(path, score)
        assert isinstance(outcome, Change), outcome
        return outcome

    def skipped(self, path: Path, score: float = 0.95) -> str:
        """The reason why nothing is planned."""
        (outcome,) = self.plan(path, score)
        assert isinstance(outcome, Skipped), outcome
        return outcome.reason

    def mark(self, path: Path, score: float) -> Path:
        """Plan and apply one mark; returns the file that was written."""
        change = self.plan_one(path, score)
        self.manager.apply(change)
        self.journal.append(change)
        return change.path

    def undo(self, *photo_paths: Path) -> UndoOutcome:
        """Take the last change back."""
        return self.manager.undo(self.entry(*photo_paths))

    def read(self, path: Path) -> UserMarks:
        """What the user says about a photo, as the photo manager finds it."""
        return self.manager.read_marks(PhotoFile(path, content_key(path)), self.last_written)

    def entry(self, *photo_paths: Path) -> JournalEntry:
        change = self.journal[-1]
        return JournalEntry(change.path, change.field, change.before, change.after, photo_paths)

    def with_settings(self, **changes: Any) -> Core:
        self.settings = replace(self.settings, **changes)
        return self
