"""`logs`: what the daemon has said, out of the journal or out of its log file, whichever has it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from keeprate.cli import log_lines
from keeprate.cli.log_lines import FILES_KEPT, PRIORITIES, LogLine, as_text, read_line, read_message
from keeprate.errors import KeeprateError, UsageError
from keeprate.paths import Home

LOOKED_AGAIN_AFTER_S = 0.3
LEVELS_OF_PRIORITIES = {str(priority): level for level, priority in PRIORITIES.items()} | {
    "0": "error", "1": "error", "2": "error", "5": "info",
}  # fmt: skip


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Look")(logs)


def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    count: Annotated[int, typer.Option("--lines", "-n", min=0, help="So many of the last ones.")] = 100,
    since: Annotated[
        str | None, typer.Option(help="Everything since then: “2h” (two hours ago), “2026-11-21”, “2026-11-21 14:30”.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts, one object a line.")] = False,
) -> None:
    """What the daemon has said: from the journal if it is a service of systemd, else from its log file."""
    from keeprate.paths import locate_home

    show_logs(locate_home(), follow=follow, count=count, since=since, as_json=as_json)


def show_logs(home: Home, *, follow: bool, count: int, since: str | None, as_json: bool) -> None:
    """Print the last lines, or (`since`) all from then on.

    Raises:
        UsageError: `since` is no time.
        KeeprateError: nobody has kept anything.
    """
    after = None if since is None else _parsed_since(since, now=time.time())
    unit = _unit_in_journal(home)
    try:
        lines = (
            _of_journal(unit, follow=follow, count=count, after=after)
            if unit is not None
            else _of_files(home, follow=follow, count=count, after=after)
        )
        for line in lines:
            typer.echo(log_lines.as_json(line) if as_json else for_people(line))
    except KeyboardInterrupt:
        if not follow:
            raise


def for_people(line: LogLine) -> str:
    at = "" if line.at is None else f"{datetime.fromtimestamp(line.at):%Y-%m-%d %H:%M:%S} "
    return f"{at}{line.level.upper():<7} {as_text(line)}"


def _parsed_since(text: str, *, now: float) -> float:
    from keeprate.config.durations import parse_duration

    with suppress(ValueError):
        return now - parse_duration(text).total_seconds()
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no time.", advice="Write how long ago (“90s”, “2h”, “3d”), or a date: “2026-11-21 14:30”."
        ) from error


# ---- the journal ----


def _unit_in_journal(home: Home) -> str | None:
    """The unit whose lines are in the journal; None: a daemon that was started otherwise keeps them itself."""
    if shutil.which("journalctl") is None:
        return None
    from keeprate.installation.state import service_state

    state = service_state(home)
    here = state.kind == "systemd" and state.installed and state.other_daemon is None
    return state.unit if here else None


def _of_journal(unit: str, *, follow: bool, count: int, after: float | None) -> Iterator[LogLine]:
    import subprocess

    # not `--user`: that looks into the user's own journal files alone, and journald need not make any
    command = ["journalctl", f"--user-unit={unit}", "--output", "json", "--no-pager", "--quiet"]
    command += ["--lines", str(count)] if after is None else ["--since", f"@{after:.6f}"]
    if follow:
        command += ["--follow"] if after is None else ["--follow", "--no-tail"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101 (it is a pipe)
        try:
            for text in process.stdout:
                if (line := journal_line(text)) is not None:
                    yield line
        finally:
            process.terminate()


def journal_line(text: bytes) -> LogLine | None:
    """An entry of `journalctl --output json` (systemd.journal-fields(7)); None: it has no message."""
    try:
        entry: dict[str, Any] = json.loads(text)
    except ValueError:
        return None
    message = entry.get("MESSAGE")
    if isinstance(message, list):  # bytes that are not all printable
        message = bytes(message).decode("utf-8", "replace")
    if not isinstance(message, str):
        return None
    at = int(entry.get("__REALTIME_TIMESTAMP", 0)) / 1e6
    return read_message(message, at=at, level=LEVELS_OF_PRIORITIES.get(str(entry.get("PRIORITY")), "info"))


# ---- the log file ----


def _of_files(home: Home, *, follow: bool, count: int, after: float | None) -> Iterator[LogLine]:
    current = _log_file(home)
    files = [
        one
        for one in (*(current.with_name(f"{current.name}.{number}") for number in range(FILES_KEPT, 0, -1)), current)
        if one.is_file()
    ]
    if not files and not follow:
        raise _nothing_kept(home)
    seen = current.stat() if current.is_file() else None
    kept = deque(_records(_text_of(files)), maxlen=count if after is None else None)
    yield from (line for record in kept if (line := _read(record)) and (after is None or (line.at or 0) >= after))
    if follow:
        began = (seen.st_ino, seen.st_size) if seen else (0, 0)
        for batch in _coming(current, *began):
            yield from (line for record in _records(batch) if (line := _read(record)))


def _log_file(home: Home) -> Path:
    """Of the daemon that runs; else of the last one that kept one.

    Raises:
        KeeprateError: one runs that writes none.
    """
    from keeprate.cli.log_output import noted_file
    from keeprate.steps.lock import lock_holder

    noted = noted_file(home)
    if noted is None and lock_holder(home.daemon_lock_file) is not None:
        raise _nothing_kept(home)
    return noted or home.log_file


def _nothing_kept(home: Home) -> KeeprateError:
    from keeprate.installation.state import how_to_start
    from keeprate.steps.lock import lock_holder

    pid = lock_holder(home.daemon_lock_file)
    if pid is not None:
        return KeeprateError(
            f"The daemon (process {pid}) keeps no log file: it writes to the terminal that it was started in.",
            advice="`keeprate run --log-file FILE` writes one.",
        )
    return KeeprateError(
        "Nothing has been kept of what the daemon said: it has not run yet, or in a terminal.",
        advice=how_to_start(home),
        path=home.log_file,
    )


def _text_of(files: Iterable[Path]) -> Iterator[str]:
    for path in files:
        with suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace", newline="\n") as handle:
            for text in handle:
                yield text.rstrip("\n")


def _records(lines: Iterable[str]) -> Iterator[list[str]]:
    """Lines that belong together: a traceback is indented below what it explains."""
    held: list[str] = []
    for text in lines:
        if text.startswith(" ") and held:
            held.append(text)
            continue
        if held:
            yield held
        held = [text] if text else []
    if held:
        yield held


def _read(record: list[str]) -> LogLine | None:
    line = read_line(record[0])
    if line is None:
        return None
    return line if len(record) == 1 else LogLine(
        line.at, line.level, line.sentence, line.event, line.data, tuple(one.strip() for one in record[1:])
    )  # fmt: skip


def _coming(path: Path, inode: int, offset: int) -> Iterator[list[str]]:
    """What is written to the file from there on, as it comes, also after it was turned over."""
    handle = None
    rest = b""
    try:
        while True:
            if handle is None:
                with suppress(FileNotFoundError):
                    handle = path.open("rb")
                    handle.seek(offset if os.fstat(handle.fileno()).st_ino == inode else 0)
            if handle is not None:
                *whole, rest = (rest + handle.read()).split(b"\n")
                if whole:
                    yield [text.decode("utf-8", "replace") for text in whole]
                    continue
                if _turned_over(path, os.fstat(handle.fileno()).st_ino):
                    handle.close()
                    handle, inode = None, 0
                    continue
            time.sleep(LOOKED_AGAIN_AFTER_S)
    finally:
        if handle is not None:
            handle.close()


def _turned_over(path: Path, inode: int) -> bool:
    try:
        return path.stat().st_ino != inode
    except FileNotFoundError:
        return True
