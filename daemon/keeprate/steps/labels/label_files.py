"""Labels from and to files: CSV in and out, and the scores of a `score.json`.

A file is read completely before anything is written, and what it gives is written in one transaction. What a line says
that makes no sense is reported with its number and left out; the other lines count.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from keeprate.catalog import files, given_scores, labels
from keeprate.catalog.given_scores import GivenScore
from keeprate.catalog.labels import Label, LabelSource
from keeprate.errors import KeeprateError, UsageError
from keeprate.paths import expanded
from keeprate.pictures.content_key import content_key
from keeprate.safe_files import create_file, read_file
from keeprate.steps.session import Session

LARGEST_FILE_BYTES: Final = 256 << 20
IMAGE_COLUMNS: Final = ("image", "path", "file", "filename")
"""What the column with the photo's file may be called; the first is ours."""
SCORE_SOURCE: Final = "score.json"


@dataclass(frozen=True, slots=True)
class LineProblem:
    """What was left out, and why. `line` counts from 1, the header included (in JSON: the entries)."""

    line: int
    what: str


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What a file gave; with `dry_run`, what it would give."""

    file: str
    kind: str
    """`labels` or `scores`."""
    imported: dict[str, int]
    """Head → how many photos got another label (or score) than they had."""
    unchanged: int
    """Said what counts already."""
    blank: int
    """Said nothing: an empty label, a score of 0."""
    problems: tuple[LineProblem, ...]
    dry_run: bool

    @property
    def total(self) -> int:
        return sum(self.imported.values())


@dataclass(frozen=True, slots=True)
class ExportOutcome:
    file: str
    labels: int
    nowhere: int
    """Labels left out because nobody knows where their photo ever lay."""


@dataclass(slots=True)
class _Reading:
    """What was understood so far: (head, content key) → (line, said, path)."""

    said: dict[tuple[str, str], tuple[int, str, str]] = field(default_factory=dict)
    problems: list[LineProblem] = field(default_factory=list)
    disputed: set[tuple[str, str]] = field(default_factory=set)
    blank: int = 0

    def leave_out(self, line: int, what: str) -> None:
        self.problems.append(LineProblem(line, what))

    def note(self, line: int, head: str, key: str, said: str, path: str) -> None:
        """Take what a line says; two lines that disagree are both left out."""
        first_line, first_said, _ = self.said.setdefault((head, key), (line, said, path))
        if first_said != said:
            self.disputed.add((head, key))
            self.leave_out(line, f"{path}: “{said}”, but line {first_line} says “{first_said}”; neither is used")

    def undisputed(self) -> Iterator[tuple[str, str, str, str]]:
        """(head, content key, said, path)"""
        for (head, key), (_, said, path) in self.said.items():
            if (head, key) not in self.disputed:
                yield head, key, said, path


class _Finder:
    """Finds the photo that a file's line names: absolute, or relative to the file's folder or a library's root."""

    def __init__(self, session: Session, folder: Path) -> None:
        self._catalog = session.catalog
        self._folders = [str(folder), *(str(library.root) for library in session.config.library)]

    def find(self, name: str) -> tuple[str, str] | None:
        """(content key, path), or None if keeprate knows no such photo."""
        paths = [
            os.path.normpath(os.path.join(folder, spelling))
            for spelling in _spellings(name.strip())
            for folder in self._folders
        ]
        known = files.content_keys_at(self._catalog, paths)
        for path in paths:
            if path in known:
                return known[path], path
        for path in paths:  # another name of a photo that a library has
            if Path(path).is_file() and (key := self._key_of(path)) is not None:
                return key, path
        return None

    def _key_of(self, path: str) -> str | None:
        try:
            key = content_key(Path(path))
        except OSError:
            return None
        known = self._catalog.conn.execute("SELECT 1 FROM photos WHERE content_key = ?", (key,)).fetchone()
        return key if known else None


def _spellings(name: str) -> list[str]:
    """The name as it stands, as other systems would have spelled its letters, and with their slashes."""
    spellings = [name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)]
    if not name.isascii():  # letters that are no UTF-8: saved by a program that writes Windows' western letters
        spellings.append(os.fsencode(name).decode("cp1252", "replace"))
    if "\\" in name:
        spellings += [spelling.replace("\\", "/") for spelling in spellings]
    return list(dict.fromkeys(spellings))


