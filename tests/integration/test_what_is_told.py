"""Whoever follows the events of a daemon knows at any time what it does: the tray and the page show nothing else."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from keeprate.api.client import DaemonClient
from keeprate.paths import locate_home
from keeprate.service.events import Event
from support.commands import daemon, keeprate, set_quick
from support.photos import write_photos
from support.waiting import join, wait_until

pytestmark = pytest.mark.slow


def test_the_last_that_was_told_is_how_things_stand(tmp_path: Path, home: Path) -> None:
    write_photos(tmp_path / "Photos", range(4))
    keeprate("init", tmp_path / "Photos")
    set_quick(home)
    with daemon(tmp_path / "log"):
        found = DaemonClient.connect(locate_home())
        assert found is not None
        told: list[Event] = []

        def follow(client: DaemonClient) -> None:
            for event in client.events(after=0):
                told.append(event)  # noqa: PERF402 (at once, not at the end)

        def is_told() -> bool:
            said = [event.sentence for event in tuple(told) if event.name == "daemon.changed"]
            return bool(said) and said[-1] == found.live().sentence

        with found as client:
            thread = threading.Thread(target=follow, args=(client,))
            thread.start()
            wait_until(
                lambda: client.live().state == "idle" and is_told(), 30, what="it is told that there is nothing to do"
            )
            client.pause()
            wait_until(lambda: client.live().state == "paused" and is_told(), what="it is told that it rests")
            client.resume()
            wait_until(lambda: client.live().state == "idle" and is_told(), what="it is told that it is done again")
        join(thread)
