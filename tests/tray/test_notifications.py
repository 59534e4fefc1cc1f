"""Few notifications, and each of them seldom."""

from __future__ import annotations

from keeprate.service.events import Event
from keeprate.tray.notifications import AT_MOST, SAME_AGAIN_S, WITHIN_S, Notifications


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def event(name: str, **data: str | int) -> Event:
    return Event(1, name, 0.0, "Something happened.", dict(data))


def test_what_matters_is_told_and_nothing_else() -> None:
    one = Notifications(Clock())
    assert one.title(event("head.promoted", head="keep", version=2)) == "A better head is in use"
    assert one.title(event("head.promoted", head="sharp", version=1)) == "A head has learned for the first time"
    assert one.title(event("library.offline", library="camera")) == "A folder is offline"
    assert one.title(event("job.finished", job="embed")) is None


def test_the_same_again_is_not_told_for_an_hour() -> None:
    clock = Clock()
    one = Notifications(clock)
    assert one.title(event("library.offline", library="camera"))
    clock.now += SAME_AGAIN_S - 1
    assert one.title(event("library.offline", library="camera")) is None
    assert one.title(event("library.offline", library="phone"))
    clock.now += 2
    assert one.title(event("library.offline", library="camera"))


def test_there_are_never_many_at_once() -> None:
    clock = Clock()
    one = Notifications(clock)
    told = [one.title(event("library.offline", library=str(number))) for number in range(AT_MOST + 5)]
    assert [title is not None for title in told] == [True] * AT_MOST + [False] * 5
    clock.now += WITHIN_S
    assert one.title(event("library.offline", library="another"))
