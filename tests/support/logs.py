"""What a daemon's log says of its work."""

from __future__ import annotations

import re
from pathlib import Path

from support.commands import connected
from support.waiting import let_pass, wait_until


def told_of(log: Path, event: str) -> int:
    """The sum of what the events of this name have counted."""
    return sum(int(count) for count in re.findall(rf"\[{re.escape(event)} [^\]]*\bcount=(\d+)", log.read_text()))


def comes_to_rest(log: Path) -> None:
    """Wait until the daemon has nothing to do, and does not find something again by itself."""
    with connected() as client:

        def rests() -> bool:
            before = log.read_text()
            let_pass(2)
            return client.live().state == "idle" and log.read_text() == before

        wait_until(rests, what="it comes to rest")
