"""What a kill in the middle of a write leaves open is closed so that undo still finds what is ours."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.catalog import journal, runs
from keeprate.config.load import load_config
from keeprate.service.journalling import settle_planned
from keeprate.service.scanning import scan_library
from keeprate.service.session import Session
from support.photos import write_photos

BEFORE, AFTER, CHANGED = 1_000_000_000, 2_000_000_000, 3_000_000_000


@pytest.mark.parametrize(("stands", "state"), [(BEFORE, "dropped"), (AFTER, "done"), (CHANGED, "done")])
def test_an_open_entry_is_settled_by_what_stands(session: Session, root: Path, stands: int, state: str) -> None:
    (photo,) = write_photos(root / "in", range(1))
    os.utime(photo, ns=(stands, stands))
    session = replace(session, config=load_config(session.home.config_file))
    scan_library(session, session.config.library[0])
    change = journal.Planned(photo, "mtime", None, str(BEFORE).encode(), str(AFTER).encode())
    run = runs.begin(session.catalog, "write")
    journal.plan(session.catalog, [change], run_id=run, library="camera", manager="order")
    settle_planned(session)
    assert journal.planned(session.catalog) == []
    assert [entry.state for entry in journal.standing(session.catalog)] == (["done"] if state == "done" else [])