def import_labels(session: Session, file: Path, head: str | None = None, *, dry_run: bool = False) -> ImportOutcome:
    """Take over labels from a CSV, or scores from a `score.json`.

    A CSV has a header. `image,label`: for `head`, or the only one there is. `image,head,label`: the head of each line
    (with `head`: only those of it). `image,HEAD,HEAD…`: a column a head, empty cells say nothing.

    Raises:
        UsageError: there is no such file or head, or the header says something else.
    """
    session.heads(head)
    file = expanded(file).absolute()
    try:
        data, _ = read_file(file, maximum_bytes=LARGEST_FILE_BYTES)
    except OSError as error:
        raise UsageError(f"The file cannot be read: {error.strerror or error}.", path=file) from error
    finder = _Finder(session, file.parent)
    if file.suffix.lower() == ".json" or data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return _import_scores(session, file, data, _only_head(session, head), finder, dry_run=dry_run)
    reading = _Reading()
    for line, name, of_head, said in _statements(session, file, data, head, reading):
        bucket = _bucket(session, of_head, said)
        found = finder.find(name)
        if found is None:
            reading.leave_out(line, f"{name}: no library has this photo (`keeprate scan` finds new ones)")
        elif bucket is None:
            known = ", ".join(session.heads(of_head)[of_head])
            reading.leave_out(line, f"{name}: “{said}” is no bucket of the head “{of_head}” ({known})")
        else:
            reading.note(line, of_head, found[0], bucket, found[1])
    now = time.time()
    standing = {name: labels.current(session.catalog, name) for name in session.heads()}
    besides = {name: labels.said_besides(session.catalog, name) for name in session.heads()}
    new = [
        Label(key, of_head, bucket, LabelSource.CSV, now, path)
        for of_head, key, bucket, path in reading.undisputed()
        if (before := standing[of_head].get(key)) is None
        or before.bucket != bucket
        or besides[of_head].get(key, before).bucket != bucket  # the opposite would count again after a move
    ]
    if new and not dry_run:
        with session.catalog.db.atomic():
            labels.append(session.catalog, new)
    return _outcome(file, "labels", [label.head for label in new], reading, dry_run=dry_run)


def _outcome(file: Path, kind: str, heads: Sequence[str], reading: _Reading, *, dry_run: bool) -> ImportOutcome:
    return ImportOutcome(
        file=str(file),
        kind=kind,
        imported={head: heads.count(head) for head in dict.fromkeys(heads)},
        unchanged=len(reading.said) - len(reading.disputed) - len(heads),
        blank=reading.blank,
        problems=tuple(sorted(reading.problems, key=lambda problem: problem.line)),
        dry_run=dry_run,
    )


def _only_head(session: Session, head: str | None) -> str:
    names = list(session.heads(head))
    if len(names) != 1:
        session.libraries()  # says that there is none
        raise UsageError(
            f"The file does not say which head it is about, and there are {len(names)}.",
            advice=f"Say --head with one of {', '.join(names)}.",
        )
    return names[0]


def _bucket(session: Session, head: str, said: str) -> str | None:
    buckets = session.heads(head)[head]
    if said in buckets:
        return said
    return next((bucket for bucket in buckets if bucket.casefold() == said.casefold()), None)


