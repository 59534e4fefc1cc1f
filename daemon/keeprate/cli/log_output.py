"""Where the log of `keeprate run` goes: the terminal, the journal, or a file that is turned over before it grows.

Whoever listens decides: systemd's journal adds the time itself and wants the level as `<6>` before each line; a
terminal needs the time of day; where neither is there (launchd, a pipe, cron), nobody else may keep the lines, so they
go into a file as well.
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import sys
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from keeprate.cli.log_lines import FILES_KEPT, PRIORITIES, LogFormat, LogLine, as_json, as_text, line_of, stamped
from keeprate.errors import KeeprateError
from keeprate.paths import Home, make_own_folder, open_private, write_private

NOTE = "log-file"
"""In the state folder: the path of the file that the daemon logs to, for `keeprate logs`; empty: to none."""
FILE_BYTES = 5_000_000


class _Lines(logging.Formatter):
    """Writes records in one of the ways below."""

    def __init__(self, form: LogFormat, *, where: str) -> None:
        super().__init__()
        self._form = form
        self._where = where

    def format(self, record: logging.LogRecord) -> str:
        line = line_of(record)
        if self._where == "journal":
            return self._for_journal(line)
        if self._form is LogFormat.json:
            return as_json(line)
        if self._where == "terminal":
            clock = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
            return f"{clock} {line.level.upper():<7} {as_text(line)}"
        return stamped(line)

    def _for_journal(self, line: LogLine) -> str:
        text = as_json(line) if self._form is LogFormat.json else as_text(line)
        return "\n".join(f"<{PRIORITIES[line.level]}>{one}" for one in text.split("\n"))


class _PrivateFile(logging.handlers.RotatingFileHandler):
    """It names photos, so nobody else on the machine may read it. One that is there keeps its permissions."""

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding=self.encoding, errors=self.errors, opener=open_private)


def set_up_log(
    *, form: LogFormat, verbose: bool, file: Path | None, usual_file: Path, stream: TextIO | None = None
) -> Path | None:
    """Send what is logged to where it belongs; returns the file that is written, if any.

    Raises:
        KeeprateError: the file cannot be written.
    """
    stream = stream or sys.stderr
    where = "journal" if is_journal(stream) else "terminal" if stream.isatty() else "pipe"
    if file is None and where == "pipe":
        file = usual_file
    handlers: list[logging.Handler] = [logging.StreamHandler(stream)]
    handlers[0].setFormatter(_Lines(form, where=where))
    if file is not None:
        handlers.append(_turned_over(file, form))
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    for chatty in ("apscheduler", "watchdog", "uvicorn", "asyncio", "httpx2", "PIL", "tzlocal"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.raiseExceptions = False  # a full disk or a closed terminal costs lines of the log, and nothing else
    return file


def note_file(home: Home, file: Path | None) -> None:
    """Note for `noted_file` where the daemon that starts now writes its log; None: into no file."""
    with contextlib.suppress(OSError):  # on a full disk it works all the same
        make_own_folder(home.state_dir)
        write_private(home.state_dir / NOTE, b"" if file is None else os.fsencode(file))


def noted_file(home: Home) -> Path | None:
    """Where the last daemon wrote its log; None: into no file."""
    try:
        noted = (home.state_dir / NOTE).read_bytes()
    except OSError:
        return home.log_file
    return Path(os.fsdecode(noted)) if noted else None


def _turned_over(file: Path, form: LogFormat) -> logging.Handler:
    try:
        make_own_folder(file.parent)
        handler = _PrivateFile(
            file, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8", errors="backslashreplace"
        )
    except OSError as error:
        raise KeeprateError(f"The log file cannot be written: {error.strerror}.", path=file) from error
    handler.setFormatter(_Lines(form, where="file"))
    return handler


def is_journal(stream: TextIO) -> bool:
    """Whether what is written there goes straight into systemd's journal (systemd.exec(5), `$JOURNAL_STREAM`)."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))
