from __future__ import annotations

import threading

import pytest

from keeprate.api.client import DaemonClient
from keeprate.errors import DaemonNotRunningError, UsageError
from keeprate.paths import locate_home
from keeprate.service.events import Event
from support.api import serving
from support.commands import connected
from support.waiting import join, wait_until


def test_nobody_answers_where_no_daemon_is() -> None:
    assert DaemonClient.connect(locate_home()) is None


def test_what_is_asked_for_reaches_the_daemon() -> None:
    with serving() as here, connected() as client:
        assert client.live() == here.control.said
        assert client.run_job("retrain").name == "retrain"
        client.pause("write", until=2e9)
        client.pause()
        assert client.live().state == "paused"
        client.resume()
        client.resume("write")
        client.make_way("keeprate sync ö")
        client.catalog_changed()
        client.reload()
        assert [asked[0] for asked in here.control.asked] == [
            "run_job", "pause", "pause", "resume", "resume", "make_way", "catalog_changed", "reload",
        ]  # fmt: skip
        assert here.control.asked[1] == ("pause", "write", 2e9)
        assert here.control.asked[5] == ("make_way", "keeprate sync ?")


def test_status_travels_whole() -> None:
    from keeprate.service.status import status
    from keeprate.steps.session import open_session

    with serving() as here, connected() as client:
        found = client.status()
        with open_session(here.home) as session:
            assert found == status(session, None, here.control.said)


def test_a_job_that_does_not_exist_is_a_mistake_of_use() -> None:
    with serving(), connected() as client, pytest.raises(UsageError, match="no job called 'dance'"):
        client.run_job("dance")
    with serving(), connected() as client, pytest.raises(UsageError):
        client.run_job("../live")


def test_events_come_as_they_happen_and_end_with_the_client() -> None:
    with serving() as here:
        client = connected()
        heard: list[Event] = []
        reading = threading.Thread(target=lambda: heard.extend(client.events()))
        reading.start()
        wait_until(lambda: bool(here.control.events._listeners))
        told = [here.control.events.tell("job.started", f"{n}", job="embed", count=n) for n in range(3)]
        wait_until(lambda: len(heard) == 3)
        client.close()
        join(reading)
        assert heard == told


def test_events_say_when_the_daemon_has_gone() -> None:
    with serving() as here:
        events = connected().events(after=0)
        here.control.events.tell("daemon.ready", "Ready.")
        assert next(events).name == "daemon.ready"
        here.server.stop()
        with pytest.raises(DaemonNotRunningError):
            next(events)
