"""Tests of keeprate_xmp.guards: the clock, and files that are only half here."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.safe_files import file_state
from keeprate_xmp.guards import is_placeholder, reason_to_leave

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("age_s", "minimum_age_s", "left"),
    [(0, 5, True), (4, 5, True), (6, 5, False), (-3, 5, True), (-3000, 5, False), (0, 0, False), (-3, 0, False)],
)
def test_what_changed_a_moment_ago_is_left(tmp_path: Path, age_s: float, minimum_age_s: float, left: bool) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x")
    state = file_state(path)
    assert state is not None
    aged = replace(state, ctime_ns=time.time_ns() - int(age_s * SECOND))
    reason = reason_to_leave(path, aged, root=tmp_path.resolve(), minimum_age_s=minimum_age_s)
    assert (reason is not None) is left


def test_an_old_modification_time_does_not_make_a_file_old(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x")
    os.utime(path, (0, 0))
    state = file_state(path)
    assert state is not None
    assert reason_to_leave(path, state, root=tmp_path.resolve(), minimum_age_s=5) is not None


def test_placeholders(tmp_path: Path) -> None:
    here, away = tmp_path / "here", tmp_path / "away"
    here.write_bytes(bytes(1 << 17))
    away.touch()
    os.truncate(away, 1 << 17)
    if away.stat().st_blocks:
        pytest.skip("no sparse files here")
    assert not is_placeholder(here)
    assert is_placeholder(away)
    assert not is_placeholder(tmp_path / "gone")
