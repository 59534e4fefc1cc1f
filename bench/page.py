"""Figures as tables: in the terminal, and as the page docs/measured.md."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from figures import Bench, Figure, Table, Values

SHOWN_VERSIONS = ("keeprate", "numpy", "pillow", "torch", "transformers", "sqlite-utils", "watchdog")

INTRODUCTION = (
    "By `make bench`; `bench/run.py --markdown docs/measured.md` writes this page. Absolute figures drift with the "
    "machine and with what else runs on it; ratios, which are measured in pairs close together, hold."
)
WIDTH_OF_A_FILE = 140


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one bench: its figures and tables, or why there are none."""

    bench: Bench
    values: Values
    tables: tuple[Table, ...] = ()
    problem: str | None = None
    lacking: bool = False
    """Whether it could not run because this machine lacks something that it need not have."""

    def musts(self) -> list[Figure]:
        return [figure for figure in self.bench.figures if figure.must]

    def missed(self) -> list[Figure]:
        """Musts that were not reached; those that were not measured are not among them."""
        return [
            figure
            for figure in self.musts()
            if figure.key in self.values and not figure.reached(self.values[figure.key])
        ]

    def must_rows(self, *, judged: bool) -> list[tuple[str, ...]]:
        """what, measured, must, ok"""
        rows: list[tuple[str, ...]] = []
        for figure in self.musts():
            value = self.values.get(figure.key)
            if value is None:
                rows.append((figure.what, "not measured", figure.must, "–"))
            else:
                ok = ("yes" if figure.reached(value) else "NO") if judged else "–"
                rows.append((figure.what, figure.shown(value), figure.must, ok))
        return rows

    def detail_rows(self) -> list[tuple[str, ...]]:
        return [
            (figure.what, figure.shown(self.values[figure.key]))
            for figure in self.bench.figures
            if figure.key in self.values
        ]


MUST_COLUMNS = ("what", "measured", "must", "ok")


def summary(results: Sequence[Result], *, judged: bool) -> Table:
    return Table(MUST_COLUMNS, tuple(row for result in results for row in result.must_rows(judged=judged)))


def details(result: Result) -> tuple[Table, ...]:
    rows = tuple(result.detail_rows())
    return ((Table(("what", "measured"), rows),) if rows else ()) + result.tables


def print_results(results: Sequence[Result], *, judged: bool) -> None:
    """Everything, for a person at a terminal."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE)
    if not judged:
        console.print("Small sizes, whatever the words below say; nothing is judged.\n")
    for result in results:
        for table in details(result):
            console.print(_drawn(table, result.bench.title))
        if result.problem is not None:
            console.print(f"{result.bench.title}: {result.problem}", style="yellow", markup=False)
        console.print()
    console.print(_drawn(summary(results, judged=judged), "What must be reached"))


def _drawn(table: Table, title: str) -> RichTable:
    drawn = RichTable(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(table.columns):
        drawn.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    for row in table.rows:
        drawn.add_row(*row, style="red" if row[-1] == "NO" else None)
    return drawn


def as_markdown(results: Sequence[Result]) -> str:
    """The whole page."""
    parts = [
        "# Measured",
        INTRODUCTION,
        f"{datetime.now(UTC):%Y-%m-%d}, {machine()}.",
        "## What must be reached",
        _markdown_table(summary(results, judged=True)),
    ]
    for result in results:
        parts += [f"## {result.bench.title}", result.bench.method]
        parts += [_markdown_table(table) for table in details(result)]
        if result.problem is not None:
            parts.append(f"*{result.problem}*")
        parts.append(f"`{command(result.bench)}`")
    return "\n\n".join(parts) + "\n"


def command(bench: Bench) -> str:
    """How to measure this alone."""
    return " ".join(("python", f"bench/{bench.file_name}", *bench.arguments))


def _markdown_table(table: Table) -> str:
    rule = ["---", *["---:"] * (len(table.columns) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (table.columns, rule, *table.rows))


def machine() -> str:
    """Processor, cores, memory, system and versions, in one sentence part."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = [f"{name} {_version(name)}" for name in SHOWN_VERSIONS]
    return (
        f"{_processor()}, {cores} cores, {memory:.0f} GB of memory, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {', '.join(versions)}"
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.processor() or "unknown processor"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
