"""Who holds a lock: known by the file, by the kernel, or not at all, and never taken for nobody."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from keeprate.errors import BusyError
from keeprate.steps import lock
from keeprate.steps.lock import UNKNOWN, hold_lock, lock_holder


def test_a_free_lock_has_no_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert lock_holder(path) is None
    with hold_lock(path):
        assert lock_holder(path) == os.getpid()
    assert lock_holder(path) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux")
def test_a_holder_that_could_not_write_its_pid_is_known_to_the_kernel(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with hold_lock(path):
        path.write_bytes(b"")  # as on a full disk
        assert lock_holder(path) == os.getpid()
        with pytest.raises(BusyError, match=rf"\(process {os.getpid()}\)"), hold_lock(path):
            pytest.fail("it is held")


def test_a_holder_that_nobody_can_name_is_a_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    monkeypatch.setattr(lock, "LOCKS", tmp_path / "none")
    with hold_lock(path):
        path.write_bytes(b"")
        assert lock_holder(path) == UNKNOWN
        assert lock_holder(path) is not None
        with pytest.raises(BusyError, match=r"at work here\.$"), hold_lock(path):
            pytest.fail("it is held")
