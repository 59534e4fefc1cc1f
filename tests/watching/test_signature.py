from __future__ import annotations

import os
import sqlite3

import pytest

from keeprate.watching.signature import Signature, signature_of


def status(inode: int) -> os.stat_result:
    values = [0o100644, inode, 1, 1, 0, 0, 5, 0, 0, 0, 0.0, 0.0, 0.0, 0, 7, 9]
    return os.stat_result(values)


@pytest.mark.parametrize(("inode", "stored"), [(1, 1), (2**63 - 1, 2**63 - 1), (2**63, -(2**63)), (2**64 - 1, -1)])
def test_every_inode_fits_into_sqlite(inode: int, stored: int) -> None:
    signature = signature_of(status(inode))
    assert signature == Signature(size=5, mtime_ns=7, ctime_ns=9, inode=stored)
    assert sqlite3.connect(":memory:").execute("SELECT ?", (signature.inode,)).fetchone() == (stored,)
