"""Files that a command was asked to write its answer to: `--csv FILE`, `--plot FILE`.

An earlier answer in the same place is replaced; a file that is no answer of ours is not: a slip of the finger must not
cost a photo.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from keeprate.cli.output import printable
from keeprate.errors import UsageError
from keeprate.safe_files import replace_file

LOOKED_AT_BYTES = 4096


def check_answer_file(path: Path, mark: bytes) -> None:
    """Refuse early what `write_answer` would refuse.

    Raises:
        UsageError: the folder is missing, or another file stands there that does not hold `mark` near its begin.
    """
    if not path.parent.is_dir():
        raise UsageError("There is no such folder to write to.", path=path.parent)
    if not path.exists():
        return
    if path.is_file():
        with path.open("rb") as stream:
            if mark in stream.read(LOOKED_AT_BYTES):
                return
    raise UsageError(
        "There is something else at this place, and it stays.", path=path, advice="Choose another name, or remove it."
    )


def write_answer(path: Path, data: bytes, mark: bytes) -> None:
    """Write `data`, which holds `mark` near its begin, atomically.

    Raises:
        UsageError: see `check_answer_file`.
        OSError: it cannot be written.
    """
    check_answer_file(path, mark)
    replace_file(path, data)


def csv_header(columns: Sequence[str]) -> bytes:
    """The first line of a CSV file: by it an earlier answer is recognised."""
    return _csv([columns])


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV file (UTF-8, bytes of odd file names as �).

    Raises:
        UsageError: something stands at `path` that begins with other columns.
        OSError: it cannot be written.
    """
    write_answer(path, _csv([columns, *rows]), csv_header(columns[:2])[:-2])


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([[printable(value) for value in row] for row in rows])
    return text.getvalue().encode()
