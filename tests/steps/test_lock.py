"""Who holds a lock: known by the file, by the kernel, or not at all, and never taken for nobody."""

from __future__ import annotations

import fcntl
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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux")
def test_who_looks_for_long_keeps_nobody_from_taking_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a process may be put aside while it looks, for seconds."""
    path = tmp_path / "lock"
    naps: list[None] = []
    path.write_text("4194305")  # of a holder that was killed
    looking = os.open(path, os.O_RDWR)
    fcntl.flock(looking, fcntl.LOCK_SH)

    def nap(_: float) -> None:
        naps.append(None)
        if len(naps) == 100:
            os.close(looking)

    monkeypatch.setattr("keeprate.steps.lock.time.sleep", nap)
    with hold_lock(path):
        assert len(naps) == 100
        assert lock_holder(path) == os.getpid()
        with pytest.raises(BusyError), hold_lock(path):
            pytest.fail("it is held")
    assert len(naps) == 110, "who really holds it is not waited for"
