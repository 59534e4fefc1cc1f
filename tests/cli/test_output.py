from __future__ import annotations

import os

import pytest
from rich.table import Table

from keeprate.cli.output import print_table, printable


def test_what_a_terminal_would_obey_is_replaced() -> None:
    assert printable("clip\x1b[31m\x07 größer\x9b2J\x7f\r") == "clip�[31m� größer�2J��"
    assert printable("one\n\ttwo") == "one\n\ttwo"
    assert printable(os.fsdecode(b"odd \xff name")) == "odd � name"


def test_names_in_tables_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("Name", box=None)
    table.add_row("[/red] [bold]x :smile:")
    print_table(table)
    assert "[/red] [bold]x :smile:" in capsys.readouterr().out