def _statements(
    session: Session, file: Path, data: bytes, head: str | None, reading: _Reading
) -> Iterator[tuple[int, str, str, str]]:
    """(line, image, head, what it says) of every cell that says something."""
    rows = _rows(file, data)
    names = [name.strip() for name in next(rows, (0, []))[1]]
    lowered = [name.casefold() for name in names]
    image = next((lowered.index(name) for name in IMAGE_COLUMNS if name in lowered), None)
    if image is None:
        raise UsageError(
            f"The first line names no column “{IMAGE_COLUMNS[0]}”.",
            advice="It should be `image,label`, `image,head,label`, or `image` and a column for each head.",
            path=file,
        )
    heads = session.heads()
    if "label" in lowered:
        columns = {lowered.index("label"): ""}
    else:
        columns = {column: name for column, name in enumerate(names) if name in heads}
        if not columns:
            raise UsageError(
                "The first line names neither a column “label” nor a head.",
                advice=f"Heads are: {', '.join(heads) or 'none'}.",
                path=file,
            )
        unknown = [name for column, name in enumerate(names) if column != image and column not in columns]
        if unknown:
            reading.leave_out(1, f"no heads, and not read: {', '.join(unknown)}")
    head_column = lowered.index("head") if "head" in lowered and "" in columns.values() else None
    only = _only_head(session, head) if head_column is None and "" in columns.values() else None
    for line, row in rows:
        cells = [*row, *[""] * (len(names) - len(row))]
        if not cells[image].strip():
            if any(cell.strip() for cell in cells):
                reading.leave_out(line, "names no photo")
            continue
        for column, name in columns.items():
            of_head = name or only or cells[head_column or 0].strip()
            said = cells[column].strip()
            if not said:
                reading.blank += 1
            elif of_head not in heads:
                reading.leave_out(line, f"{cells[image]}: there is no head called “{of_head}”")
            elif head is None or of_head == head:
                yield line, cells[image], of_head, said


def _rows(file: Path, data: bytes) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of a CSV: commas, semicolons or tabs, with or without a byte order mark."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", "replace")
    else:
        text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise UsageError(f"Line {reader.line_num} is no CSV: {error}.", path=file) from error


def _import_scores(
    session: Session, file: Path, data: bytes, head: str, finder: _Finder, *, dry_run: bool
) -> ImportOutcome:
    reading = _Reading()
    entries = _entries(file, data)
    for number, (name, value) in enumerate(entries.items(), start=1):
        if name.startswith("#"):
            continue  # "#meta#": how often it was asked
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            reading.leave_out(number, f"{name}: {value!r} is no number")
        elif value == 0:
            reading.blank += 1  # there, a photo that was never compared has 0
        elif (found := finder.find(name)) is None:
            reading.leave_out(number, f"{name}: no library has this photo (`keeprate scan` finds new ones)")
        else:
            reading.note(number, head, found[0], repr(float(value)), found[1])
    standing = given_scores.current(session.catalog, head)
    now = time.time()
    new = [
        GivenScore(key, head, float(said), SCORE_SOURCE, now, path)
        for _, key, said, path in reading.undisputed()
        if key not in standing or standing[key].score != float(said)
    ]
    if new and not dry_run:
        with session.catalog.db.atomic():
            given_scores.append(session.catalog, new)
    return _outcome(file, "scores", [head] * len(new), reading, dry_run=dry_run)


def _entries(file: Path, data: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(data.decode("utf-8-sig", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"The file is no JSON: {error}.", path=file) from error
    if not isinstance(found, dict):
        raise UsageError("The file holds no object of paths and scores.", path=file)
    return found


def export_labels(session: Session, file: Path, head: str | None = None) -> ExportOutcome:
    """Write the labels that count as CSV (`image,head,label,source,at`) that `import_labels` reads back.

    Raises:
        UsageError: there is no such head, or something stands at `file` already: it is left alone.
        KeeprateError: it cannot be written.
    """
    file = expanded(file).absolute()
    target = io.StringIO(newline="")
    writer = csv.writer(target)
    writer.writerow(["image", "head", "label", "source", "at"])
    written = nowhere = 0
    for name in session.heads(head):
        for label in labels.current(session.catalog, name).values():
            path = _last_place(session, label)
            if path is None:
                nowhere += 1
                continue
            writer.writerow([path, name, label.bucket, label.source, f"{label.at:.3f}"])
            written += 1
    try:
        create_file(file, target.getvalue().encode("utf-8", "surrogateescape"))
    except FileExistsError as error:
        raise UsageError("There is a file already; it was left as it is.", path=file) from error
    except OSError as error:
        raise KeeprateError(f"The file cannot be written: {error.strerror or error}.", path=file) from error
    return ExportOutcome(str(file), written, nowhere)


def _last_place(session: Session, label: Label) -> str | None:
    """Where the photo lies, or lay when it was last seen, or when it was labelled."""
    lying = files.of_photo(session.catalog, label.content_key)
    if lying:
        return lying[0].path
    gone = session.catalog.conn.execute(
        "SELECT path FROM files WHERE content_key = ? ORDER BY gone_at DESC LIMIT 1", (label.content_key,)
    ).fetchone()
    return gone[0] if gone else None
