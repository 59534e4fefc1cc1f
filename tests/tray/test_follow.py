"""Following a daemon that works, goes away and comes back."""

from __future__ import annotations

import queue

import pytest

from keeprate.service.events import Event
from keeprate.tray import follow
from keeprate.tray.follow import Follower, Seen
from support.tray_daemon import MadeUpDaemon, a_live
from support.waiting import wait_until


class CountedNews(queue.SimpleQueue[str]):
    """News, and how often somebody gave and wanted one, and how long it would have waited."""

    given = wanted = 0

    def __init__(self) -> None:
        self.waits: list[float | None] = []

    def put(self, item: str, *_: object) -> None:
        self.given += 1
        super().put(item)

    def get(self, block: bool = True, timeout: float | None = None) -> str:
        self.wanted += 1
        self.waits.append(timeout)
        return super().get(block, timeout)


class Watcher:
    """What a follower says."""

    def __init__(self, daemon: MadeUpDaemon) -> None:
        self.seen: list[Seen] = []
        self.told: list[Event] = []
        self.follower = Follower(daemon.connect, self.seen.append, self.told.append)
        self.follower._news = self.news = CountedNews()
        self._daemon = daemon
        self.follower.start()

    def wait_for_rest(self) -> None:
        """Until it listens, and has asked whatever it had a reason to ask."""
        wait_until(lambda: self._daemon.listened_to and self.news.wanted == self.news.given + 1)

    def wait_for_no_more_asking(self) -> None:
        """Until it waits for news, however long that takes."""
        wait_until(lambda: self.news.waits[-1] is None)

    def wait_for(self, sentence: str | None) -> None:
        """Until the last that was seen is a daemon that says this; None: no daemon."""
        wait_until(lambda: bool(self.seen) and self._last() == sentence, what=f"{sentence!r}")

    def _last(self) -> str | None:
        status = self.seen[-1].status
        return None if status is None or status.live is None else status.live.sentence


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "SHORTEST_REST_S", 0.01)
    monkeypatch.setattr(follow, "GATHER_S", 0.05)


def test_what_happens_is_asked_for_once_for_many_events() -> None:
    daemon = MadeUpDaemon()
    watcher = Watcher(daemon)
    watcher.wait_for_rest()
    asked = len(daemon.asked)
    daemon.is_now(a_live("busy", "Scoring."))
    for _ in range(200):
        daemon.tell("photos.embedded")
    watcher.wait_for("Scoring.")
    assert len(daemon.asked) - asked < 20


def test_progress_asks_for_what_is_live_alone() -> None:
    daemon = MadeUpDaemon()
    watcher = Watcher(daemon)
    watcher.wait_for("Idle: 120 photos up to date.")
    watcher.wait_for_rest()
    daemon.is_now(a_live("busy", "Embedding 8 of 100."))
    before = daemon.asked.count("status")
    daemon.tell("job.progress")
    watcher.wait_for("Embedding 8 of 100.")
    assert daemon.asked[-1] == "live"
    assert daemon.asked.count("status") == before


def test_a_daemon_that_goes_and_comes_back() -> None:
    daemon = MadeUpDaemon()
    watcher = Watcher(daemon)
    watcher.wait_for("Idle: 120 photos up to date.")
    daemon.go_away()
    watcher.wait_for(None)
    daemon.is_now(a_live("starting", "Starting."))
    daemon.running = True
    watcher.wait_for("Starting.")


def test_one_that_did_not_answer_in_time_is_asked_again_though_nothing_happens() -> None:
    daemon = MadeUpDaemon()
    watcher = Watcher(daemon)
    watcher.wait_for("Idle: 120 photos up to date.")
    daemon.answers = False
    daemon.tell("photos.embedded")
    watcher.wait_for(None)
    daemon.answers = True
    watcher.wait_for("Idle: 120 photos up to date.")


def test_one_that_goes_on_answering_with_an_error_is_asked_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "LONGEST_REST_S", 0.05)
    daemon = MadeUpDaemon()
    daemon.answers = False
    watcher = Watcher(daemon)
    wait_until(lambda: watcher.news.waits[-6:] == [0.01, 0.02, 0.04, 0.05, 0.05, 0.05], what="it rests ever longer")
    daemon.answers = True
    watcher.wait_for("Idle: 120 photos up to date.")
    watcher.wait_for_no_more_asking()


def test_one_that_was_never_there_is_found_at_once_when_one_has_been_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "SHORTEST_WAIT_S", 30.0)
    daemon = MadeUpDaemon()
    daemon.running = False
    watcher = Watcher(daemon)
    watcher.wait_for(None)
    daemon.running = True
    watcher.follower.hurry()
    watcher.wait_for("Idle: 120 photos up to date.")


def test_what_cannot_be_shown_stops_nothing() -> None:
    daemon = MadeUpDaemon()
    seen: list[Seen] = []

    def show(one: Seen) -> None:
        seen.append(one)
        if len(seen) == 1:
            raise ValueError("the desktop refuses")

    Follower(daemon.connect, show, lambda event: None).start()
    wait_until(lambda: len(seen) == 1)
    daemon.tell("photos.embedded")
    wait_until(lambda: len(seen) > 1)


def test_events_are_told_once_and_not_those_of_before() -> None:
    daemon = MadeUpDaemon()
    daemon.tell("head.promoted", "long ago", at=1.0)
    watcher = Watcher(daemon)
    daemon.tell("head.promoted", "now", at=9e9)
    daemon.tell("head.promoted", "now, repeated after a reconnect", at=9e9)
    daemon.tell("head.promoted", "later", at=9e9 + 1)
    wait_until(lambda: len(watcher.told) == 2)
    assert [event.sentence for event in watcher.told] == ["now", "later"]
