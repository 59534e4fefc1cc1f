"""What goes to people and to scripts: answers on stdout (`--json` as one document), everything else on stderr."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from keeprate.errors import KeeprateError
    from keeprate.steps.session import Progress, Reporter

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
LibraryOption = Annotated[str | None, typer.Option("--library", "-l", help="Only this library.")]
HeadOption = Annotated[str | None, typer.Option("--head", help="Only this head.")]

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All but line feed and tab: a terminal would obey them."""
PLAIN_LINE_EVERY_S = 5.0
"""How often a progress line is printed where there is no terminal."""


def printable(text: str) -> str:
    """`text` with bytes that are no UTF-8 (odd file names) and control characters (names from strangers) as �."""
    return _CONTROLS.sub("�", text if text.isascii() else os.fsencode(text).decode("utf-8", "replace"))


def print_json(value: Any) -> None:
    """One JSON document on stdout; dataclasses become objects."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    sys.stdout.write(json.dumps(value, indent=2, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


def print_table(table: Table) -> None:
    from rich.console import Console

    Console(markup=False, emoji=False).print(table)  # names are somebody else's


def say(text: str, *, quiet: bool = False) -> None:
    """A sentence for the person, on stdout."""
    if not quiet:
        typer.echo(printable(text))


def print_error(error: KeeprateError) -> None:
    """What happened, to which file, what to do."""
    lines = [f"keeprate: {error.what}"]
    if error.path is not None:
        lines.append(f"  file: {error.path}")
    if error.advice:
        lines.append(f"  {error.advice}")
    typer.echo(printable("\n".join(lines)), err=True)


_TITLES = {
    "scan": "Looking at folders", "read": "Reading new files", "embed": "Embedding", "train": "Training",
    "score": "Scoring", "group": "Comparing", "marks": "Reading stars and flags", "undo": "Taking marks back",
}  # fmt: skip


@contextmanager
def progress_shown(*, quiet: bool) -> Iterator[Reporter]:
    """A reporter that draws bars on a terminal (counts, rate, time left) and prints plain lines elsewhere."""
    from keeprate.steps.session import Reporter

    if quiet:
        yield Reporter()
    elif sys.stderr.isatty():
        with _bars() as draw:
            yield Reporter(draw)
    else:
        yield Reporter(_PlainLines().show)


@contextmanager
def _bars() -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Bars(*columns, console=Console(stderr=True), transient=False) as bars:
        known: dict[str, Any] = {}

        def draw(progress: Progress) -> None:
            if progress.step not in known:
                title = _TITLES.get(progress.step, progress.step.capitalize())
                known[progress.step] = bars.add_task(title, total=progress.total, rate="", note="")
            task = known[progress.step]
            speed = bars.tasks[task].speed
            bars.update(
                task, completed=progress.done, total=progress.total, note=progress.note,
                rate=f"{speed:.1f}/s" if speed else "",
            )  # fmt: skip

        yield draw


class _PlainLines:
    """Progress where there is no terminal: a line now and then, and one at the end of each step."""

    def __init__(self) -> None:
        self._printed_at: dict[str, float] = {}
        self._began_at: dict[str, float] = {}

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        began = self._began_at.setdefault(progress.step, now)
        complete = progress.total is not None and progress.done >= progress.total
        if not complete and now - self._printed_at.get(progress.step, began) < PLAIN_LINE_EVERY_S:
            return
        self._printed_at[progress.step] = now
        title = _TITLES.get(progress.step, progress.step.capitalize())
        of = "" if progress.total is None else f" of {progress.total}"
        rate = f", {progress.done / (now - began):.1f}/s" if now - began > 1 and progress.done else ""
        print(f"{title}: {progress.done}{of}{rate} {progress.note}".rstrip(), file=sys.stderr, flush=True)
